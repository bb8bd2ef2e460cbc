"""A thousand exchanges that end anywhere: clients leave, backends die, and nothing of them is left."""

import asyncio
import contextlib
import random

import pytest

from tests.conformance.seam import TRANSPORTS, turns
from tests.wire.backend import Talk
from tests.wire.client import Client
from tests.wire.house import House
from tests.wire.message import END, answer, chunk, request

pytestmark = pytest.mark.anyio

EXCHANGES = 1000
AT_ONCE = 100
BODY = b'{"model":"m","stream":true,"messages":[]}'
FRAME = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'


class Fates:
    """What each backend and each client does, by chance and the same every time."""

    def __init__(self) -> None:
        self._chance = random.Random(7)
        self.answered = 0

    async def backend(self, talk: Talk) -> None:
        # uvloop raises this for a write to what was reset
        with contextlib.suppress(RuntimeError):
            await self._fate(talk)

    async def _fate(self, talk: Talk) -> None:
        chance = self._chance
        await turns(chance.randrange(4))
        fate = chance.choice(["whole", "stream", "stream", "cut", "reset", "drop", "silence", "noise"])
        if fate == "whole":
            await talk.send(answer(b"{}"))
        elif fate == "noise":
            await talk.send(b"noise\r\n\r\n")
        elif fate == "silence":
            await talk.closed.wait()
        if fate in ("stream", "cut", "reset"):
            await talk.stream(FRAME)
            for _ in range(chance.randrange(20)):
                await talk.send(chunk(FRAME))
                await turns(chance.randrange(3))
        if fate == "stream":
            await talk.send(chunk(b"data: [DONE]\n\n"), END)
        elif fate == "reset" and not talk.writer.is_closing():
            talk.reset()
        elif fate in ("cut", "drop"):
            talk.close()

    async def client(self, house: House) -> None:
        chance = self._chance
        data = request(body=BODY)
        async with Client(house.port) as client:
            await client.send(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    for _ in range(chance.randrange(6)):
                        await client.more()
            self.answered += b"HTTP/1.1 200" in client.received
            client.leave(reset=chance.random() < 0.5)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("format", ["passthrough", "envelope-v1"])
async def test_nothing_is_left(transport: str, format: str) -> None:
    fates = Fates()
    house = House(fates.backend, f"defaults: {{ format: {format} }}")
    house.transport = transport
    places = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with places:
            await fates.client(house)

    async with house:
        await asyncio.gather(*[one() for _ in range(EXCHANGES)])
    assert fates.answered > EXCHANGES / 100  # many give up on a loaded machine
