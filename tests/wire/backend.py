"""A backend that does to the byte what a script says."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Self

from tests.wire import eventually
from tests.wire.message import Message, chunk, dechunk, head, parse_head

RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing the socket resets the connection."""


class Talk:
    """One request and what the backend does about it. `raw` is the request's bytes; `closed` is set when the sidecar
    has closed the connection, at `closed_at` of time.perf_counter; `heard` is for a test to set, when what was sent
    has arrived."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes) -> None:
        self.raw = raw
        self.asked: Message = parse_head(raw)
        self.closed = asyncio.Event()
        self.heard = asyncio.Event()
        self.closed_at = 0.0
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def stream(self, *frames: bytes, kind: str = "text/event-stream") -> None:
        """A chunked answer's head and these frames, a chunk each; the end is the script's to send."""
        await self.send(head(200, f"Content-Type: {kind}", "Transfer-Encoding: chunked"), *map(chunk, frames))

    async def say(self, *frames: bytes) -> None:
        """More chunks."""
        await self.send(*map(chunk, frames))

    async def pause(self, seconds: float) -> None:
        """Be silent for so long; less if the sidecar closes the connection."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closed.wait(), seconds)

    async def read_body(self) -> None:
        """Read the body into `asked.body`, and into `raw` as it came."""
        framed, body = b"", b""
        if self.asked.get("transfer-encoding"):
            while (found := dechunk(framed))[1] is None:
                framed += await self.reader.readuntil(b"\n")
            body = found[0]
        elif length := self.asked.get("content-length"):
            framed = body = await self.reader.readexactly(int(length))
        self.raw += framed
        self.asked = self.asked._replace(body=body)

    def close(self) -> None:
        self.writer.close()

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()

    async def watch(self) -> bytes:
        """Wait for the sidecar's close; gives the first byte of another request on the connection, if that comes."""
        data = b""
        with contextlib.suppress(ConnectionError):
            data = await self.reader.read(1)
        if not data:
            self.lost()
        return data

    def lost(self) -> None:
        """The connection is seen to be gone."""
        if not self.closed.is_set():
            self.closed_at = time.perf_counter()
            self.closed.set()


Script = Callable[[Talk], Awaitable[None]]


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """The url of a socket that listens and accepts nobody: its queue is full, so that it takes no SYN."""
    with socket.socket() as full, contextlib.ExitStack() as stack:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


class Backend:
    """A server on a free port; `script` is played for each request, `talks` are all of them, in order.

    `bodies` False leaves reading the request's body, and watching for the close, to the script.
    """

    def __init__(self, script: Script, bodies: bool = True) -> None:
        self.talks: list[Talk] = []
        self.connections = 0
        self._script = script
        self._bodies = bodies
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 22)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def talk(self, number: int = -1) -> Talk:
        """That talk, waited for; the last one by default."""
        await eventually(lambda: len(self.talks) > max(number, 0))
        return self.talks[number]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = b""
        while first or not reader.at_eof():
            talk = Talk(reader, writer, first + await reader.readuntil(b"\r\n\r\n"))
            self.talks.append(talk)
            if not self._bodies:
                await self._script(talk)
                return
            await talk.read_body()
            watch = asyncio.create_task(talk.watch())
            try:
                await self._script(talk)
                if writer.transport.is_closing():
                    return
                first = await watch
            except ConnectionError:
                talk.lost()
                return
            finally:
                watch.cancel()
