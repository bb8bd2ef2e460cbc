"""A request on its way to a backend: its bytes, and a body that is sent piece by piece beside the answer."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, NamedTuple

from sidecar.proxy.answer import Body, Failure, framing
from sidecar.proxy.block import ENDS, are_names, block
from sidecar.proxy.headers import Header

_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"expect"))
_FIRST = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\0-\x20\x7f]+ HTTP/1\.1")
_BROKEN = "its head has characters that it may not"
_LENGTH = re.compile(rb"[0-9]{1,18}")


class Outgoing(NamedTuple):
    """A request on its way. `length` is what its head says of a body that comes in pieces; None: chunks."""

    method: str
    head: bytes
    body: Body
    length: int | None


def outgoing(method: str, target: bytes, headers: list[Header], body: Body) -> Outgoing:
    """The request in bytes; what frames its body is written here. Failure("rejected") where a part could inject."""
    frames = framing(headers, body)
    fields = [header for header in headers if header[0] not in _FRAMING] + frames
    first = b"%b %b HTTP/1.1" % (method.encode(), target)
    try:
        head = block([first, *map(b": ".join, fields)], ENDS)
    except RuntimeError:
        raise _rejected(_BROKEN) from None
    if not are_names(fields) or not _FIRST.fullmatch(first):
        raise _rejected(_BROKEN)
    return Outgoing(method, head, body, None if isinstance(body, bytes) else _length(frames))


def _length(frames: list[Header]) -> int | None:
    if frames == [(b"transfer-encoding", b"chunked")]:
        return None
    if len(frames) > 1 or not _LENGTH.fullmatch(frames[0][1]):
        raise _rejected("its length is not one number")
    return int(frames[0][1])


def _rejected(why: str) -> Failure:
    return Failure("rejected", f"the request cannot be forwarded: {why}")


class Upload:
    """The sending of a body in pieces over `transport`. `failed` is told what the body raised."""

    def __init__(self, transport: Any, request: Outgoing, failed: Callable[[BaseException], None]) -> None:
        assert not isinstance(request.body, bytes)
        self.over = False
        self._transport = transport
        self._failed = failed
        self._room: asyncio.Future[None] | None = None
        self._ear = _second(transport)
        self._task = asyncio.create_task(self._send(request.body, request.length))
        self._task.add_done_callback(self._sent)

    def stop(self) -> None:
        """Send no more. The body is closed soon."""
        if not self._task.cancelling():
            self._task.cancel()

    def pause(self) -> None:
        """Wait with the next piece for `resume`."""
        self._room = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        if self._room and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def heard(self) -> bytes:
        """What the backend had said before a write failed; b"" if nothing more.

        A backend that refuses an upload and closes resets what is still sent to it. The kernel keeps its answer, but
        the loop closes the connection at the failed write: 9 of 100 such answers were lost without this.
        """
        try:
            return self._ear.recv(1 << 16) if self._ear else b""
        except OSError:
            return b""

    async def _send(self, body: AsyncIterator[bytes], length: int | None) -> None:
        left = length
        try:
            async for part in body:
                if left is not None:
                    left -= len(part)
                    if left < 0:
                        break
                    self._transport.write(part)
                elif part:
                    self._transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
                if self._room:
                    await self._room
        finally:
            if isinstance(body, AsyncGenerator):
                await body.aclose()
        if left:
            # one byte more or less, and the backend would take what follows for something else
            raise _rejected("its body is not as long as it said")
        if left is None:
            self._transport.write(b"0\r\n\r\n")

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self.over = True
        if self._ear:
            self._ear.close()
        if not task.cancelled() and (error := task.exception()):
            self._failed(error)


def _second(transport: Any) -> socket.socket | None:
    """Another descriptor of a connection, where reading it means anything."""
    if transport.get_extra_info("sslcontext"):
        return None
    second = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    second.setblocking(False)
    return second
