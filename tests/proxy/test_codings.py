"""A backend's Content-Encoding: what it encodes is read, what it does not is read as it is."""

import gzip
import zlib

import pytest

from tests.proxy import speech
from tests.proxy.speech import OPENAI, WORDS, ask
from tests.stream.reading import by
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, chunk, head

pytestmark = pytest.mark.anyio

WHOLE = b"".join(OPENAI)
MEMBERS = b"".join(map(gzip.compress, OPENAI))


def says(coding: str, *parts: bytes) -> Script:
    async def script(talk: Talk) -> None:
        lines = ("Content-Type: text/event-stream", f"Content-Encoding: {coding}", "Transfer-Encoding: chunked")
        await talk.send(head(200, *lines), *map(chunk, parts), END)

    return script


@pytest.mark.parametrize("coding", ["none", "UTF-8", "identity", "", "Identity, none", "utf8"])
@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_what_encodes_nothing_is_none(coding: str, format: str) -> None:
    async with House(says(coding, WHOLE), f"defaults: {{ format: {format} }}") as house:
        reply = await house.ask(ask())
        assert (reply.status, reply.get("content-encoding")) == (200, "")
        if format == "passthrough":
            assert reply.body == WHOLE
        else:
            assert speech.complete(reply)["final_response"] == "".join(WORDS)


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(WHOLE)),
        ("gzip", MEMBERS),
        ("gzip", MEMBERS + bytes(64)),
        ("x-gzip", gzip.compress(WHOLE) + gzip.compress(b"")),
        ("deflate", zlib.compress(WHOLE)),
        ("gzip", WHOLE),
        ("deflate", WHOLE),
    ],
    ids=["one member", "many", "padded", "an empty one", "zlib", "no gzip at all", "no zlib at all"],
)
async def test_it_is_read_whole_however_it_is_cut(coding: str, body: bytes, size: int) -> None:
    async with House(says(coding, *by(size, body)), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.get("content-encoding"), reply.whole) == (WHOLE, "", True)


async def test_what_is_cut_within_a_member_is_truncated() -> None:
    async with House(says("gzip", MEMBERS[: len(MEMBERS) // 2])) as house:
        assert speech.failed(await house.ask(ask()))["code"] == "NETWORK"


async def test_an_unknown_coding_passes_or_is_said() -> None:
    async with House(says("br", b"\x0b\x02"), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.get("content-encoding")) == (b"\x0b\x02", "br")
    async with House(says("br", b"\x0b\x02")) as house:
        assert speech.refused(await house.ask(ask()))["outcome"] == "malformed"
