"""What a client sends, where the door and an app behind it both read it."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.proxy.answer import Body
from sidecar.proxy.request import Request

Message = dict[str, Any]


class Heard:
    """One client's messages: the door reads them first and the app again; and its leaving, for all who wait for it."""

    def __init__(self, receive: Callable[[], Coroutine[Any, Any, Message]]) -> None:
        self._receive = receive
        self._kept: deque[Message] = deque()
        self._uploaded = asyncio.Event()
        self._gone = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def gone(self) -> bool:
        """Whether the client was heard to leave."""
        return self._gone.is_set()

    async def first(self) -> Message:
        """A message that the door reads before the app."""
        self._kept.append(await self._next())
        return self._kept[-1]

    async def again(self) -> Message | None:
        """The app's next message; None where nothing can come but the client's leaving."""
        if self._kept:
            return self._kept.popleft()
        return None if self._uploaded.is_set() else await self._next()

    async def left(self) -> None:
        """Returns when the client has closed its connection."""
        await self._uploaded.wait()
        self._watch = self._watch or asyncio.create_task(self._watching())
        await self._gone.wait()

    async def whole(self) -> None:
        """Read the one empty message of a request without a body, which an app may never ask for."""
        if not self._uploaded.is_set():
            await self.first()

    def close(self) -> None:
        if self._watch:
            self._watch.cancel()

    async def _next(self) -> Message:
        message = await self._receive()
        gone = message["type"] == "http.disconnect"
        if gone:
            self._gone.set()
        if gone or not message.get("more_body", False):
            self._uploaded.set()
        return message

    async def _watching(self) -> None:
        while not self._gone.is_set():
            await self._next()


class Overheard(Request):
    """A request whose messages the app reads as well."""

    def __init__(self, scope: Any, heard: Heard) -> None:
        super().__init__(scope, heard.first)
        self._heard = heard

    async def inspect(self, limit: int) -> None:
        await super().inspect(limit)
        if self.whole:
            await self._heard.whole()

    def body(self) -> Body:
        """Nothing: the app reads it itself."""
        return b""

    async def left(self) -> None:
        await self._heard.left()
