"""Pings between whole frames, and padding."""

import itertools
import random

import pytest

from tests.proxy import speech
from tests.proxy.silence import EVENT_PING, MESSAGES, PING, WAITING, after, events, gone, opened
from tests.proxy.speech import ANTHROPIC, OLLAMA, OPENAI, WORDS, ask, delta
from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import END, chunk, request

pytestmark = pytest.mark.anyio


PINGS = [
    ("", ask(), PING),
    (", shape: comment", ask(), PING),
    (", shape: comment-no-blank", ask(), b": ping\n"),
    ("", ask("User-Agent: OpenAI/Go 3.1"), b": ping\n"),
    ("", ask(path=MESSAGES), EVENT_PING),
    (", shape: event", ask(path=MESSAGES), EVENT_PING),
    (", shape: comment", ask(path=MESSAGES), PING),
]


@pytest.mark.parametrize(("shape", "asked", "ping"), PINGS)
async def test_how_a_ping_looks_in_passthrough(shape: str, asked: bytes, ping: bytes) -> None:
    config = f"defaults: {{ format: passthrough, ping: {{ interval: 20ms{shape} }} }}"
    said = ANTHROPIC if MESSAGES.encode() in asked else OPENAI
    early, reply = await opened(config, asked, chunk(ping) * 2, events(*said))
    assert early.partition(b"\r\n\r\n")[2].replace(chunk(ping), b"") == b""
    assert reply.body.replace(ping, b"") == b"".join(said)
    assert reply.get("content-type") == "text/event-stream; charset=utf-8"


async def test_no_pings() -> None:
    for format in ("envelope-v1", "passthrough"):
        config = f"defaults: {{ format: {format}, open_after: 10ms, ping: {{ interval: 20ms, shape: off }} }}"

        async def script(talk: Talk) -> None:
            await talk.pause(0.1)
            await talk.send(events(*OPENAI))
            talk.close()

        async with House(script, config) as house:
            assert b"ping" not in (await house.ask(ask())).body


async def test_after_an_id_no_blank_line_follows_a_comment() -> None:
    """Some readers take an empty block for an event once they have seen an `id:`."""
    said = b"id: 1\n" + OPENAI[0]
    config = "defaults: { format: passthrough, ping: 20ms, open_after: 0 }"
    _, reply = await opened(config, ask(), b": ping\n", *OPENAI[1:], first=events(said))
    assert PING not in reply.body
    assert reply.body.replace(b": ping\n", b"") == said + b"".join(OPENAI[1:])


@pytest.mark.parametrize("asked", [ask(), ask(path="/unknown"), request("GET", "/unasked")])
@pytest.mark.parametrize("open_after", ["20ms", "0"])
@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_pings_in_mid_stream(format: str, open_after: str, asked: bytes) -> None:
    config = f"defaults: {{ format: {format}, ping: 20ms, open_after: {open_after} }}"
    _, reply = await opened(config, asked, PING, *OPENAI[1:], first=events(OPENAI[0]))
    assert PING in reply.body
    if format == "passthrough":
        assert reply.body.replace(PING, b"") == b"".join(OPENAI)
    else:
        assert speech.text(speech.frames(reply.body)) == "".join(WORDS)


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_a_ping_waits_for_nothing_but_a_frame_that_is_half_out(format: str) -> None:
    """Half a frame that is still here is no obstacle; the half of a large one went out."""
    for size, pinged in ((100, True), (100_000, format == "envelope-v1")):
        large = delta("y" * size)
        half = len(large) // 2 + 40_000 * (size > 100)

        async def script(talk: Talk, large: bytes = large, half: int = half) -> None:
            await talk.send(events(OPENAI[0], large[:half]))
            await talk.pause(0.3)
            await talk.send(large[half:], *OPENAI[1:])
            talk.close()

        async with House(script, f"defaults: {{ format: {format}, ping: 60ms, open_after: 0 }}") as house:
            reply = await house.ask(ask())
            assert (PING in reply.body) is pinged
            if format == "passthrough":
                assert reply.body.replace(PING, b"") == OPENAI[0] + large + b"".join(OPENAI[1:])
            else:
                assert speech.text(speech.frames(reply.body)) == WORDS[0] + "y" * size + "".join(WORDS[1:])


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_no_ping_after_the_last_word(format: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.send(events(*OPENAI))
        await talk.pause(0.3)
        talk.close()

    async with House(script, f"defaults: {{ format: {format}, ping: 60ms, open_after: 0 }}") as house:
        reply = await house.ask(ask())
        assert reply.whole and PING not in reply.body
        assert (await house.told())["outcome"] == "completed"


async def test_lines_are_never_pinged() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OLLAMA[0], kind="application/x-ndjson")
        await talk.pause(0.1)
        await talk.say(*OLLAMA[1:])
        await talk.send(END)

    async with House(script, "defaults: { format: passthrough, ping: 10ms, padding: { initial_bytes: 99 } }") as house:
        assert (await house.ask(ask(path="/api/chat"))).body == b"".join(OLLAMA)


@pytest.mark.parametrize("size", [3, 4, 256, 2048])
@pytest.mark.parametrize("content", ["spaces", "random"])
@pytest.mark.parametrize("early", [False, True])
async def test_padding_has_the_length_that_was_asked_for(size: int, content: str, early: bool) -> None:
    padding = f"padding: {{ initial_bytes: {size}, content: {content} }}"
    config = f"defaults: {{ ping: 0, open_after: {'20ms' if early else '0'}, {padding} }}"
    if early:
        _, reply = await opened(config, ask(), WAITING, events(*OPENAI))
    else:
        async with House(after(gone(), events(*OPENAI)), config) as house:
            reply = await house.ask(ask())
    pad, rest = reply.body[:size], reply.body[size:]
    assert pad[:1] == b":" and pad.endswith(b"\n\n") and pad.count(b"\n") == 2 and b"\r" not in pad
    assert (pad[1:-2].strip() == b"") is (content == "spaces" or size == 3)
    assert rest.startswith(WAITING if early else b'data: {"type":"chunk"')


async def test_padding_too_has_no_blank_line_for_a_client_that_takes_it_for_an_event() -> None:
    config = "defaults: { format: passthrough, padding: { initial_bytes: 64 } }"
    async with House(after(gone(), events(*OPENAI)), config) as house:
        reply = await house.ask(ask("User-Agent: OpenAI/Go 3.42.0"))
    assert reply.body == b":" + b" " * 62 + b"\n" + b"".join(OPENAI)


STREAMS = {
    "openai": b"".join(OPENAI),
    "anthropic": b"".join(ANTHROPIC),
    "crlf": b"".join(OPENAI).replace(b"\n", b"\r\n"),
    "comments": b": one\n" + b": two\n\n".join(OPENAI),
    "large": OPENAI[0] + delta("z" * 150_000) + b"".join(OPENAI[1:]),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
@pytest.mark.parametrize("seed", range(4))
async def test_however_a_stream_is_cut_pings_stand_between_its_frames(stream: bytes, seed: int) -> None:
    """Cut anywhere, with pauses of some pings' length."""
    chance = random.Random(seed)
    cuts = sorted(chance.sample(range(1, len(stream)), 30))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]

    async def script(talk: Talk) -> None:
        await talk.stream()
        for piece in pieces:
            await talk.say(piece)
            await talk.pause(chance.choice([0, 0, 0.005]))
        await talk.send(END)

    async with House(script, "defaults: { ping: 1ms }") as house:
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        parts = reply.body.split(PING)
        assert b"".join(parts) == stream
        told = b""
        for part in parts[:-1]:
            told += part
            assert told == b"" or told.endswith((b"\n\n", b"\n\r\n")), "a ping inside a frame"
        assert not parts[-1].startswith(b"\n")
        found = speech.frames((await house.ask(ask())).body)
        assert speech.text(found).replace("z", "") == "".join(WORDS)
