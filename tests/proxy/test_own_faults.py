"""A fault of ours: the answer passes as it is while nothing of it is out, and after that the stream says so."""

import pytest

from sidecar.stream.parser import Parsed, StreamParser
from tests.proxy.speech import OPENAI, ask, sse
from tests.wire.backend import Talk
from tests.wire.house import SECRET, House
from tests.wire.message import END, chunk

FORMATS = ["envelope-v1", "envelope-v2", "openai", "passthrough"]
FAULT = sse({"id": "c1", "choices": [{"index": 0, "delta": {"content": f"FAULT {SECRET}"}}]})

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("faulty", "transport")]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that cannot bear one word."""
    feed = StreamParser.feed

    def faulty(self: StreamParser, data: bytes) -> Parsed:
        if b"FAULT" in data:
            raise ZeroDivisionError(data)
        return feed(self, data)

    monkeypatch.setattr(StreamParser, "feed", faulty)


@pytest.mark.parametrize("format", FORMATS)
async def test_before_the_first_word_all_passes_as_it_is(format: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(FAULT)
        await talk.heard.wait()
        await talk.send(*(chunk(frame) for frame in OPENAI), END)

    async with House(script, f"defaults: {{ format: {format} }}", errors=1) as house, house.client() as client:
        await client.send(ask())
        await client.until(b"FAULT")
        house.backend.talks[0].heard.set()
        reply = await client.reply()
        assert (reply.status, reply.body) == (200, FAULT + b"".join(OPENAI))
        assert reply.get("content-type") == "text/event-stream" and not reply.get("x-stream-format")
        assert (await house.told("fell_back"))["error"] == "ZeroDivisionError"
        told = await house.told()
        assert (told["outcome"], told["format"], told["status"]) == ("sidecar_error", "passthrough", 200)


@pytest.mark.parametrize("format", FORMATS)
async def test_after_it_the_stream_ends_with_an_error(format: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI[:2])
        await talk.heard.wait()
        await talk.send(*(chunk(frame) for frame in (FAULT, *OPENAI[2:])), END)

    async with House(script, f"defaults: {{ format: {format} }}", errors=1) as house, house.client() as client:
        await client.send(ask())
        await client.until(SECRET.encode())
        house.backend.talks[0].heard.set()
        reply = await client.reply()
        assert b"FAULT" not in reply.body and (await house.told())["outcome"] == "sidecar_error"
        if format.startswith("envelope"):
            assert b'"code":"SERVER"' in reply.body
        else:
            assert b'"error":' in reply.body and b"[DONE]" not in reply.body
        assert (await house.told("relay_failed"))["error"] == "ZeroDivisionError"
