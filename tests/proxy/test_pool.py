"""Idle connections: which is used, how long they are kept, and that nothing is left of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from sidecar.proxy.answer import Answer
from sidecar.proxy.dial import Dialer
from sidecar.proxy.pool import MAX_IDLE, Pool
from tests.conformance.meeting import HOST, drained
from tests.wire import SECONDS, eventually
from tests.wire.backend import Backend, Talk
from tests.wire.message import answer

pytestmark = pytest.mark.anyio


class Told(Backend):
    """A backend whose answers name the port of their connection."""

    def __init__(self) -> None:
        super().__init__(self._tell)

    async def _tell(self, talk: Talk) -> None:
        await talk.send(answer(b"%d" % talk.writer.get_extra_info("peername")[1]))

    @property
    def ended(self) -> list[int]:
        """The ports of the connections that the sidecar closed, in that order."""
        over = [talk for talk in self.talks if talk.closed.is_set()]
        return [talk.writer.get_extra_info("peername")[1] for talk in sorted(over, key=lambda talk: talk.closed_at)]


@contextlib.asynccontextmanager
async def pooled(idle_s: float) -> AsyncIterator[tuple[Pool, Told]]:
    tasks = asyncio.all_tasks()
    async with asyncio.timeout(SECONDS), Told() as backend:
        pool = Pool("backend", Dialer(f"http://127.0.0.1:{backend.port}"), idle_s)
        yield pool, backend
        await pool.retire()
    await eventually(lambda: asyncio.all_tasks() <= tasks)


async def ask(pool: Pool) -> Answer:
    return await pool.ask("GET", b"/", [HOST], b"", SECONDS)


async def test_the_last_used_is_used_first() -> None:
    async with pooled(60) as (pool, _):
        answers = [await ask(pool) for _ in range(3)]
        ports = [await drained(reply) for reply in answers]
        assert len(set(ports)) == 3
        for _ in range(3):
            assert await drained(await ask(pool)) == ports[-1]
        two = [await ask(pool), await ask(pool)]
        assert [await drained(reply) for reply in two] == [ports[2], ports[1]]


async def test_idle_ones_are_closed_in_turn_by_one_timer() -> None:
    async with pooled(0.05) as (pool, backend):
        answers = [await ask(pool) for _ in range(3)]
        ports = [int(await drained(reply)) for reply in answers]
        await eventually(lambda: backend.ended == ports)
        assert int(await drained(await ask(pool))) not in ports
        await eventually(lambda: len(backend.ended) == 4)


async def test_one_in_use_is_not_idle() -> None:
    async with pooled(0.02) as (pool, backend):
        held = await ask(pool)
        assert int(await drained(await ask(pool)))
        await eventually(lambda: len(backend.ended) == 1)
        assert int(await drained(held)) not in backend.ended


async def test_there_is_a_bound() -> None:
    async with pooled(60) as (pool, backend):
        answers = [await ask(pool) for _ in range(MAX_IDLE + 2)]
        ports = [int(await drained(reply)) for reply in answers]
        await eventually(lambda: backend.ended == ports[:2])


async def test_after_retirement_none_is_kept() -> None:
    async with pooled(60) as (pool, backend):
        held = await ask(pool)
        await drained(await ask(pool))
        await pool.retire()
        await eventually(lambda: len(backend.ended) == 1)
        await drained(held)
        await eventually(lambda: len(backend.ended) == 2)
