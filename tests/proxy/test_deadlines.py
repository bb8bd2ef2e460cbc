"""How long a backend may be silent, in each phase of an answer, and what is said when it was silent for too long."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.proxy import speech
from tests.proxy.speech import CHAT, DONE, OPENAI, ask, delta, line
from tests.wire import SECONDS
from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import END, answer, head, request

pytestmark = pytest.mark.anyio


def timeouts(**seconds: str) -> str:
    return f"timeouts: {{ {', '.join(f'{key}: {value}' for key, value in seconds.items())} }}"


async def silence(talk: Talk) -> None:
    await talk.closed.wait()


async def ticks(talk: Talk, every: float) -> AsyncIterator[None]:
    """Every so many seconds, until the sidecar closes the connection."""
    while not talk.closed.is_set():
        yield
        await talk.pause(every)


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
@pytest.mark.parametrize("limit", ["head", "first_token", "total"])
async def test_silence_before_the_head(limit: str, format: str) -> None:
    outcome = {"head": "head_timeout", "first_token": "first_token_timeout", "total": "timed_out"}[limit]
    async with House(silence, f"defaults: {{ format: {format}, {timeouts(**{limit: '50ms'})} }}") as house:
        reply = await house.ask(ask())
        error = speech.refused(reply)
        assert (reply.status, error["type"], error["code"]) == (504, "timeout_error", "TIMEOUT")
        assert error["outcome"] == (await house.told())["outcome"] == outcome
        assert f"timeouts.{limit}" in error["hint"]
        await asyncio.wait_for(house.backend.talks[0].closed.wait(), SECONDS)


async def test_only_head_and_total_are_for_requests_that_ask_for_no_stream() -> None:
    async def script(talk: Talk) -> None:
        await talk.pause(0.1)
        await talk.send(answer(b"late"))

    async with House(script, f"defaults: {{ {timeouts(first_token='20ms', idle='20ms')} }}") as house:
        assert (await house.ask(request("GET", "/"))).body == b"late"
    async with House(silence, f"defaults: {{ {timeouts(head='50ms')} }}") as house:
        assert speech.refused(await house.ask(request("GET", "/")))["outcome"] == "head_timeout"


async def test_no_token_after_the_head() -> None:
    """Nothing of the envelope is out yet, so it is a status; passthrough has begun."""

    async def script(talk: Talk) -> None:
        await talk.stream(b": hello\n\n", delta())
        await silence(talk)

    async with House(script, f"defaults: {{ {timeouts(head='400ms', first_token='500ms')} }}") as house:
        reply = await house.ask(ask())
        assert (reply.status, speech.refused(reply)["outcome"]) == (504, "first_token_timeout")
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert reply.status == 200 and not reply.whole
        assert b'"code":"TIMEOUT"' in reply.body.removeprefix(b": hello\n\n" + delta())
        assert (await house.told(number=1))["outcome"] == "first_token_timeout"


async def test_what_is_no_token_does_not_count_as_the_first() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream()
        async for _ in ticks(talk, 0.01):
            await talk.say(b": still here\n\n", delta())

    async with House(script, f"defaults: {{ {timeouts(first_token='80ms', idle='40ms')} }}") as house:
        assert speech.refused(await house.ask(ask()))["outcome"] == "first_token_timeout"


@pytest.mark.parametrize("beats", [False, True], ids=["silent", "with comments"])
async def test_silence_in_mid_answer(beats: bool) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OPENAI[0])
        async for _ in ticks(talk, 0.01):
            if beats:
                await talk.say(b": still here\n\n")

    async with House(script, f"defaults: {{ {timeouts(idle='60ms')} }}") as house:
        error = speech.failed(await house.ask(ask()))
        assert (error["code"], error["recoverable"]) == ("TIMEOUT", True)
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert not reply.whole and b'"code":"TIMEOUT"' in reply.body
        assert [(await house.told(number=number))["outcome"] for number in range(2)] == ["stalled", "stalled"]
        for talk in house.backend.talks:
            await asyncio.wait_for(talk.closed.wait(), SECONDS)


async def test_silence_counts_from_the_first_token_on() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(delta())
        await talk.pause(0.6)
        for frame in OPENAI:
            await talk.say(frame)
            await talk.pause(0.01)
        await talk.send(END)

    async with House(script, f"defaults: {{ {timeouts(first_token='5s', idle='400ms')} }}") as house:
        assert speech.complete(await house.ask(ask()))
        assert (await house.ask(ask("X-Stream-Format: passthrough"))).body.endswith(DONE)
        assert [(await house.told(number=number))["outcome"] for number in range(2)] == ["completed"] * 2


async def test_any_event_is_a_sign_of_life() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OPENAI[0])
        said = 0
        async for _ in ticks(talk, 0.08):
            said += 1
            await talk.say(delta("x") if said % 2 else speech.sse({"some": "thing"}))
            if said == 10:
                await talk.say(*OPENAI[-2:])
                await talk.send(END)
                return

    async with House(script, f"defaults: {{ {timeouts(idle='700ms')} }}") as house:
        assert speech.complete(await house.ask(ask()))


async def test_the_whole_may_have_a_limit() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream()
        async for _ in ticks(talk, 0.01):
            await talk.say(delta("x"))

    async with House(script, f"defaults: {{ {timeouts(total='80ms')} }}") as house:
        error = speech.failed(await house.ask(ask()))
        assert (error["code"], error["recoverable"]) == ("TIMEOUT", False)
        assert (await house.told())["outcome"] == "timed_out"


async def test_the_whole_of_what_is_no_stream_too() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Content-Type: image/png", "Content-Length: 9"), b"half")
        await silence(talk)

    async with House(script, f"defaults: {{ {timeouts(total='80ms')} }}") as house:
        reply = await house.ask(request("GET", "/"))
        assert (reply.body, reply.whole) == (b"half", False)
        assert (await house.told("request"))["outcome"] == "timed_out"


async def test_tokens_are_not_waited_for_in_an_answer_that_is_no_stream() -> None:
    """Speech, for one, which is asked for with `stream: true` too."""

    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Content-Type: audio/mpeg", "Content-Length: 8"), b"half")
        await talk.pause(0.15)
        await talk.send(b"half")

    async with House(script, f"defaults: {{ {timeouts(first_token='50ms', idle='50ms')} }}") as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.whole) == (b"halfhalf", True)


@pytest.mark.parametrize("last", [1, 2], ids=["finish reason", "done"])
async def test_a_backend_that_has_said_all_and_does_not_close(last: int) -> None:
    said = OPENAI[: len(OPENAI) - 2 + last]

    async def script(talk: Talk) -> None:
        await talk.stream(*said)
        await silence(talk)

    async with House(script, f"defaults: {{ {timeouts(idle='50ms')} }}") as house:
        assert speech.complete(await house.ask(ask()))["finish_reason"] == "stop"
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert (reply.whole, reply.body) == (True, b"".join(said))
        assert [(await house.told(number=number))["outcome"] for number in range(2)] == ["completed"] * 2


async def test_an_empty_answer_that_does_not_close_has_said_all_too() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(delta(finish="stop"), DONE)
        await silence(talk)

    async with House(script, f"defaults: {{ {timeouts(first_token='5s', idle='50ms')} }}") as house:
        assert speech.complete(await house.ask(ask()))["final_response"] == ""
        assert (await house.ask(ask("X-Stream-Format: passthrough"))).whole


SIZE = 2 << 20
"""Bytes that do not all fit into the buffers before a client that does not read."""

MUCH = {
    "one token": delta("x" * SIZE),
    "one comment": b": " + b"x" * SIZE + b"\n\n",
    "many tokens": delta("x" * 20_000) * (SIZE // 20_000),
}


@pytest.mark.parametrize("much", MUCH.values(), ids=MUCH)
async def test_a_client_that_does_not_read_is_no_silence_of_the_backend(much: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OPENAI[0], *(much[at : at + 20_000] for at in range(0, len(much), 20_000)), *OPENAI[1:])
        await talk.send(END)

    config = f"defaults: {{ format: passthrough, ping: 1ms, {timeouts(idle='1200ms')} }}"
    async with House(script, config) as house, house.client(window=1 << 16) as client:
        await client.send(ask())
        await (await house.backend.talk()).pause(1.6)
        await client.until(END)
        reply = await client.reply()
        assert reply.whole and reply.body.replace(b": ping\n\n", b"") == OPENAI[0] + much + b"".join(OPENAI[1:])
        assert (await house.told())["outcome"] == "completed"


async def test_lines_have_the_same_deadlines() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(line("Hello"), kind="application/x-ndjson")
        await silence(talk)

    config = f"defaults: {{ format: passthrough, {timeouts(idle='50ms')} }}"
    async with House(script, config) as house:
        reply = await house.ask(ask(path="/api/chat"))
        assert not reply.whole and b'"error"' in reply.body.splitlines()[-1]
        assert (await house.ask(ask(path=CHAT))).whole is False
