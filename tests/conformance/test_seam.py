"""Every exchange over both transports, its bytes whole, one by one, and split at every place."""

import asyncio
from typing import Literal

import pytest

from sidecar.policy.config import Upstream
from sidecar.proxy.upstream import Backend
from tests.conformance.exchanges import ALL, SMALL, STOCK, Exchange, Seen
from tests.conformance.seam import TRANSPORTS, Cut, Stage, bytewise, split, whole
from tests.wire import SECONDS
from tests.wire import backend as wire

pytestmark = pytest.mark.anyio

transports = pytest.mark.parametrize("transport", TRANSPORTS)
exchanges = pytest.mark.parametrize("exchange", ALL, ids=lambda exchange: exchange.name)
small = pytest.mark.parametrize("exchange", SMALL, ids=lambda exchange: exchange.name)


async def seen(transport: Literal["lean", "httpx2"], exchange: Exchange, *cuts: Cut) -> list[Seen]:
    stage = Stage(exchange, list(cuts))
    async with asyncio.timeout(SECONDS), wire.Backend(stage.script) as backend:
        upstream = Upstream("backend", f"http://127.0.0.1:{backend.port}", transport=transport)
        return [await stage.run(Backend(upstream), number) for number in range(len(cuts))]


def wanted(transport: str, exchange: Exchange) -> Seen:
    return STOCK.get(exchange.name, exchange.seen) if transport == "httpx2" else exchange.seen


def allowed(transport: str, exchange: Exchange) -> set[Seen]:
    """Where httpx2 differs it may depend on the cut which of the two is seen."""
    return {exchange.seen, wanted(transport, exchange)}


@transports
@exchanges
async def test_whole(transport: str, exchange: Exchange) -> None:
    assert await seen(transport, exchange, whole) == [wanted(transport, exchange)]


@transports
@small
async def test_byte_by_byte(transport: str, exchange: Exchange) -> None:
    assert set(await seen(transport, exchange, bytewise)) <= allowed(transport, exchange)


@transports
@small
async def test_split_at_every_place(transport: str, exchange: Exchange) -> None:
    cuts = [split(at) for at in range(1, len(exchange.says))]
    assert set(await seen(transport, exchange, *cuts)) <= allowed(transport, exchange)


def test_the_differences_are_differences() -> None:
    known = {exchange.name: exchange.seen for exchange in ALL}
    assert len(known) == len(ALL)
    assert [name for name, seen in STOCK.items() if known[name] == seen] == []
