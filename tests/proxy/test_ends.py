"""Where a backend's stream has no mark of its end: what its body's end says, and who may say so."""

import pytest

from tests.proxy import speech
from tests.proxy.speech import OPENAI, ask, sse
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

HOME_MADE = (sse({"content": "Hel"}), sse({"content": "lo"}))
GENERIC = (sse({"data": {"answer": "Hel"}}), sse({"data": {"answer": "lo"}}))
UPSTREAM = "upstreams: { b: { url: '$URL', end: body } }"
RULE = "rules: [{ name: a, match: { path: /x }, policy: { end: body } }]"
PASSTHROUGH = "defaults: { format: passthrough }"


def speaking(*frames: bytes, breaks: bool = False) -> Script:
    async def script(talk: Talk) -> None:
        await talk.stream(*frames)
        await talk.send(b"" if breaks else END)
        talk.close()

    return script


@pytest.mark.parametrize("config", [UPSTREAM, RULE], ids=["an upstream", "a rule"])
@pytest.mark.parametrize("said", [HOME_MADE, GENERIC, OPENAI[:2]], ids=["home-made", "of any shape", "a known dialect"])
async def test_a_body_that_ends_well_is_whole_where_that_is_said(said: tuple[bytes, ...], config: str) -> None:
    async with House(speaking(*said), config) as house:
        assert speech.complete(await house.ask(ask(path="/x")))["finish_reason"] == "stop"
        assert (await house.told())["outcome"] == "completed"


@pytest.mark.parametrize("config", [UPSTREAM, RULE], ids=["an upstream", "a rule"])
@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_a_body_that_broke_is_cut_all_the_same(config: str, format: str) -> None:
    async with House(speaking(*HOME_MADE, breaks=True), config) as house:
        reply = await house.ask(ask(f"X-Stream-Format: {format}", path="/x"))
        assert reply.whole == (format == "envelope-v1") and b'"error"' in reply.body
        assert (await house.told())["outcome"] == "truncated"


async def test_it_is_of_that_rule_alone() -> None:
    async with House(speaking(*HOME_MADE), RULE) as house:
        assert speech.failed(await house.ask(ask(path="/y")))["code"] == "NETWORK"


@pytest.mark.parametrize("path", ["/x", "/v1/chat/completions"])
@pytest.mark.parametrize("said", [HOME_MADE, GENERIC], ids=["home-made", "of any shape"])
async def test_nothing_is_added_to_a_home_made_stream_that_ended_well(said: tuple[bytes, ...], path: str) -> None:
    """Whether it was whole nobody here knows; its client gets what it would get without us."""
    async with House(speaking(*said), PASSTHROUGH) as house:
        reply = await house.ask(ask(path=path))
        assert (reply.body, reply.whole) == (b"".join(said), True)
        assert (await house.told())["outcome"] == "truncated"


async def test_what_is_described_by_pointers_is_home_made() -> None:
    config = "upstreams: { b: { url: '$URL', pointers: { text: /t, done: /d } } }"
    said = (sse({"t": "Hel"}), sse({"t": "lo"}))
    async with House(speaking(*said), config) as house:
        reply = await house.ask(ask("X-Stream-Format: passthrough", path="/x"))
        assert (reply.body, reply.whole) == (b"".join(said), True)


async def test_the_end_of_a_home_made_stream_that_broke_is_not_made_up() -> None:
    async with House(speaking(*HOME_MADE, breaks=True), PASSTHROUGH) as house:
        reply = await house.ask(ask(path="/x"))
        assert reply.body.startswith(b"".join(HOME_MADE)) and not reply.whole
