"""The sidecar around an app: that app's own streams leave as if the sidecar stood before it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from sidecar import __version__
from sidecar.policy import outcome
from sidecar.policy.load import INSIDE, Flags
from sidecar.proxy.answer import Answer
from sidecar.proxy.door import Door
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.heard import Heard, Overheard
from sidecar.proxy.host import Config, outwards, rules_of
from sidecar.proxy.inprocess import Call
from sidecar.proxy.passing import Passing
from sidecar.proxy.reply import Reply
from sidecar.proxy.request import ClientLeft
from sidecar.proxy.upstream import Backend
from sidecar.stream.events import Error
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry


class SidecarMiddleware:
    """Pure ASGI middleware. `config` is a path, YAML text, or None for the built-in rules; read once. Raises Invalid.

    Streams are normalised and kept alive by the rules; all else passes as it is; everything is measured. `telemetry` is
    for an app that shows its `metrics_page()`; it is then the app's to shut down.
    """

    def __init__(
        self,
        app: Any,
        config: Config = None,
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._door = Door(rules_of(config, INSIDE, Flags(upstream="app://")), clock)
        self._own = telemetry is None
        self._telemetry = telemetry or Telemetry(__version__)
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan" and self._own:
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        life = self._telemetry.begin(scope, self._clock())
        async with Downstream(scope, outwards(scope, send), life, self._clock) as downstream:
            await self._answer(scope, receive, send, downstream, life)

    async def _answer(self, scope: Any, receive: Any, send: Any, downstream: Downstream, life: Life) -> None:
        heard = Heard(receive)
        request = Overheard(scope, heard)
        try:
            admitted = await self._door.admit(request, downstream, life)
        except ClientLeft:
            life.end("client_left", 499, self._clock())
            return
        if not admitted:
            life.end("rejected" if downstream.status >= 400 else "completed", downstream.status, self._clock())
            return
        decision = admitted.decision
        policy, upstream = decision.policy, decision.upstreams[0]
        reply = Within(request, downstream, policy, upstream, admitted, life)
        if admitted.asked:
            # what the app would compress could not be read until its compressor gives it away
            others = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
            scope["headers"] = [*others, (b"accept-encoding", b"identity")]

        async def relay() -> None:
            reply.call = call
            exchange = Exchange(request, reply, Backend(upstream, call), policy, life, self._clock)
            await exchange.run()
            self._door.ended(admitted, exchange.failed, life)

        call = Call(scope, heard, Passing(send, heard, life, self._clock), downstream, relay, admitted.asked)
        async with call:
            await self._app(scope, call.receive, call.send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        async def last(message: Any) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.to_thread(self._telemetry.shutdown)
            await send(message)

        await self._app(scope, receive, last)


class Within(Reply):
    """The reply of an app in this process. What is no stream passes by it, and so does a failure of an app that has not
    begun an answer: its host has a page for that."""

    call: Call

    async def untouched(self, answer: Answer) -> None:
        self.ending = True
        self.downstream.status = answer.status
        self.outcome = await self.call.pass_by()

    async def fail(self, error: Error) -> None:
        if self.downstream.started or not self.call.failure:
            await super().fail(error)
            return
        self.ending = True
        self.outcome = error.outcome
        if self.call.started:
            await self._refuse(outcome.complete(error), status=500)
        else:
            self.downstream.status = 500
