"""The proxy: one ASGI app that answers what is its own and relays everything else."""

import time
from collections.abc import Callable
from typing import Any

from sidecar.policy import streams
from sidecar.policy.rules import Rules
from sidecar.proxy.door import Admitted, Door, refuse
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.reply import Reply
from sidecar.proxy.request import ClientLeft, Request
from sidecar.proxy.upstream import Backend
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry

_NO_WEBSOCKET = "ask for a stream over plain HTTP, by POST to the same path"
_NO_UPGRADE = "upgrades are not relayed; ask over plain HTTP/1.1"


class Sidecar:
    """The app. `rules` is the configuration in force; `swap` replaces it for the requests that come after."""

    def __init__(self, rules: Rules, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self._door = Door(rules, clock)
        self._telemetry = telemetry
        self._clock = clock
        # made now: the first request would wait 130 ms for what a transport imports
        self._backends = {upstream: Backend(upstream) for upstream in rules.config.upstreams}

    @property
    def rules(self) -> Rules:
        return self._door.rules

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the sidecar serves HTTP, not {scope['type']}")
        life = self._telemetry.begin(scope, self._clock())
        request = Request(scope, receive)
        async with Downstream(scope, send, life, self._clock) as downstream:
            await self._serve(request, downstream, life)

    async def _serve(self, request: Request, downstream: Downstream, life: Life) -> None:
        try:
            admitted = await self._admit(request, downstream, life)
        except ClientLeft:
            life.end("client_left", 499, self._clock())
            return
        if admitted:
            decision = admitted.decision
            policy, upstream = decision.policy, decision.upstreams[0]
            backend = self._backends.get(upstream) or Backend(upstream)
            reply = Reply(request, downstream, policy, upstream, admitted, life)
            exchange = Exchange(request, reply, backend, policy, life, self._clock)
            await exchange.run()
            self._door.ended(admitted, exchange.failed, life)
        else:
            life.end("rejected" if downstream.status >= 400 else "completed", downstream.status, self._clock())

    async def swap(self, rules: Rules) -> None:
        """Use these rules from now on. Streams in flight keep the policy and the connection they began with."""
        self._door.swap(rules)
        gone = [upstream for upstream in self._backends if upstream not in rules.config.upstreams]
        for upstream in rules.config.upstreams:
            self._backends.setdefault(upstream, Backend(upstream))
        for upstream in gone:
            await self._backends.pop(upstream).retire()

    async def aclose(self) -> None:
        """Close every idle connection to the backends."""
        while self._backends:
            await self._backends.popitem()[1].retire()

    async def _admit(self, request: Request, downstream: Downstream, life: Life) -> Admitted | None:
        """What the door says, after what no proxy can pass on; None where the request was answered here."""
        refused = _refused(request)
        if not refused:
            return await self._door.admit(request, downstream, life)
        status, message, hint = refused
        # RFC 9110, 15.5.22: what would be spoken instead
        instead = [(b"upgrade", b"HTTP/1.1"), (b"connection", b"Upgrade")] if status == 426 else []
        await refuse(downstream, status, message, life.response_headers() + instead, hint)
        return None


def _refused(request: Request) -> tuple[int, str, str] | None:
    """The status, the message and the hint for what no proxy can pass on."""
    if streams.reserved(request.path):
        return 404, "nothing is here", "/.sidecar/ is the sidecar's own"
    upgrade = request.header(b"upgrade").lower()
    if upgrade == "websocket":
        return 426, "WebSocket is not spoken here", _NO_WEBSOCKET
    if upgrade not in ("", "h2c"):
        return 501, "this connection cannot be upgraded", _NO_UPGRADE
    if request.header(b"transfer-encoding").lower() not in ("", "chunked"):
        return 501, "an unknown transfer coding", "send the body plain or chunked"
    return None
