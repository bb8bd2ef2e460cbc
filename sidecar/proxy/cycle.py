"""One request and its response: what the app's `receive` and `send` do."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from sidecar.proxy.flow import Flow
from sidecar.proxy.head import Head
from sidecar.proxy.headers import Header

MAX_UNREAD = 64 << 10
"""Bytes of a body that wait for the app before reading stops."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
_END = b"0\r\n\r\n"


class Wire(Protocol):
    """The connection, as a cycle needs it."""

    transport: asyncio.Transport
    flow: Flow

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def answered(self) -> None:
        """The response is out."""

    def break_off(self, reset: bool) -> None:
        """End the connection in mid-answer."""


class Cycle:
    """`started`: the status line is out; `over`: so is the whole response; `disconnected`: nobody is there."""

    __slots__ = (
        "_chunked", "_counted", "_flow", "_left", "_news", "_parts", "_told", "_unread", "_uploaded", "_watches",
        "_wire", "_write", "bodiless", "disconnected", "expects", "keep_alive", "old", "over", "started",
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
        self._news = asyncio.Event()
        self._watches: list[asyncio.Future[None]] = []
        self._parts: list[bytes] = []
        self._unread = 0
        self._uploaded = uploaded
        self._told = False  # that the body is all there
        self._chunked = False  # and chunks may be written
        self._counted = False
        self._left = 0

    # ---- the request

    def take(self, data: bytes, last: bool) -> None:
        """More of the body; reading stops when the app leaves too much of it."""
        if data:
            self._parts.append(data)
        self._uploaded = last
        self.expects = False
        self._news.set()
        self._unread += len(data)
        if self._unread > MAX_UNREAD:
            self._wire.pause()

    def lose(self) -> None:
        """The client is gone."""
        self.disconnected = True
        self._chunked = False
        self._news.set()
        for watch in self._watches:
            if not watch.done():
                watch.set_result(None)

    def left(self) -> asyncio.Future[None]:
        """Done when the client is gone. `receive` tells that too, but only behind all of the body."""
        watch = asyncio.get_running_loop().create_future()
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
            self._news.clear()
            if not self._uploaded:
                self._wire.resume()
            await self._news.wait()
        return {"type": "http.disconnect"}

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
        if not self._chunked or self._flow.write_paused:
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
            self._write(piece if more else piece + _END)
        elif self._counted:
            if not self._count(data, more):
                return
        elif not self.bodiless:
            self._write(data)
        if not more:
            self._chunked = False
            self.over = True
            self._news.set()
            self._wire.answered()

    def abort(self) -> None:
        """Break the connection: the client sees an error, not an end.

        A chunked or counted body is short without its end, and what is on its way may still arrive. A
        close-delimited one needs a reset, since its close is its end.
        """
        framed = self._chunked or self._counted
        self.lose()
        self._wire.break_off(reset=not framed or self._flow.write_paused)

    def _count(self, data: bytes, more: bool) -> bool:
        """Write what fits into Content-Length. A body of another length is broken off: its end would be a lie."""
        self._left -= len(data)
        if self._left < 0 or (self._left and not more):
            self.abort()
            return False
        self._write(data)
        return True

    def _start(self, message: dict[str, Any]) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"{message['type']} before the start of the response")
        status: int = message["status"]
        if status < 200:
            raise RuntimeError("an interim status is no answer")
        headers = self._framed(status, message.get("headers", ()))
        lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
        # one look at the whole block: 0.1 us a header less than two at each
        if lines.count(b"\r\n") != len(headers) or not _LINES.fullmatch(lines):
            raise RuntimeError("a header that would break out of its line")
        self.started = True
        self._chunked = not (self._counted or self.bodiless or self.old)
        self.expects = False
        self._write(b"".join([STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status, lines, b"\r\n"]))

    def _framed(self, status: int, given: Iterable[Header]) -> list[Header]:
        """The headers with this connection's framing: Content-Length, chunks or the close; and one Connection."""
        pairs: list[Header] = []
        connection = b""
        lengths: list[bytes] = []
        for name, value in given:
            name = name.lower()
            if name == b"connection":
                connection = value
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
            elif name != b"transfer-encoding":
                pairs.append((name, value))
                if name == b"content-length":
                    lengths.append(value)
        self.bodiless = self.bodiless or status in (204, 304)
        self._counted = bool(lengths) and not self.bodiless
        if lengths:
            if len(lengths) > 1 or not lengths[0].isdigit():
                raise RuntimeError("a Content-Length that is none")
            self._left = int(lengths[0])
        elif not self.bodiless and not self.old:
            pairs.append((b"transfer-encoding", b"chunked"))
        if not self.keep_alive:
            pairs.append((b"connection", b"close"))
        elif connection:
            pairs.append((b"connection", connection))
        return pairs
