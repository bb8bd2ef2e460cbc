"""A frame beyond the bound: said where it must be read, passed where it need not be."""

import pytest

from tests.proxy import speech
from tests.proxy.speech import DONE, OPENAI, ask
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END

pytestmark = pytest.mark.anyio

LIMIT = "limits: { frame_bytes: 4KiB }"
BIG = b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":"stop"}]}\n\n' % (b"a" * 200_000)


def says(*parts: bytes) -> Script:
    async def script(talk: Talk) -> None:
        await talk.stream(*parts)
        await talk.send(END)

    return script


@pytest.mark.parametrize("parts", [(BIG,), (OPENAI[0], BIG), (OPENAI[0], BIG, DONE), (BIG[:1000], BIG[1000:], DONE)])
async def test_it_passes_whole_and_is_not_malformed(parts: tuple[bytes, ...]) -> None:
    async with House(says(*parts), f"defaults: {{ format: passthrough, {LIMIT} }}") as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.whole) == (b"".join(parts), True)
        assert (await house.told())["outcome"] == "completed"


async def test_what_must_be_read_says_its_bound() -> None:
    async with House(says(OPENAI[0], BIG), f"defaults: {{ {LIMIT} }}") as house:
        error = speech.failed(await house.ask(ask()))
        assert error["code"] == "PARSE" and "more than 4096" in error["message"]


async def test_it_is_read_below_its_bound() -> None:
    async with House(says(BIG, DONE)) as house:
        assert len(speech.complete(await house.ask(ask()))["final_response"]) == 200_000
