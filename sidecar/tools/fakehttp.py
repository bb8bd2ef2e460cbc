"""HTTP/1.0 and 1.1 for the fake backend, as honest as nginx needs it, on a bare asyncio protocol."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import httptools
import msgspec

H2C = b"Upgrade: h2c\r\n"
"""Java's client offers it with every request, behind which httptools would read no body."""


class Request(msgspec.Struct):
    """One request as it was read."""

    method: str = ""
    target: bytes = b""
    headers: dict[str, str] = {}
    body: bytearray = bytearray()
    version: str = "1.1"

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this answer; HTTP/1.0 is not kept alive here."""
        return self.version == "1.0" or "close" in self.headers.get("connection", "").lower()


class Connection(asyncio.Protocol):
    """One client, whose requests one task answers in order; the task is cancelled as soon as the client has gone."""

    def __init__(self, answer: Callable[[Request, "Connection"], Awaitable[None]], open: set["Connection"]):
        self._answer = answer
        self._open = open
        self._parser = httptools.HttpRequestParser(self)
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(0)
        self._open.add(self)
        self._task = asyncio.get_running_loop().create_task(self._converse())

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data.replace(H2C, b""))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._transport.close()

    def eof_received(self) -> None:
        self._task.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        self._open.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._request = Request()

    def on_url(self, url: bytes) -> None:
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._request.body += body

    def on_message_complete(self) -> None:
        self._request.method = self._parser.get_method().decode()
        self._request.version = self._parser.get_http_version()
        self._requests.put_nowait(self._request)

    async def respond(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        """A whole answer with its length."""
        await self._head(status, content_type, {"content-length": str(len(body)), **headers}, body)

    async def begin(self, content_type: str) -> None:
        """The head of a stream: chunked for HTTP/1.1, ended by the close for HTTP/1.0."""
        self._chunked = self._current.version != "1.0"
        await self._head(200, content_type, {"transfer-encoding": "chunked"} if self._chunked else {}, b"")

    async def send(self, data: bytes) -> None:
        """One piece of a stream in one write; returns when the kernel has all of it."""
        await self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def finish(self) -> None:
        """The clean end of a stream."""
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    def cut(self, reset: bool = False) -> None:
        """Close in the middle of whatever was being said, with a TCP reset if asked."""
        if reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        self._transport.close()

    def abort(self) -> "asyncio.Task[None]":
        """Drop the connection now; its task, which ends with it."""
        self._transport.abort()
        self._task.cancel()
        return self._task

    async def _converse(self) -> None:
        while not self._transport.is_closing():
            self._current = await self._requests.get()
            await self._answer(self._current, self)
            if self._current.closes:
                self._transport.close()

    async def _head(self, status: int, content_type: str, headers: dict[str, str], body: bytes) -> None:
        kept = "close" if self._current.closes else "keep-alive"
        fields = {"content-type": content_type, **headers, "connection": kept}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        reason = {status.value: status.phrase for status in HTTPStatus}.get(status, "Overloaded")
        await self._write(f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode() + body)

    async def _write(self, data: bytes) -> None:
        self._transport.write(data)
        await self._writable.wait()
