"""The client's side: the only caller of `send()`.

A write waits while the client does not read; nothing is queued. Keep-alive bytes go beside the path, never while a
write waits and never inside a frame.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from math import ceil
from typing import Any, Self

from sidecar.policy.outcome import OUTCOMES
from sidecar.proxy.flow import FAREWELL_S
from sidecar.proxy.headers import Header
from sidecar.stream import lines
from sidecar.stream.events import Error
from sidecar.telemetry.life import Life

_TYPES = {"RATE_LIMIT": "rate_limit_error", "BAD_REQUEST": "invalid_request_error", "TIMEOUT": "timeout_error"}


class Unfinished(Exception):
    """Raised out of the app, so that the server breaks the connection."""


class Downstream:
    """One answer to one client. `started`: the status line is out; `writing`: a write waits for the client.

    The app's call is in its block, which raises where the server can be told of a failure in no other way.
    """

    def __init__(self, scope: Any, send: Any, life: Life, clock: Callable[[], float] = time.monotonic) -> None:
        self.started = False
        self.finished = False
        self.writing = False
        self.status = 0
        self.last_write = clock()
        self._scope = scope
        self._send = send
        self._life = life
        self._clock = clock
        self._write_now = scope.get("extensions", {}).get("sidecar.write", _not_now)
        self._beside: asyncio.Task[None] | None = None
        self._broken = False
        self._farewell = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *exc: object) -> None:
        """The app's call ends with this block. A server that is not ours breaks the connection where it raises: so do
        uvicorn and hypercorn, in HTTP/2 too; of an app that returns with the end unsaid ASGI says nothing."""
        if not self._broken:
            return
        await asyncio.sleep(self._farewell)
        if not kind:
            raise Unfinished("the answer failed in its middle: its connection is broken, so that the client sees it")

    async def start(self, status: int, headers: list[Header]) -> None:
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> float:
        """Returns when the kernel, or the server's bounded buffer, took the bytes; the seconds that it waited."""
        before = self._clock()
        self.writing = True
        if self._beside:
            await self._beside
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.writing = False
        self.last_write = now = self._clock()
        self._life.delivered(len(data), now, now - before)
        return now - before

    def offer(self, data: bytes, now: float) -> bool:
        """Write without waiting; False, and nothing is written, where that cannot be. `now` is the time."""
        if self._beside or not self._write_now(data):
            return False
        self.last_write = now
        self._life.delivered(len(data), now)
        return True

    async def finish(self, data: bytes = b"") -> None:
        """The end of the answer, with its last bytes in the same write."""
        if self._beside:
            await self._beside
        self.finished = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})
        if data:
            self._life.delivered(len(data), self._clock())

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which writes by `keep_alive`, between two writes of the path."""
        self._beside = asyncio.ensure_future(work)
        self._beside.add_done_callback(self._beside_done)

    def _beside_done(self, task: "asyncio.Task[None]") -> None:
        self._beside = None
        if not task.cancelled():
            task.exception()

    @property
    def busy(self) -> bool:
        """Whether nothing may be written beside the path now."""
        return self.writing or self.finished or self._beside is not None

    async def keep_alive(self, data: bytes) -> None:
        """Bytes that carry no answer: a ping, padding, the opening status."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.last_write = self._clock()

    async def refuse(
        self, error: Error, headers: list[Header], upstream: str = "", hint: str = "", status: int = 0
    ) -> None:
        """The whole answer is this error: a status, and a body that both SDK families read."""
        row = OUTCOMES[error.outcome]
        status = status or row.status
        body = lines.encoded(
            {
                "type": "error",
                "error": {
                    "type": _TYPES.get(error.code, "api_error"),
                    "message": error.message,
                    "code": error.code,
                    "upstream": upstream,
                    "outcome": error.outcome,
                    "hint": hint or row.hint,
                },
            }
        )
        length = (b"content-length", b"%d" % len(body))
        retry = [(b"retry-after", b"%d" % max(1, ceil(error.retry_after)))] if error.retry_after else []
        await self.start(status, [(b"content-type", b"application/json"), length, *retry, *headers])
        self.finished = True
        # a HEAD answer has the head of the error and none of its body
        body = b"" if self._scope["method"] == "HEAD" else body
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def abort(self, data: bytes = b"", said: bool = False) -> None:
        """Break the connection behind these last bytes, so that nobody takes what was sent for whole. `said`: what went
        before them tells why, and is to be read."""
        if data:
            await self.write(data)
        self.finished = True
        said = said or bool(data)
        abort = self._scope.get("extensions", {}).get("sidecar.abort")
        if abort:
            abort(said)
        else:
            self._broken, self._farewell = True, FAREWELL_S if said else 0.0


def _not_now(data: bytes) -> bool:
    """A server that is not ours can only be waited for."""
    return False
