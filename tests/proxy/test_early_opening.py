"""An answer that is opened before the backend has begun it, so that the client hears that it is waited for."""

import asyncio
import json
from typing import Any

import pytest

from sidecar.stream.events import End, ToolCallEnd
from tests.proxy import speech
from tests.proxy.silence import PING, WAITING, WHOLE, after, events, opened
from tests.proxy.speech import OPENAI, WORDS, ask, sse
from tests.stream.reading import read
from tests.wire.backend import Talk
from tests.wire.house import SECRET, House
from tests.wire.message import answer, chunk, head, request

pytestmark = pytest.mark.anyio


async def test_a_silent_answer_is_opened_and_pinged() -> None:
    go = asyncio.Event()
    async with House(after(go, events(*OPENAI)), "defaults: { ping: 20ms }") as house, house.client() as client:
        await client.send(ask())
        early = await client.until(chunk(PING) * 3)
        first, _, body = early.partition(b"\r\n\r\n")
        assert first.startswith(b"HTTP/1.1 200 ") and b"content-type: text/event-stream; charset=utf-8" in first
        assert b"x-accel-buffering: no" in first and b"x-stream-id: s_" in first
        go.set()
        reply = await client.reply()
        assert reply.body.startswith(WAITING + PING * 3) and reply.body.count(WAITING) == 1
        assert speech.complete(reply)["final_response"] == "".join(WORDS)
        assert reply.get("x-own") == "", "the backend's headers came too late"
        told = await house.told()
        assert (told["outcome"], told["status"]) == ("completed", 200)


async def test_open_after_has_its_own_time() -> None:
    early, reply = await opened("defaults: { ping: 5s, open_after: 20ms }", ask(), WAITING, events(*OPENAI))
    assert PING not in reply.body and speech.complete(reply)
    early, reply = await opened("defaults: { ping: 0, open_after: 20ms }", ask(), WAITING, events(*OPENAI))
    assert PING not in reply.body and speech.complete(reply)


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ("open_after: 0, ping: 10ms", ask()),
        ("ping: 0", ask()),
        ("ping: 10ms", ask(stream=False)),
        ("ping: 10ms", request("GET", "/x")),
        ("ping: 10ms, format: passthrough", ask(path="/unknown")),
        ("ping: 10ms, format: passthrough", ask(path="/api/chat")),
        ("ping: 10ms, stream: off", ask()),
        ("ping: 10ms", ask("Mcp-Session-Id: 1")),
    ],
)
async def test_what_is_not_opened_early(config: str, asked: bytes) -> None:
    async def script(talk: Talk) -> None:
        await talk.pause(0.1)
        await talk.send(answer(b"no", "text/plain", status=404))

    async with House(script, f"defaults: {{ {config} }}") as house:
        reply = await house.ask(asked)
        assert (reply.status, reply.body) == (404, b"no")


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_an_error_after_the_opening_is_said_in_band(status: int, format: str) -> None:
    said = answer(b'{"error":{"message":"because","type":"x"}}', "application/json", "Retry-After: 7", status=status)
    config = f"defaults: {{ ping: 20ms, format: {format} }}"
    _, reply = await opened(config, ask(), PING, said)
    assert (reply.status, reply.whole) == (200, format != "passthrough")
    if format == "passthrough":
        last = json.loads(reply.body.split(PING)[-1].removeprefix(b"data: "))
        assert last["error"]["message"] == "because"
        return
    error = speech.failed(reply)
    code = {400: "BAD_REQUEST", 401: "AUTH", 429: "RATE_LIMIT", 500: "SERVER", 503: "OVERLOADED"}[status]
    assert (error["code"], error["message"], error["retry_after"]) == (code, "because", 7)


async def test_an_error_that_breaks_off_after_the_opening_says_what_it_could() -> None:
    said = head(503, "Content-Length: 999") + b'{"error":{"message":"busy"}}'
    _, reply = await opened("defaults: { ping: 20ms }", ask(), PING, said)
    assert (speech.failed(reply)["code"], speech.failed(reply)["message"]) == ("OVERLOADED", "busy")


async def test_a_json_answer_after_the_opening_becomes_a_stream() -> None:
    said = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    _, reply = await opened("defaults: { ping: 20ms }", ask(), PING, answer(json.dumps(said).encode()))
    assert speech.complete(reply)["final_response"] == "Hi"
    config = "defaults: { ping: 20ms, format: passthrough }"
    _, reply = await opened(config, ask(), PING, answer(json.dumps(said).encode()))
    assert reply.body.replace(PING, b"").endswith(b"\n\ndata: [DONE]\n\n") and b'"content":"Hi"' in reply.body
    _, reply = await opened(config, ask(path="/v1/messages"), b"event: ping", answer(json.dumps(said).encode()))
    assert b"event: error" in reply.body and b"chat.completion" in reply.body and not reply.whole


MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hi"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"at": 1}}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "model": "m",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}],
}
CANDIDATE = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}], "modelVersion": "m"}


@pytest.mark.parametrize(
    ("path", "ping", "said"),
    [
        ("/v1/messages", b"event: ping", MESSAGE),
        ("/v1/responses", PING, RESPONSE),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", b'data: {"candidates"', CANDIDATE),
    ],
)
async def test_a_whole_answer_after_the_opening_is_told_as_its_own_stream(path: str, ping: bytes, said: Any) -> None:
    config = "defaults: { ping: 20ms, format: passthrough }"
    _, reply = await opened(config, ask(path=path), ping, answer(json.dumps(said).encode()))
    told, whole = read(reply.body, event_stream=True), read(json.dumps(said).encode())
    assert reply.whole and told.text == "Hi" and isinstance(told.events[-1], End)
    calls = [[(e.name, e.arguments) for e in each.events if isinstance(e, ToolCallEnd)] for each in (told, whole)]
    assert calls[0] == calls[1]


async def test_other_answers_after_the_opening() -> None:
    for said in (answer(b"\x00", "image/png"), head(204), head(302, "Location: /x"), b"nonsense\r\n\r\n", b""):
        _, reply = await opened("defaults: { ping: 20ms }", ask(), PING, said)
        assert speech.failed(reply)["code"] in ("PARSE", "NETWORK")


async def test_an_answer_whose_head_is_here_is_opened_with_it() -> None:
    for format, kind in (("envelope-v1", "text/event-stream; charset=utf-8"), ("passthrough", "text/event-stream")):
        config = f"defaults: {{ ping: 200ms, format: {format} }}"
        _, reply = await opened(config, ask(), PING, *OPENAI, first=events())
        assert (reply.get("x-own"), reply.get("content-type"), reply.whole) == ("yes", kind, True)


async def test_an_answer_that_is_known_to_be_no_event_stream_is_not_opened_as_one() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(WHOLE)[: -len(WHOLE)])
        await talk.pause(0.5)
        await talk.send(WHOLE)

    async with House(script, "defaults: { format: passthrough, ping: 200ms }") as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.get("content-type")) == (WHOLE, "application/json")


async def test_an_opened_answer_to_an_http_1_0_client_ends_with_its_connection() -> None:
    go = asyncio.Event()
    async with House(after(go, events(*OPENAI)), "defaults: { ping: 20ms }") as house, house.client() as client:
        await client.send(ask(version="1.0"))
        early = await client.until(PING)
        assert b"transfer-encoding" not in early and early.count(b"connection: close") == 1
        go.set()
        await client.rest()
        assert client.ended == "closed"
        assert speech.complete(await client.reply())["final_response"] == "".join(WORDS)


@pytest.mark.parametrize(
    "said", [events(*OPENAI), answer(b"no", status=404), answer(sse({"error": SECRET}), "text/event-stream")]
)
@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
async def test_an_answer_in_the_moment_of_its_opening(format: str, said: bytes) -> None:
    """Whichever comes first, the answer is one or the other, whole, and nothing fails."""

    async def script(talk: Talk) -> None:
        await talk.pause(0.030)
        await talk.send(said)
        talk.close()

    async with House(script, f"defaults: {{ format: {format}, ping: 30ms }}") as house:
        for reply in await asyncio.gather(*(house.ask(ask()) for _ in range(60))):
            failed = format == "passthrough" and b'"error":{' in reply.body and reply.status == 200
            assert reply.whole or failed
            assert reply.status == 200 or PING not in reply.body
