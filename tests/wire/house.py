"""The real sidecar between a scripted backend and raw clients."""

import asyncio
import json
import logging
import os
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from uvicorn.server import ServerState

from sidecar.policy.load import NO_FLAGS, Flags, load
from sidecar.policy.rules import Rules
from sidecar.proxy import server
from sidecar.proxy.app import Sidecar
from sidecar.telemetry.log import Json
from sidecar.telemetry.telemetry import Telemetry
from tests.wire import eventually
from tests.wire.backend import Backend, Script
from tests.wire.client import Client
from tests.wire.message import Message

SECRET = "canary-7f3a"
"""In what is asked and answered; never in a log line."""


class House(AsyncExitStack):
    """A sidecar before a backend that plays `script`. `config` is more YAML for its file; where that says nothing of a
    format, clients get the envelope.

    Leaving the house fails where a task or a socket is left, where an error was logged that `errors` does not
    allow, and where a log line holds the SECRET.
    """

    transport = "httpx2"

    def __init__(self, script: Script, config: str = "", *, bodies: bool = True, errors: int = 0) -> None:
        super().__init__()
        self.backend = Backend(script, bodies)
        self.lines: list[str] = []
        self._config = config
        self._errors = errors

    async def __aenter__(self) -> Self:
        self._tasks, self._sockets = asyncio.all_tasks(), sockets()
        try:
            await self._build()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def _build(self) -> None:
        self.push_async_exit(self._leave)
        self.enter_context(Log(self.lines))
        await self.enter_async_context(self.backend)
        self.sidecar = Sidecar(self.rules(self._config), Telemetry(environ={}))
        self.push_async_callback(self.sidecar.aclose)
        self.state = ServerState()
        config = server.uvicorn_config(self.sidecar)
        config.load()
        sock = server.listen("127.0.0.1:0")
        self.port: int = sock.getsockname()[1]
        listening = await asyncio.get_running_loop().create_server(
            lambda: server.Protocol(config=config, server_state=self.state, app_state={}), sock=sock
        )
        self.push_async_callback(self._quiet)
        self.callback(listening.close)

    def rules(self, config: str) -> Rules:
        """The rules of a file that is this and what it must have; `$URL` is the backend's."""
        upstreams = (
            ""
            if "upstreams:" in config
            else f"upstreams: {{ backend: {{ url: '$URL', transport: {self.transport} }} }}\n"
        )
        text = f"version: 1\n{upstreams}{config}".replace("$URL", f"http://127.0.0.1:{self.backend.port}")
        flags = NO_FLAGS if "format:" in config else Flags(format="envelope-v1")
        return Rules(load(text.encode(), "house.yaml", flags))

    def client(self, window: int = 0) -> Client:
        return Client(self.port, window)

    async def ask(self, data: bytes) -> Message:
        """The answer to one request on a connection of its own."""
        async with Client(self.port) as client:
            await client.send(data)
            return await client.reply(data.split(b" ", 1)[0].decode())

    async def told(self, event: str = "stream", number: int = 0) -> dict[str, Any]:
        """That log line of this event, waited for."""

        def found() -> list[dict[str, Any]]:
            return [line for line in map(json.loads, list(self.lines)) if line["event"] == event]

        await eventually(lambda: len(found()) > number)
        return found()[number]

    async def _quiet(self) -> None:
        """Every exchange is over, and so is every connection."""
        await eventually(lambda: not self.state.tasks)
        for connection in list(self.state.connections):
            connection.transport.close()

    async def _leave(self, kind: object, *exc: object) -> None:
        if kind:
            return
        await eventually(lambda: asyncio.all_tasks() <= self._tasks)
        await eventually(lambda: sockets() <= self._sockets)
        assert not [line for line in self.lines if SECRET in line]
        failed = [line for line in self.lines if json.loads(line)["level"] in ("error", "critical")]
        assert len(failed) == self._errors, "\n".join(failed)


class Log(logging.Handler):
    """Everything that is logged, at every level, as the lines that would be printed.

    Not what exporters log, which end in threads of their own, after the test that began them.
    """

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(Json())
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("opentelemetry."):
            self._lines.append(self.format(record))

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)
        logging.getLogger().setLevel(self._level)


def sockets() -> set[str]:
    """The sockets that this process has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return {name for name in found if name.startswith("socket:")}
