"""A client that leaves ends the backend's work at once, in whatever phase it leaves."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.proxy.speech import ANTHROPIC, CHAT, DONE, OLLAMA, OPENAI, WORDS, ask, delta, event, prompt, sse
from tests.wire import SECONDS, eventually
from tests.wire.backend import Script, Talk, deaf
from tests.wire.client import Client
from tests.wire.house import House
from tests.wire.message import head, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

TRIES = 50
UPLOAD = request("POST", CHAT, "Content-Type: image/png", body=b"x" * 100_000)
FORMATS = ["envelope-v1", "passthrough"]


async def silence(talk: Talk) -> None:
    await talk.closed.wait()


async def one_word(talk: Talk) -> None:
    await talk.stream(OPENAI[0])
    await talk.closed.wait()


async def many_words(talk: Talk) -> None:
    await talk.stream()
    while not talk.closed.is_set():
        await talk.say(delta("x"))
        await talk.pause(0.001)


async def without_end(talk: Talk) -> None:
    await talk.stream()
    while not talk.closed.is_set():
        await talk.say(delta("x" * 10_000))


async def a_file(talk: Talk) -> None:
    await talk.send(head(200, "Content-Type: image/png", "Content-Length: 999999999"))
    while not talk.closed.is_set():
        await talk.send(b"x" * 10_000)


async def asks(house: House, client: Client) -> None:
    """It waits for the backend to have the request."""
    await client.send(ask())
    await house.backend.talk()


async def reads(house: House, client: Client) -> None:
    """It has a first word."""
    await client.send(ask())
    await client.until(b"chunk")


async def does_not_read(house: House, client: Client) -> None:
    """It takes nothing until nothing moves any more."""
    await client.send(ask())
    talk = await house.backend.talk()
    transport = talk.writer.transport
    await eventually(lambda: transport.get_write_buffer_size() > 0)
    await talk.pause(0.02)


async def uploads(house: House, client: Client) -> None:
    """It has sent half of its body, and the backend has the head."""
    await client.send(UPLOAD[:50_000])
    await house.backend.talk()


PHASES = {
    "before the head": (silence, asks),
    "in mid-stream": (one_word, reads),
    "in mid-stream, busy": (many_words, reads),
    "not reading": (without_end, does_not_read),
    "not reading a file": (a_file, does_not_read),
}

Phase = Callable[[House, Client], Awaitable[None]]


async def leave(house: House, phase: Phase, reset: bool) -> float:
    """Seconds from the client's close to the backend's notice."""
    house.backend.talks.clear()
    async with house.client(window=1 << 16) as client:
        await phase(house, client)
        talk = await house.backend.talk()
        assert not talk.closed.is_set()
        left = time.perf_counter()
        client.leave(reset)
        await asyncio.wait_for(talk.closed.wait(), SECONDS)
        return talk.closed_at - left


@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("script", "phase"), PHASES.values(), ids=PHASES)
async def test_the_backend_sees_the_close(script: Script, phase: Phase, format: str, reset: bool) -> None:
    async with House(script, f"defaults: {{ format: {format} }}") as house:
        await leave(house, phase, reset)
        told = await house.told()
        assert (told["outcome"], told["status"]) == ("client_left", 499)


@pytest.mark.parametrize(("script", "phase"), PHASES.values(), ids=PHASES)
async def test_how_long_it_takes(
    script: Script, phase: Phase, capsys: pytest.CaptureFixture[str], transport: str
) -> None:
    async with House(script) as house:
        delays = [await leave(house, phase, False) * 1000 for _ in range(TRIES)]
    median = statistics.median(delays)
    with capsys.disabled():
        name = next(name for name, what in PHASES.items() if what == (script, phase))
        print(f"\n{transport}, {name}: the backend sees it after {median:.2f} ms (median), {max(delays):.1f} (max)")
    assert median < 100


async def test_it_may_leave_while_it_hears_pings() -> None:
    async with House(silence, "defaults: { ping: 5ms }") as house, house.client() as client:
        await client.send(ask())
        await client.until(b"ping")
        talk = await house.backend.talk()
        client.leave()
        await asyncio.wait_for(talk.closed.wait(), SECONDS)
        assert (await house.told())["outcome"] == "client_left"


async def test_it_may_leave_while_it_uploads() -> None:
    """The backend has read all that came."""
    gone = asyncio.Event()

    async def script(talk: Talk) -> None:
        while data := await talk.reader.read(1 << 16):
            assert data
        gone.set()

    async with House(script, bodies=False) as house, house.client() as client:
        await uploads(house, client)
        client.leave()
        await asyncio.wait_for(gone.wait(), SECONDS)
        assert (await house.told("request"))["outcome"] == "client_left"


async def test_it_may_leave_while_the_backend_does_not_take_its_upload() -> None:
    """No read tells of the close then, since there is more to read before it."""
    free = asyncio.Event()

    async def script(talk: Talk) -> None:
        await free.wait()

    async with House(script, bodies=False) as house, house.client() as client:
        asked = request("POST", "/", "Content-Type: image/png", body=b"x" * 30_000_000)
        sending = asyncio.ensure_future(client.send(asked))
        await asyncio.wait({sending}, timeout=0.2)
        assert not sending.done()
        sending.cancel()
        await asyncio.wait({sending})
        client.leave(reset=True)
        assert (await house.told("request"))["outcome"] == "client_left"
        free.set()


async def test_it_may_leave_before_its_request_is_whole() -> None:
    async with House(silence) as house, house.client() as client:
        body = prompt(stream=True)
        await client.send(request("POST", CHAT, "Content-Type: application/json", body=body)[: -len(body) // 2])
        await eventually(lambda: house.state.tasks)
        client.leave()
        assert (await house.told("request"))["outcome"] == "client_left"
        assert house.backend.talks == []


async def test_it_may_leave_while_the_backend_is_dialled(transport: str) -> None:
    with deaf() as url:
        config = f"upstreams: {{ b: {{ url: '{url}', transport: {transport} }} }}"
        async with House(silence, config) as house, house.client() as client:
            await client.send(ask())
            await eventually(lambda: house.state.tasks)
            client.leave()
            assert (await house.told())["outcome"] == "client_left"


async def test_it_may_leave_when_the_backend_is_reached_and_asked_nothing_yet() -> None:
    """The backend may see a connection without a request; leaving the house tells that it is closed."""
    async with House(silence) as house, house.client() as client:
        await client.send(UPLOAD[:50_000])
        await eventually(lambda: house.backend.connections)
        client.leave()
        assert (await house.told("request"))["outcome"] == "client_left"


async def test_half_a_close_is_a_close() -> None:
    async with House(silence) as house, house.client() as client:
        await client.send(ask())
        talk = await house.backend.talk()
        client.half_close()
        await asyncio.wait_for(talk.closed.wait(), SECONDS)


async def test_a_client_that_leaves_after_its_answer_has_left_nothing() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI)
        await talk.pause(0.05)
        talk.close()

    async with House(script) as house, house.client() as client:
        await client.send(ask())
        assert (await client.reply()).whole
        client.leave()
        assert (await house.told())["outcome"] == "completed"


RESPONSES = (
    event("response.created", sequence_number=0, response={"id": "resp_1", "model": "m"}),
    event("response.output_text.delta", sequence_number=1, output_index=0, delta="Hello"),
    event("response.completed", sequence_number=2, response={"status": "completed", "usage": {"output_tokens": 7}}),
)
GEMINI = tuple(
    sse({"candidates": [{"content": {"parts": [{"text": "Hello"}]}, **end}]}) for end in ({}, {"finishReason": "STOP"})
)
COUNTED = sse({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 7}})
LAST_WORDS = {
    "openai": (CHAT, (*OPENAI[:-1], COUNTED, DONE), DONE, "completed"),
    "openai, cut by its length": (CHAT, (OPENAI[0], delta(finish="length"), COUNTED, DONE), DONE, "length"),
    "openai without [DONE]": (CHAT, (*OPENAI[:-1], COUNTED), COUNTED, "completed"),
    "openai, failed": (CHAT, (OPENAI[0], sse({"error": {"message": "m"}})), b'"message": "m"', "upstream_error"),
    "responses": ("/v1/responses", RESPONSES, RESPONSES[-1], "completed"),
    "anthropic": ("/v1/messages", ANTHROPIC, ANTHROPIC[-1], "completed"),
    "gemini": ("/v1beta/models/m:streamGenerateContent", GEMINI, GEMINI[-1], "completed"),
    "ollama": ("/api/chat", OLLAMA, OLLAMA[-1], "completed"),
}


@pytest.mark.parametrize(("path", "said", "last", "outcome"), LAST_WORDS.values(), ids=LAST_WORDS)
@pytest.mark.parametrize("reset", [False, True], ids=["closes", "resets"])
async def test_a_client_that_closes_at_the_last_word_had_it_all(
    path: str, said: tuple[bytes, ...], last: bytes, outcome: str, reset: bool
) -> None:
    """The backend's body is still open."""

    async def script(talk: Talk) -> None:
        await talk.stream(*said, kind="application/x-ndjson" if path == "/api/chat" else "text/event-stream")
        await talk.closed.wait()

    async with House(script, "defaults: { format: passthrough }") as house, house.client() as client:
        await client.send(ask(path=path))
        await client.until(last)
        talk = await house.backend.talk()
        client.leave(reset)
        told = await house.told()
        assert (told["outcome"], told["status"]) == (outcome, 200)
        await asyncio.wait_for(talk.closed.wait(), SECONDS)


@pytest.mark.parametrize("format", ["envelope-v1", "envelope-v2", "openai"])
async def test_the_last_word_of_our_own_formats_is_the_end(format: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI)
        await talk.closed.wait()

    async with House(script, f"defaults: {{ format: {format} }}") as house, house.client() as client:
        await client.send(ask())
        await client.until(b"[DONE]" if format == "openai" else b'"complete"')
        client.leave()
        assert (await house.told())["outcome"] == "completed"


@pytest.mark.parametrize("format", ["envelope-v1", "openai", "passthrough"])
async def test_a_client_that_closes_before_the_last_word_has_left(format: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI[:-2])
        await talk.closed.wait()

    async with House(script, f"defaults: {{ format: {format} }}") as house, house.client() as client:
        await client.send(ask())
        await client.until(WORDS[-1].encode())
        client.leave()
        assert (await house.told())["outcome"] == "client_left"


async def test_the_next_of_pipelined_requests_does_not_hide_the_close() -> None:
    async with House(silence) as house, house.client() as client:
        await client.send(ask() + ask() + ask())
        talk = await house.backend.talk()
        client.leave()
        await asyncio.wait_for(talk.closed.wait(), SECONDS)
        assert len(house.backend.talks) == 1


async def test_many_leave_at_once() -> None:
    async with House(many_words) as house:
        clients = [house.client() for _ in range(100)]
        for client in clients:
            await client.__aenter__()
            await client.send(ask())
        await eventually(lambda: len(house.backend.talks) == 100)
        for number, client in enumerate(clients):
            client.leave(reset=number % 2 == 0)
        for talk in house.backend.talks:
            await asyncio.wait_for(talk.closed.wait(), SECONDS)
        await eventually(lambda: not house.state.tasks)
        told = [await house.told(number=number) for number in range(100)]
        assert {line["outcome"] for line in told} == {"client_left"}
