"""An answer that fails after it began: said in-band where the client's format can, and by breaking the connection.
Only the envelope, whose error is a last word that its readers know, ends well."""

import json
import time
from typing import Any

import pytest

from sidecar.proxy.flow import FAREWELL_S
from tests.proxy import speech
from tests.proxy.speech import ANTHROPIC, CHAT, OLLAMA, OPENAI, ask, delta, sse
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, Message, answer, chunk, head, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

PASSTHROUGH = "defaults: { format: passthrough }"
WAYS = ["chunks", "half a chunk", "length", "reset"]


def breaks(said: bytes, way: str, kind: str = "text/event-stream") -> Script:
    """These bytes and no end."""

    async def script(talk: Talk) -> None:
        if way == "length":
            await talk.send(head(200, f"Content-Type: {kind}", f"Content-Length: {len(said) + 9}"), said)
        else:
            await talk.stream(said, kind=kind)
        if way == "half a chunk":
            await talk.send(b"ff\r\ndata: ha")
        if way == "reset":
            # what is on its way would be lost with a reset
            await talk.heard.wait()
            talk.reset()
        else:
            talk.close()

    return script


async def broken(
    said: bytes, way: str, config: str = "", kind: str = "text/event-stream", asked: bytes = b""
) -> Message:
    """What the client gets, and the log line's outcome is `truncated`."""
    async with House(breaks(said, way, kind), config) as house, house.client() as client:
        await client.send(asked or ask())
        await client.until(b"Hello")
        house.backend.talks[0].heard.set()
        reply = await client.reply()
        assert (await house.told())["outcome"] == "truncated"
        assert reply.status == 200
        return reply


@pytest.mark.parametrize("way", WAYS)
async def test_the_envelope_ends_in_an_error(way: str) -> None:
    reply = await broken(b"".join(OPENAI[:2]), way)
    found = speech.frames(reply.body)
    assert [frame["type"] for frame in found] == ["chunk", "chunk", "error"]
    error = speech.failed(reply)
    assert (error["code"], error["recoverable"]) == ("NETWORK", True)


def chunks(body: bytes) -> list[Any]:
    """The JSON of each event."""
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]


@pytest.mark.parametrize("way", WAYS)
async def test_openai_clients_get_an_error_frame(way: str) -> None:
    said = b"".join(OPENAI[:2])
    reply = await broken(said, way, PASSTHROUGH)
    assert not reply.whole and reply.body.startswith(said)
    last = json.loads(reply.body.removeprefix(said).removeprefix(b"data: "))
    assert last["error"]["code"] == "NETWORK" and last["error"]["message"]


@pytest.mark.parametrize("way", WAYS)
async def test_anthropic_clients_get_an_error_event(way: str) -> None:
    said = b"".join(ANTHROPIC[:3])
    reply = await broken(said, way, PASSTHROUGH, asked=ask(path="/v1/messages"))
    assert not reply.whole and reply.body.startswith(said)
    name, data = reply.body.removeprefix(said).removesuffix(b"\n\n").split(b"\n")
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["type"] == "api_error"


@pytest.mark.parametrize("way", WAYS)
async def test_ollama_clients_get_an_error_line(way: str) -> None:
    said = OLLAMA[0] + OLLAMA[1]
    reply = await broken(said, way, PASSTHROUGH, "application/x-ndjson", ask(path="/api/chat"))
    assert not reply.whole
    *_, last = reply.body.splitlines()
    assert json.loads(last)["error"]


UNKNOWN = b'event: a\ndata: {"b": "Hello"}\n\n'


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "application/x-ndjson"])
async def test_other_clients_see_the_connection_break(kind: str, way: str) -> None:
    said = {"text/plain": b"Hello", "application/x-ndjson": b'{"x": "Hello"}\n'}.get(kind, UNKNOWN)
    reply = await broken(said, way, PASSTHROUGH, kind, ask(path="/x"))
    assert not reply.whole and reply.body.startswith(said)


@pytest.mark.parametrize("way", WAYS)
async def test_an_http_1_0_client_sees_a_reset(way: str) -> None:
    async with House(breaks(UNKNOWN, way), PASSTHROUGH) as house, house.client() as client:
        await client.send(ask(path="/x", version="1.0"))
        await client.until(UNKNOWN)
        house.backend.talks[0].heard.set()
        await client.rest()
        assert client.ended == "reset"


@pytest.mark.parametrize("way", WAYS)
async def test_an_http_1_0_client_reads_the_error_frame_before_the_reset(way: str) -> None:
    """The close of a body without length is its end; a reset that came too early would take the frame away."""
    said = b"".join(OPENAI[:2])
    async with House(breaks(said, way), PASSTHROUGH) as house, house.client() as client:
        await client.send(ask(version="1.0"))
        await client.until(said)
        house.backend.talks[0].heard.set()
        await client.until(b'"error":{"message"')
        await client.rest()
        assert client.ended == "reset"


async def test_the_break_gives_the_client_time_to_read_the_error_frame() -> None:
    async with House(breaks(b"".join(OPENAI[:2]), "chunks"), PASSTHROUGH) as house, house.client() as client:
        await client.send(ask())
        await client.until(b'"error":{"message"')
        read = time.perf_counter()
        await client.rest()
        assert client.ended == "closed" and time.perf_counter() - read > FAREWELL_S / 2


@pytest.mark.parametrize("way", ["chunks", "reset"])
async def test_a_break_behind_the_backends_own_error_is_a_break(way: str) -> None:
    """As of another sidecar: what it said is enough, its end is not made up."""
    said = OPENAI[1] + OVERLOADED
    async with House(breaks(said, way), PASSTHROUGH) as house, house.client() as client:
        await client.send(ask())
        await client.until(b"busy")
        house.backend.talks[0].heard.set()
        reply = await client.reply()
        assert (reply.body, reply.whole) == (said, False)
        assert (await house.told())["outcome"] == "upstream_error"


@pytest.mark.parametrize("clean", [True, False])
async def test_a_finish_that_is_an_error_never_ends_well_on_the_openai_wire(clean: bool) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OPENAI[0], delta(finish="error"))
        await talk.send(END if clean else b"")
        talk.close()

    async with House(script, "defaults: { format: openai }") as house:
        reply = await house.ask(ask())
        assert not reply.whole and chunks(reply.body)[-1]["error"]["type"] == "error"
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert reply.whole == clean, "the backend's own end"
        assert (await house.told(number=1))["outcome"] == "upstream_error"


async def test_a_client_that_sends_on_reads_the_error_frame() -> None:
    """Closing with its bytes unread would reset what it reads."""
    async with House(breaks(b"".join(OPENAI[:2]), "chunks"), PASSTHROUGH) as house, house.client() as client:
        await client.send(ask() + ask())
        await client.until(b'"error":{"message"')
        await client.send(ask())
        await client.rest()
        assert client.ended == "closed" and len(house.backend.talks) == 1


async def test_an_error_frame_is_of_the_framing_that_the_client_reads() -> None:
    """Many chat pages have an /api/chat of their own, which streams events and not Ollama's lines."""
    reply = await broken(UNKNOWN, "chunks", PASSTHROUGH, asked=ask(path="/api/chat"))
    assert not reply.whole and reply.body == UNKNOWN
    lines = b'{"choices": [{"message": {"content": "Hello"}}]}\n'
    reply = await broken(lines, "chunks", PASSTHROUGH, "application/json")
    assert not reply.whole and reply.body == lines


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_no_stream_breaks_off_as_it_did(way: str) -> None:
    for version in ("1.1", "1.0"):
        async with House(breaks(b"Hello", way, "image/png")) as house, house.client() as client:
            await client.send(request("GET", "/", version=version))
            await client.until(b"Hello")
            house.backend.talks[0].heard.set()
            await client.rest()
            assert not (await client.reply()).whole
            assert (await house.told("request"))["outcome"] == "truncated"


@pytest.mark.parametrize(
    ("format", "tail"),
    [("envelope-v1", b'"type":"error"'), ("passthrough", b'"error":{'), ("openai", b'"error":{')],
)
async def test_a_clean_end_in_mid_answer_is_truncated_too(format: str, tail: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI[:2])
        await talk.send(END)

    async with House(script, f"defaults: {{ format: {format} }}") as house:
        reply = await house.ask(ask())
        assert tail in reply.body.removeprefix(b"".join(OPENAI[:2]))
        assert reply.whole == (format == "envelope-v1")
        assert (await house.told())["outcome"] == "truncated"


async def test_a_missing_done_after_a_finish_reason_is_no_error() -> None:
    for format in ("envelope-v1", "passthrough"):
        reply_to = ask(f"X-Stream-Format: {format}")
        async with House(breaks(b"".join(OPENAI[:-1]), "chunks")) as house:
            reply = await house.ask(reply_to)
            assert reply.whole
            assert (await house.told())["outcome"] == "completed"
            if format == "passthrough":
                assert reply.body == b"".join(OPENAI[:-1])
            else:
                assert speech.complete(reply)["finish_reason"] == "stop"


async def test_half_a_frame_is_never_shown() -> None:
    half = OPENAI[1][:30]
    envelope = speech.frames((await broken(OPENAI[0] + half, "chunks")).body)
    assert [frame["type"] for frame in envelope] == ["chunk", "error"]
    reply = await broken(OPENAI[0] + half, "chunks", PASSTHROUGH)
    (last,) = chunks(reply.body.removeprefix(OPENAI[0]))
    assert last["error"]["code"] == "NETWORK"


async def test_an_error_frame_after_half_a_frame_that_is_out_stands_alone() -> None:
    half = b"data: " + b"x" * 100_000
    reply = await broken(OPENAI[0] + half, "chunks", PASSTHROUGH)
    (last,) = chunks(reply.body.removeprefix(OPENAI[0] + half + b"\n\n"))
    assert last["error"]["code"] == "NETWORK"


OVERLOADED = sse({"error": {"message": "busy", "type": "overloaded_error", "retry_after": 3}})


async def test_an_error_of_the_backend_in_mid_answer() -> None:
    said = (*OPENAI[:2], OVERLOADED, delta("never"))

    async def script(talk: Talk) -> None:
        await talk.stream(*said)
        await talk.send(END)

    async with House(script) as house:
        reply = await house.ask(ask())
        error = speech.failed(reply)
        assert (error["code"], error["message"], error["recoverable"]) == ("OVERLOADED", "busy", True)
        assert error["retry_after"] == 3
        assert b"never" not in reply.body
        assert (await house.told())["outcome"] == "upstream_error"
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert reply.body == b"".join(said) and reply.whole
        assert (await house.told(number=1))["outcome"] == "upstream_error"


async def test_a_tool_call_that_was_cut_is_invalid() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": "Hello'}}
    said = sse({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
    async with House(breaks(said, "chunks")) as house:
        found = speech.frames((await house.ask(ask())).body)
        assert [frame["type"] for frame in found] == ["status", "error"]
        cut = found[0]["data"]["tool_call"]
        assert (cut["arguments"], cut["arguments_text"], cut["invalid"]) == (None, '{"a": "Hello', True)


async def test_a_broken_chunk_of_a_stream() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(OPENAI[0])
        await talk.send(b"nonsense\r\n" + chunk(OPENAI[1]))

    async with House(script) as house:
        assert speech.failed(await house.ask(ask()))["code"] in ("NETWORK", "PARSE")


async def test_broken_compression_is_malformed() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"\x1f\x8bhello", "text/event-stream", "Content-Encoding: gzip"))

    async with House(script) as house:
        reply = await house.ask(ask(path=CHAT))
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "malformed")
