"""The door: one ASGI app that answers what is its own and relays everything else."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from sidecar.policy import cors, rollout, streams
from sidecar.policy.rules import Decision, Facts, Rules
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.headers import Header
from sidecar.proxy.relay import Exchange
from sidecar.proxy.request import ClientLeft, Request
from sidecar.proxy.upstream import Backend
from sidecar.stream.events import Error
from sidecar.telemetry import log
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry

_NO_UPGRADE = "WebSocket and other upgrades are not relayed; ask for a stream over plain HTTP"

Admitted = tuple[Exchange | None, rollout.Arm | None]


class Sidecar:
    """The app. `rules` is the configuration in force; `swap` replaces it for the requests that come after."""

    def __init__(self, rules: Rules, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._telemetry = telemetry
        self._clock = clock
        self._arms: dict[str, rollout.Arm] = {}
        # made now: the first request would wait 130 ms for what a transport imports
        self._backends = {upstream: Backend(upstream) for upstream in rules.config.upstreams}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the sidecar serves HTTP, not {scope['type']}")
        life = self._telemetry.begin(scope, self._clock())
        request = Request(scope, receive)
        downstream = Downstream(scope, send, life, self._clock)
        try:
            exchange, arm = await self._admit(request, downstream, life)
        except ClientLeft:
            life.end("client_left", 499, self._clock())
            return
        if exchange:
            await exchange.run()
            if arm and arm.ended(self._clock(), exchange.failed):
                log.event(logging.ERROR, "rollout_aborted", rule=life.rule, format=life.format, until="the next reload")
        else:
            life.end("rejected" if downstream.status >= 400 else "completed", downstream.status, self._clock())

    async def swap(self, rules: Rules) -> None:
        """Use these rules from now on. Streams in flight keep the policy and the connection they began with."""
        self.rules = rules
        self._arms.clear()
        gone = [upstream for upstream in self._backends if upstream not in rules.config.upstreams]
        for upstream in rules.config.upstreams:
            self._backends.setdefault(upstream, Backend(upstream))
        for upstream in gone:
            await self._backends.pop(upstream).retire()

    async def aclose(self) -> None:
        """Close every idle connection to the backends."""
        while self._backends:
            await self._backends.popitem()[1].retire()

    async def _admit(self, request: Request, downstream: Downstream, life: Life) -> Admitted:
        """The exchange that serves this request, None where it was answered here; and its arm of a rollout."""
        own = life.response_headers()
        if streams.reserved(request.path):
            await self._refuse(downstream, 404, "nothing is here", own, "/.sidecar/ is the sidecar's own")
        elif request.header(b"upgrade").lower() not in ("", "h2c"):
            await self._refuse(downstream, 501, "this connection cannot be upgraded", own, _NO_UPGRADE)
        elif request.header(b"transfer-encoding").lower() not in ("", "chunked"):
            await self._refuse(downstream, 501, "an unknown transfer coding", own, "send the body plain or chunked")
        elif request.header(b"last-event-id") == "end":
            # 204 is what stops a browser's EventSource from asking again
            await downstream.start(204, own)
            await downstream.finish()
        elif request.method == "OPTIONS" and request.header(b"access-control-request-method"):
            return await self._preflight(request, downstream, life)
        else:
            return await self._decide(request, downstream, life)
        return None, None

    async def _preflight(self, request: Request, downstream: Downstream, life: Life) -> Admitted:
        """A browser asks whether it may ask. The rule answers, or the backend where the rule leaves it to that."""
        method = request.header(b"access-control-request-method")
        policy = self.rules.resolve(Facts(method, request.path, request.headers)).policy
        if not policy.cors.origins:
            return await self._decide(request, downstream, life)
        allowed = cors.preflight(policy.cors, request.header(b"origin"), method)
        await downstream.start(204, life.response_headers() + allowed)
        await downstream.finish()
        return None, None

    async def _decide(self, request: Request, downstream: Downstream, life: Life) -> Admitted:
        rules = self.rules
        await request.inspect(rules.config.inspect_bytes)
        asked = streams.is_stream_request(
            request.method, request.path, request.header(b"accept"), request.asked
        ) and not streams.untouchable(request.headers, request.asked)
        model = request.asked.model or streams.model_in_path(request.path)
        decision = rules.resolve(Facts(request.method, request.path, request.headers, model, asked))
        asked = {"on": True, "off": False}.get(decision.policy.stream, asked)
        wished = streams.wish(request.headers)
        try:
            format = streams.choose_format(decision.policy, wished)
        except streams.NotAcceptable as error:
            own = life.response_headers() + cors.answer(decision.policy.cors, request.header(b"origin"))
            await self._refuse(downstream, 406, str(error), own)
            return None, None
        arm = None if wished else self._arm(decision, request)
        format = decision.policy.rollout.format if arm else format
        backend = self._backends.get(decision.upstreams[0]) or Backend(decision.upstreams[0])
        upstream = backend.upstream
        life.routed(decision, upstream=upstream, dialect=upstream.dialect, model=model, format=format, stream=asked)
        return Exchange(request, downstream, backend, decision, format, asked, life, self._clock), arm

    def _arm(self, decision: Decision, request: Request) -> rollout.Arm | None:
        """The new arm of the rule's rollout, if this client is on it and it is not off."""
        if not rollout.chosen(decision.policy.rollout, request.headers, random.random()):
            return None
        arm = self._arms.setdefault(decision.rule, rollout.Arm(decision.policy.rollout.abort))
        return None if arm.off else arm

    async def _refuse(
        self, downstream: Downstream, status: int, message: str, own: list[Header], hint: str = ""
    ) -> None:
        error = Error("rejected", message, "BAD_REQUEST")
        await downstream.refuse(error, own, hint=hint or "see the message", status=status)
