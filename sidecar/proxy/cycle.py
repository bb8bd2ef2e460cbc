"""One request and its response: what the app's `receive` and `send` do."""

import asyncio
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from sidecar.proxy.block import block, lower
from sidecar.proxy.flow import Flow
from sidecar.proxy.head import Head
from sidecar.proxy.headers import Header

MAX_UNREAD = 64 << 10
"""Bytes of a body that wait for the app before reading stops."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FRAMING = frozenset((b"connection", b"content-length", b"transfer-encoding"))
_END = b"0\r\n\r\n"


class Wire(Protocol):
    """The connection, as a cycle needs it."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: Flow

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def answered(self) -> None:
        """The response is out."""

    def part(self, reset: bool) -> None:
        """What there is of the response is out: break when the client has had the time to read it."""


class Cycle:
    """`started`: the status line is out; `over`: so is the whole response; `disconnected`: nobody is there."""

    __slots__ = (
        "_chunked", "_counted", "_flow", "_held", "_left", "_news", "_open", "_parts", "_told", "_unread", "_uploaded",
        "_watches", "_wire", "_write", "bodiless", "disconnected", "expects", "keep_alive", "old", "over", "started",
    )  # fmt: skip

    def __init__(self, wire: Wire, head: Head, uploaded: bool) -> None:
        self.started = self.over = self.disconnected = False
        self.keep_alive = head.keep_alive
        self.bodiless = head.method == "HEAD"
        self.old = head.version == "1.0"
        self.expects = head.expects
        self._wire = wire
        self._flow = wire.flow
        self._write = wire.transport.write
        self._news: asyncio.Event | None = None  # 760 bytes: only where somebody waits
        self._watches: list[asyncio.Future[None]] = []
        self._parts: list[bytes] = []
        self._unread = 0
        self._uploaded = uploaded
        self._told = False  # that the body is all there
        self._held = b""  # the head, until the first of the body or the loop's next turn
        self._open = False  # chunks may be written
        self._chunked = False
        self._counted = False
        self._left = 0

    # ---- the request

    def take(self, data: bytes, last: bool) -> None:
        """More of the body; reading stops when the app leaves too much of it."""
        if data:
            self._parts.append(data)
        self._uploaded = last
        self.expects = False
        self._tell()
        self._unread += len(data)
        if self._unread > MAX_UNREAD:
            self._wire.pause()

    def lose(self) -> None:
        """The client is gone."""
        self.disconnected = True
        self._open = self._chunked = False
        self._tell()
        for watch in self._watches:
            if not watch.done():
                watch.set_result(None)

    def left(self) -> asyncio.Future[None]:
        """Done when the client is gone. `receive` tells that too, but only behind all of the body."""
        watch: asyncio.Future[None] = self._wire.loop.create_future()
        if self.disconnected:
            watch.set_result(None)
        else:
            self._watches.append(watch)
        return watch

    async def receive(self) -> dict[str, Any]:
        if self.expects and not self.started and not self.disconnected:
            self.expects = False
            self._write(_CONTINUE)
        while not (self.over or self.disconnected):
            if self._parts or (self._uploaded and not self._told):
                return self._request()
            if not self._uploaded:
                self._wire.resume()
            self._news = self._news or asyncio.Event()
            await self._news.wait()
        return {"type": "http.disconnect"}

    def _tell(self) -> None:
        """To whom waits in `receive`."""
        if self._news:
            self._news.set()
            self._news = None

    def _request(self) -> dict[str, Any]:
        parts, self._parts, self._unread = self._parts, [], 0
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._told = self._uploaded
        return {"type": "http.request", "body": body, "more_body": not self._uploaded}

    # ---- the response

    async def send(self, message: dict[str, Any]) -> None:
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if not self.disconnected:
            self._send(message)

    def write(self, data: bytes) -> bool:
        """A piece of the body, now: the path of a token. False, and nothing is written, where `send` would wait or
        knows better."""
        if not self._open or self._flow.write_paused:
            return False
        self._write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def _send(self, message: dict[str, Any]) -> None:
        if not self.started:
            self._start(message)
            return
        if self.over or message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} in the wrong place")
        data: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            self._put(piece if more else piece + _END)
        elif self._counted:
            if not self._count(data, more):
                return
        else:
            self._put(b"" if self.bodiless else data)
        if not more:
            self._open = self._chunked = False
            self.over = True
            self._tell()
            self._wire.answered()

    def abort(self, said: bool = False) -> None:
        """Break the connection: the client sees an error, not an end. `said`: the last bytes tell why, and are to be
        read first.

        A chunked or counted body is short without its end, and what is on its way may still arrive. A
        close-delimited one needs a reset, since its close is its end.
        """
        if self.disconnected:
            return
        framed = self._chunked or self._counted
        self._flush()
        self.lose()
        if said:
            self._wire.part(reset=not framed)
        else:
            self._flow.break_off(reset=not framed or self._flow.write_paused)

    def _count(self, data: bytes, more: bool) -> bool:
        """Write what fits into Content-Length. A body of another length is broken off: its end would be a lie."""
        self._left -= len(data)
        if self._left < 0 or (self._left and not more):
            self.abort()
            return False
        self._put(data)
        return True

    def _put(self, data: bytes) -> None:
        """Write behind the head; with it, where that is still here."""
        if self._held:
            data, self._held = self._held + data, b""
            self._open = self._chunked
        self._write(data)

    def _flush(self) -> None:
        if self._held and not self.disconnected:
            self._put(b"")

    def _start(self, message: dict[str, Any]) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"{message['type']} before the start of the response")
        status: int = message["status"]
        if status < 200:
            raise RuntimeError("an interim status is no answer")
        self.bodiless = self.bodiless or status in (204, 304)
        lines = block(self._framed(lower(message.get("headers", ()))))
        self.started = True
        self._chunked = not (self._counted or self.bodiless or self.old)
        self.expects = False
        self._held = (STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status) + lines
        # the first of the body follows at once, nearly always: one system call and one packet for both
        self._wire.loop.call_soon(self._flush)

    def _framed(self, headers: list[Header]) -> list[bytes]:
        """The lines, with this connection's framing: Content-Length, chunks or the close; and one Connection."""
        lines: list[bytes] = []
        connection = length = b""
        for header in headers:
            name = header[0]
            if name not in _FRAMING:
                lines.append(b": ".join(header))
            elif name == b"connection":
                connection = header[1]
                self.keep_alive = self.keep_alive and b"close" not in connection.lower()
            elif name == b"content-length":
                if length or not header[1].isdigit():
                    raise RuntimeError("a Content-Length that is none")
                length = header[1]
                lines.append(b": ".join(header))
        if length:
            self._counted = not self.bodiless
            self._left = int(length)
        elif not self.bodiless and not self.old:
            lines.append(b"transfer-encoding: chunked")
        if not self.keep_alive:
            upgrade = b", Upgrade" if connection.lower() == b"upgrade" else b""
            lines.append(b"connection: close" + upgrade)
        elif connection:
            lines.append(b"connection: " + connection)
        return lines
