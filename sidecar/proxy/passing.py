"""An answer of an app in this process that passes as it is: counted, and not touched."""

import asyncio
from collections.abc import Callable
from typing import Any

from sidecar.policy import outcome
from sidecar.proxy.heard import Heard, Message
from sidecar.telemetry.life import Life

_BODY = ("http.response.body", "http.response.pathsend", "http.response.zerocopysend")


class Passing:
    """`send` is the server's, measured; the exchange's life ends with the last byte, or with `close`.

    `over` is set then, and `outcome` is known.
    """

    def __init__(self, send: Any, heard: Heard, life: Life, clock: Callable[[], float]) -> None:
        self.over = asyncio.Event()
        self.outcome = ""
        self._send = send
        self._heard = heard
        self._life = life
        self._clock = clock
        self._status = 0
        self._lost = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
            self._life.head(self._status, self._clock())
        try:
            await self._send(message)
        except OSError:
            self._lost = True  # ASGI 2.4: the client is gone
            raise
        if kind in _BODY:
            self._life.delivered(len(message.get("body", b"")), self._clock())
            if not message.get("more_body", False):
                self._end("completed" if self._status < 400 else outcome.of_status(self._status), self._status)

    def close(self, raised: type[BaseException] | None) -> None:
        """The app has returned, or raised, and sends nothing more."""
        if self._lost or self._heard.gone:
            self._end("client_left", 499)
        elif raised is asyncio.CancelledError:
            self._end("drained", self._status)
        else:
            # the server says 500 where the app has said nothing
            self._end("upstream_error" if raised else "truncated", self._status or 500)

    def _end(self, word: str, status: int) -> None:
        if not self.outcome:
            self.outcome = word
            self._life.end(word, status, self._clock())
            self.over.set()
