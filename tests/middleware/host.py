"""An app of somebody else on a stock uvicorn, in this loop, and a raw client before it."""

import asyncio
import socket
from contextlib import AbstractContextManager, AsyncExitStack, nullcontext
from typing import Any, Self

import uvicorn

from tests.wire import SECONDS, eventually
from tests.wire.client import Client
from tests.wire.house import Log
from tests.wire.message import Message, request


class Server(uvicorn.Server):
    """uvicorn's own, but for this process's signals, which it leaves alone."""

    def capture_signals(self) -> AbstractContextManager[None]:
        return nullcontext()


class Host(AsyncExitStack):
    """Leaving it fails where a task is left. `lines` is all that was logged, as JSON lines."""

    def __init__(self, app: Any, **config: Any) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._config = uvicorn.Config(app, log_config=None, access_log=False, date_header=False, **config)

    async def __aenter__(self) -> Self:
        self._before = asyncio.all_tasks()
        self.enter_context(Log(self.lines))
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        self.port: int = sock.getsockname()[1]
        self._server = Server(self._config)
        serving = asyncio.create_task(self._server.serve(sockets=[sock]))
        self.push_async_callback(self._stop, serving)
        await eventually(lambda: self._server.started or serving.done())
        return self

    async def _stop(self, serving: "asyncio.Task[None]") -> None:
        self._server.should_exit = True
        async with asyncio.timeout(SECONDS):
            await serving
        await eventually(lambda: not [t for t in asyncio.all_tasks() - self._before if "sse_starlette" not in str(t)])

    def paused(self) -> bool:
        """Whether a connection takes no more until its client has read."""
        connections: set[Any] = self._server.server_state.connections
        return any(connection.flow.write_paused for connection in connections)

    def client(self, window: int = 0) -> Client:
        return Client(self.port, window)

    async def ask(self, method: str, target: str, *lines: str, body: bytes | None = None) -> Message:
        async with self.client() as client:
            await client.send(request(method, target, *lines, body=body))
            return await client.reply(method)
