"""A server of ours around any app, and what a test must see of it."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

import h11
from uvicorn.server import ServerState

from sidecar.proxy import server
from sidecar.proxy.edge import Limits
from tests.wire import SECONDS, eventually
from tests.wire.client import Client
from tests.wire.house import SECRET, Log
from tests.wire.message import Message, parse_answer

App = Callable[[Any, Any, Any], Awaitable[None]]


class Room(AsyncExitStack):
    """`read` counts the bytes that the server has taken. Leaving fails where a task, a descriptor or a connection is
    left, where more errors than `errors` were logged, and where a log line holds the SECRET or a traceback."""

    def __init__(self, app: App, limits: Limits | None = None, errors: int = 0, address: str = "127.0.0.1:0") -> None:
        super().__init__()
        self._address = address
        self.edge = server.uvicorn_config(app, limits)
        self.state = ServerState()
        self.lines: list[str] = []
        self.read = 0
        self._news = asyncio.Event()
        self._errors = errors

    async def __aenter__(self) -> Self:
        self._tasks, self._descriptors = asyncio.all_tasks(), descriptors()
        self.push_async_exit(self._leave)
        self.enter_context(Log(self.lines))
        self.edge.load()
        sock = server.listen(self._address)
        self.port: int = sock.getsockname()[1]
        listening = await asyncio.get_running_loop().create_server(self._connection, sock=sock)
        self.callback(listening.close)
        return self

    def client(self, window: int = 0) -> Client:
        return Client(self.port, window)

    async def parts(self, client: Client, parts: list[bytes]) -> None:
        """Send each part when the one before it was read; stop where the server has closed."""
        for part in parts:
            wanted = self.read + len(part)
            await client.send(part)
            async with asyncio.timeout(SECONDS):
                while self.read < wanted and self.state.connections:
                    self._news.clear()
                    await self._news.wait()
            if not self.state.connections:
                return

    async def gone(self) -> None:
        """No connection is left, and no app runs."""
        await eventually(lambda: not self.state.connections and not self.state.tasks)

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.lines) if line["event"] == event]

    def _connection(self) -> asyncio.Protocol:
        room = self

        class Observed(server.Protocol):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                room.read += len(data)
                room._news.set()

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                room._news.set()

        return Observed(config=self.edge, server_state=self.state, app_state={})

    async def _leave(self, kind: object, *exc: object) -> None:
        for connection in list(self.state.connections):
            connection.transport.close()
        if kind:
            return
        await self.gone()
        await eventually(lambda: asyncio.all_tasks() <= self._tasks)
        await eventually(lambda: descriptors() <= self._descriptors)
        assert not [line for line in self.lines if SECRET in line or "Traceback" in line]
        failed = [line for line in self.lines if json.loads(line)["level"] in ("error", "critical")]
        assert len(failed) == self._errors, "\n".join(failed)


def descriptors() -> set[str]:
    """The descriptors of this process, without the one that libuv keeps for when there are no more."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return {name for name in found if not name.endswith("/dev/null")}


async def told(scope: Any, receive: Any, send: Any) -> None:
    """The app that answers with what it was asked."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        parts.append(message["body"])
        more = message["more_body"]
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    heard = {
        "method": scope["method"],
        "target": scope["extensions"]["sidecar.target"].decode("latin-1"),
        "path": scope["path"],
        "ends": [scope["client"], scope["server"], scope["scheme"]],
        "headers": headers,
        "body": b"".join(parts).decode("latin-1"),
    }
    data = json.dumps(heard).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(data))]})
    await send({"type": "http.response.body", "body": data})


def replying(status: int, headers: list[tuple[bytes, bytes]], *parts: bytes, last: bytes = b"") -> App:
    """The app that sends this."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": last})

    return app


def by_h11(raw: bytes, method: str, ended: bool) -> Message | None:
    """The first answer in these bytes, as h11 reads it; None where it is not whole. h11.RemoteProtocolError."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.receive_data(raw)
    if ended:
        connection.receive_data(b"")
    message, body = None, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            message = Message((b"HTTP/1.1", b"%d" % event.status_code, b""), list(event.headers))
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return message and message._replace(body=body)
        elif not isinstance(event, h11.InformationalResponse):
            return None


def both(raw: bytes, method: str, ended: str) -> tuple[Message, bytes]:
    """The first answer in these bytes, on which our reader and h11 agree, and what follows it."""
    found = parse_answer(raw, method, ended)
    assert found, raw
    theirs = by_h11(raw, method, bool(ended))
    assert theirs
    assert (theirs.status, theirs.headers, theirs.body) == (found[0].status, found[0].headers, found[0].body)
    return found


def cuts(data: bytes) -> list[list[bytes]]:
    """The bytes whole, one by one, and in two parts split at every place."""
    halves = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], [data[at : at + 1] for at in range(len(data))], *halves]
