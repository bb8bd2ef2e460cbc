"""A transport and a scripted backend, met at the seam."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy.answer import Answer, Body
from sidecar.proxy.upstream import Backend
from tests.wire import SECONDS, eventually
from tests.wire import backend as wire
from tests.wire.backend import Script

HOST = (b"host", b"example.test")


class Meeting:
    """A transport and the backend that it asks."""

    def __init__(self, backend: wire.Backend, asking: Backend) -> None:
        self.backend = backend
        self.asking = asking

    async def ask(
        self, method: str = "GET", body: Body = b"", *headers: tuple[bytes, bytes], target: bytes = b"/"
    ) -> Answer:
        async with asyncio.timeout(SECONDS):
            return await self.asking.ask(method, target, [HOST, *headers], body, Timeouts())

    async def whole(self, method: str = "GET", body: bytes = b"", *headers: tuple[bytes, bytes]) -> bytes:
        """The body of one answer, read to its end and given back."""
        return await drained(await self.ask(method, body, *headers))


async def drained(answer: Answer) -> bytes:
    async with asyncio.timeout(SECONDS):
        parts = []
        while part := await answer.read():
            parts.append(part)
        await answer.aclose()
    return b"".join(parts)


@asynccontextmanager
async def meeting(transport: str, script: Script, bodies: bool = True) -> AsyncIterator[Meeting]:
    """Leaving fails where a task is left."""
    before = asyncio.all_tasks()
    async with wire.Backend(script, bodies) as backend:
        asking = Backend(Upstream("backend", f"http://127.0.0.1:{backend.port}", transport=transport))
        try:
            yield Meeting(backend, asking)
        finally:
            await asking.retire()
    await eventually(lambda: asyncio.all_tasks() <= before)
