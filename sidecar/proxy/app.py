"""The door: one ASGI app that answers what is its own and relays everything else."""

import time
from collections.abc import Callable
from typing import Any

from sidecar.policy import streams
from sidecar.policy.rules import Facts, Rules
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.headers import Header
from sidecar.proxy.relay import Exchange
from sidecar.proxy.request import ClientLeft, Request
from sidecar.proxy.upstream import Backend
from sidecar.stream.events import Error
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry

_NO_UPGRADE = "WebSocket and other upgrades are not relayed; ask for a stream over plain HTTP"


class Sidecar:
    """The app. `rules` is the configuration in force; `swap` replaces it for the requests that come after."""

    def __init__(self, rules: Rules, telemetry: Telemetry, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._telemetry = telemetry
        self._clock = clock
        # made now: the first request would wait 130 ms for what a transport imports
        self._backends = {upstream: Backend(upstream) for upstream in rules.config.upstreams}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"the sidecar serves HTTP, not {scope['type']}")
        life = self._telemetry.begin(scope, self._clock())
        request = Request(scope, receive)
        downstream = Downstream(scope, send, life, self._clock)
        try:
            exchange = await self._admit(request, downstream, life)
        except ClientLeft:
            life.end("client_left", 499, self._clock())
            return
        if exchange:
            await exchange.run()
        else:
            life.end("rejected" if downstream.status >= 400 else "completed", downstream.status, self._clock())

    async def swap(self, rules: Rules) -> None:
        """Use these rules from now on. Streams in flight keep the policy and the connection they began with."""
        self.rules = rules
        gone = [upstream for upstream in self._backends if upstream not in rules.config.upstreams]
        for upstream in rules.config.upstreams:
            self._backends.setdefault(upstream, Backend(upstream))
        for upstream in gone:
            await self._backends.pop(upstream).retire()

    async def aclose(self) -> None:
        """Close every idle connection to the backends."""
        while self._backends:
            await self._backends.popitem()[1].retire()

    async def _admit(self, request: Request, downstream: Downstream, life: Life) -> Exchange | None:
        """The exchange that serves this request, or None where it was answered here."""
        own = life.response_headers()
        if streams.reserved(request.path):
            await self._refuse(downstream, 404, "nothing is here", own, "/.sidecar/ is the sidecar's own")
        elif request.header(b"upgrade").lower() not in ("", "h2c"):
            await self._refuse(downstream, 501, "this connection cannot be upgraded", own, _NO_UPGRADE)
        elif request.header(b"last-event-id") == "end":
            # 204 is what stops a browser's EventSource from asking again
            await downstream.start(204, own)
            await downstream.finish()
        else:
            return await self._decide(request, downstream, life)
        return None

    async def _decide(self, request: Request, downstream: Downstream, life: Life) -> Exchange | None:
        rules = self.rules
        await request.inspect(rules.config.inspect_bytes)
        asked = streams.is_stream_request(
            request.method, request.path, request.header(b"accept"), request.asked
        ) and not streams.untouchable(request.headers, request.asked)
        model = request.asked.model or streams.model_in_path(request.path)
        decision = rules.resolve(Facts(request.method, request.path, request.headers, model, asked))
        asked = {"on": True, "off": False}.get(decision.policy.stream, asked)
        try:
            format = streams.choose_format(decision.policy, request.headers)
        except streams.NotAcceptable as error:
            await self._refuse(downstream, 406, str(error), life.response_headers())
            return None
        backend = self._backends.get(decision.upstreams[0]) or Backend(decision.upstreams[0])
        upstream = backend.upstream
        life.routed(decision, upstream=upstream, dialect=upstream.dialect, model=model, format=format, stream=asked)
        return Exchange(request, downstream, backend, decision, format, asked, life, self._clock)

    async def _refuse(
        self, downstream: Downstream, status: int, message: str, own: list[Header], hint: str = ""
    ) -> None:
        error = Error("rejected", message, "BAD_REQUEST")
        await downstream.refuse(error, own, hint=hint or "see the message", status=status)
