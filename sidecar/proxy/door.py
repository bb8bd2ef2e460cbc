"""The door: what is decided before a request goes anywhere, and what is answered there."""

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from sidecar.policy import apis, cors, rollout, streams
from sidecar.policy.rules import Decision, Facts, Rules
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.headers import Header
from sidecar.proxy.request import Request
from sidecar.stream.events import Error
from sidecar.telemetry import log
from sidecar.telemetry.life import Life

_FORCED = {"on": True, "off": False}


class Admitted(NamedTuple):
    """A request that goes on. `asked` is whether it asks for a stream; `arm` is the rollout's that it is on; `auto` is
    there where the answer may still change the format."""

    decision: Decision
    format: str
    asked: bool
    arm: rollout.Arm | None
    auto: apis.Auto | None


class Door:
    """`rules` is the configuration in force; `swap` replaces it for the requests that come after."""

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._clock = clock
        self._arms: dict[str, rollout.Arm] = {}

    def swap(self, rules: Rules) -> None:
        self.rules = rules
        self._arms.clear()

    async def admit(self, request: Request, downstream: Downstream, life: Life) -> Admitted | None:
        """What is done with this request; None where it was answered here. Raises ClientLeft."""
        if request.header(b"last-event-id") == "end":
            # 204 is what stops a browser's EventSource from asking again
            await downstream.start(204, life.response_headers())
            await downstream.finish()
            return None
        if request.method == "OPTIONS" and request.header(b"access-control-request-method"):
            return await self._preflight(request, downstream, life)
        return await self._decide(request, downstream, life)

    def ended(self, admitted: Admitted, failed: bool, life: Life) -> None:
        """A request that went on is over; its rollout turns itself off where too many streams fail."""
        if admitted.arm and life.stream and admitted.arm.ended(self._clock(), failed):
            log.event(logging.ERROR, "rollout_aborted", rule=life.rule, format=life.format, until="the next reload")

    async def _preflight(self, request: Request, downstream: Downstream, life: Life) -> Admitted | None:
        """A browser asks whether it may ask. The rule answers, or the backend where the rule leaves it to that."""
        method = request.header(b"access-control-request-method")
        policy = self.rules.resolve(Facts(method, request.path, request.headers)).policy
        if not policy.cors.origins:
            return await self._decide(request, downstream, life)
        allowed = cors.preflight(policy.cors, request.header(b"origin"), method)
        await downstream.start(204, life.response_headers() + allowed)
        await downstream.finish()
        return None

    async def _decide(self, request: Request, downstream: Downstream, life: Life) -> Admitted | None:
        rules = self.rules
        await request.inspect(rules.config.inspect_bytes)
        ours = not streams.untouchable(request.first, request.asked)
        asked = ours and streams.is_stream_request(
            request.method, request.path, request.header(b"accept"), request.asked
        )
        model = request.asked.model or streams.model_in_path(request.path)
        decision = rules.resolve(Facts(request.method, request.path, request.headers, model, asked))
        asked = ours and _FORCED.get(decision.policy.stream, asked)
        wished = streams.wish(request.headers)
        try:
            format = streams.choose_format(decision.policy, wished)
        except streams.NotAcceptable as error:
            own = life.response_headers() + cors.answer(decision.policy.cors, request.header(b"origin"))
            await refuse(downstream, 406, str(error), own)
            return None
        arm = None if wished else self._arm(decision, request)
        format = decision.policy.rollout.format if arm else format
        upstream = decision.upstreams[0]
        auto = apis.of_path(request.path) if format == "auto" else None
        if auto:
            known = upstream.dialect not in ("auto", "homemade")
            format = auto.of(upstream.dialect) if known else auto.format
            auto = auto if auto.open and not known else None
        life.routed(decision, upstream=upstream, dialect=upstream.dialect, model=model, format=format, stream=asked)
        return Admitted(decision, format, asked, arm, auto)

    def _arm(self, decision: Decision, request: Request) -> rollout.Arm | None:
        """The new arm of the rule's rollout, if this client is on it and it is not off."""
        if not rollout.chosen(decision.policy.rollout, request.headers, random.random()):
            return None
        arm = self._arms.setdefault(decision.rule, rollout.Arm(decision.policy.rollout.abort))
        return None if arm.off else arm


async def refuse(downstream: Downstream, status: int, message: str, own: list[Header], hint: str = "") -> None:
    """Answer a request that cannot go on."""
    error = Error("rejected", message, "BAD_REQUEST")
    await downstream.refuse(error, own, hint=hint or "see the message", status=status)
