"""The same exchanges through the whole sidecar, over both transports: what a client sees of what a backend says."""

import asyncio
import json

import pytest

from sidecar.policy.outcome import OUTCOMES
from tests.conformance.exchanges import ALL, SMALL, STOCK, Exchange
from tests.conformance.seam import Cut, Stage, bytewise, split, whole
from tests.wire import SECONDS
from tests.wire.client import Client
from tests.wire.house import House
from tests.wire.message import Message, request

pytestmark = pytest.mark.anyio


def over_both(among: list[Exchange]) -> pytest.MarkDecorator:
    """The exchanges over each transport; not those that httpx2 makes something else of."""
    cases = [("lean", exchange) for exchange in among]
    cases += [("httpx2", exchange) for exchange in among if exchange.name not in STOCK]
    ids = [f"{exchange.name}-{transport}" for transport, exchange in cases]
    return pytest.mark.parametrize(("transport", "exchange"), cases, ids=ids)


async def check(transport: str, exchange: Exchange, *cuts: Cut) -> None:
    stage = Stage(exchange, list(cuts))
    house = House(stage.script, "defaults: { format: passthrough }")
    house.transport = transport
    async with asyncio.timeout(SECONDS), house:
        for number in range(len(cuts)):
            async with Client(house.port) as client:
                await client.send(request(exchange.method, f"/{number}"))
                compare(await client.reply(exchange.method), exchange)
            await stage.played[number].wait()
        after = await house.ask(request("GET", "/next"))
        assert (after.status, after.body) == (200, b"next")


def compare(message: Message, exchange: Exchange) -> None:
    wanted = exchange.seen
    if wanted.status:
        assert (message.status, message.body, message.whole) == (wanted.status, wanted.body, not wanted.failure)
        return
    assert (message.status, message.whole) == (OUTCOMES[wanted.failure].status, True)
    assert json.loads(message.body)["error"]["outcome"] == wanted.failure


@over_both(ALL)
async def test_whole(transport: str, exchange: Exchange) -> None:
    await check(transport, exchange, whole)


@over_both(SMALL)
async def test_byte_by_byte(transport: str, exchange: Exchange) -> None:
    await check(transport, exchange, bytewise)


@over_both(SMALL)
async def test_split_at_every_place(transport: str, exchange: Exchange) -> None:
    await check(transport, exchange, *[split(at) for at in range(1, len(exchange.says))])
