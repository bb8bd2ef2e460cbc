"""What is a stream, and in which format it leaves."""

import asyncio
import gzip
import json
import zlib

import pytest

from tests.proxy import speech
from tests.proxy.speech import CHAT, OPENAI, ask, prompt
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, answer, chunk, head, request

pytestmark = pytest.mark.anyio

JSON = "Content-Type: application/json"
EVENTS = "text/event-stream"
WHOLE = json.dumps({"id": "c", "object": "chat.completion", "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}).encode()  # fmt: skip


def says(*parts: bytes, kind: str = EVENTS) -> Script:
    async def script(talk: Talk) -> None:
        await talk.stream(*parts, kind=kind)
        await talk.send(END)

    return script


def asking(method: str, path: str, body: bytes | None = None, *lines: str) -> bytes:
    return request(method, path, *(() if body is None else (JSON,)), *lines, body=body)


STREAM_REQUESTS = [
    asking("POST", CHAT, prompt(stream=True)),
    asking("POST", "/any/path", b'{"stream": true}'),
    request("POST", CHAT, body=b'{"stream":true}'),
    request("POST", CHAT, "Content-Type: application/vnd.api+json; charset=utf-8", body=b'{"stream":true}'),
    request("POST", CHAT, "Content-Type: application/x-www-form-urlencoded", body=b' {"stream":true}'),
    asking("POST", "/v1beta/models/gemini:streamGenerateContent?alt=sse", b"{}"),
    asking("POST", "/model/x/converse-stream", b"{}"),
    asking("POST", "/model/x/invoke-with-response-stream", b"{}"),
    asking("POST", "/generate_stream", b"{}"),
    asking("POST", "/api/chat", b'{"model":"m"}'),
    asking("POST", "/api/generate", b'{"model":"m","stream":true}'),
    asking("GET", "/events", None, "Accept: text/event-stream"),
    asking("GET", "/events", None, "Accept: Text/Event-Stream;q=0.5"),
]

OTHER_REQUESTS = [
    asking("POST", CHAT, prompt(stream=False)),
    asking("POST", CHAT, prompt()),
    asking("POST", CHAT, b'{"stream":"true"}'),
    asking("POST", CHAT, b'{"stream":1}'),
    asking("POST", CHAT, b'{"stream":true'),
    asking("POST", CHAT, b'[{"stream":true}]'),
    asking("POST", "/api/chat", b'{"model":"m","stream":false}'),
    asking("GET", "/api/chat", None),
    asking("GET", "/events", None, "Accept: application/json"),
    request("POST", CHAT, "Content-Type: image/png", body=b'{"stream":true}'),
    request("POST", CHAT, JSON, "Content-Encoding: gzip", body=gzip.compress(b'{"stream":true}')),
]


@pytest.mark.parametrize("asked", STREAM_REQUESTS)
async def test_requests_for_a_stream(asked: bytes) -> None:
    """Their JSON answer becomes a stream."""
    async with House(says(WHOLE, kind="application/json")) as house:
        reply = await house.ask(asked)
        assert reply.get("content-type") == "text/event-stream; charset=utf-8"
        assert speech.complete(reply)["final_response"] == "Hi"
        assert house.backend.talks[0].asked.get("accept-encoding") == "identity"


@pytest.mark.parametrize("accept", ["application/json, Text/Event-Stream;q=0.5", "text/event-stream, */*"])
async def test_a_get_that_takes_both_keeps_its_json(accept: str) -> None:
    async with House(says(WHOLE, kind="application/json")) as house:
        reply = await house.ask(asking("GET", "/events", None, f"Accept: {accept}"))
        assert (reply.body, reply.get("content-type")) == (WHOLE, "application/json")


@pytest.mark.parametrize("asked", OTHER_REQUESTS)
async def test_other_requests(asked: bytes) -> None:
    """Their JSON answer stays as it is."""
    async with House(says(WHOLE, kind="application/json")) as house:
        reply = await house.ask(asked)
        assert (reply.get("content-type"), reply.body) == ("application/json", WHOLE)
        assert reply.get("x-stream-format") == reply.get("x-stream-id") == ""
        assert house.backend.talks[0].asked.get("accept-encoding") == ""


@pytest.mark.parametrize(
    "kind",
    [EVENTS, "Text/Event-Stream; charset=utf-8", "application/x-ndjson", "application/stream+json"],
)
async def test_answers_that_are_streams_whatever_was_asked(kind: str) -> None:
    said = OPENAI if "event" in kind.lower() else speech.OLLAMA
    async with House(says(*said, kind=kind)) as house:
        reply = await house.ask(request("GET", "/x"))
        assert speech.complete(reply)["final_response"] == "".join(speech.WORDS)
        assert reply.get("x-stream-id").startswith("s_")


@pytest.mark.parametrize("kind", ["application/json", "application/problem+json; x=y", "text/plain", "text/html", ""])
async def test_answers_that_are_streams_because_one_was_asked_for(kind: str) -> None:
    async with House(says(b"just ", b"words", kind=kind)) as house:
        assert speech.complete(await house.ask(ask()))["final_response"] == "just words"
        assert (await house.ask(request("GET", "/x"))).body == b"just words"


@pytest.mark.parametrize("kind", ["audio/mpeg", "image/png", "application/pdf"])
async def test_answers_that_are_no_streams_whatever_was_asked(kind: str) -> None:
    async with House(says(b"\x00\xff" * 9, kind=kind)) as house:
        reply = await house.ask(ask())
        assert (reply.body, reply.get("content-type"), reply.get("x-accel-buffering")) == (b"\x00\xff" * 9, kind, "")


LINES = [
    *("application/jsonl", "application/ndjson", "application/x-jsonlines", "application/jsonlines"),
    *("application/json-seq", "application/octet-stream", "application/x-jsonl; charset=utf-8"),
]


@pytest.mark.parametrize("kind", LINES)
async def test_lines_of_any_type_are_a_stream_that_was_asked_for(kind: str) -> None:
    async with House(says(b'{"chunk":"Low"}\n', b'{"chunk":" tide"}\n{"done":true}\n', kind=kind)) as house:
        assert speech.complete(await house.ask(ask()))["final_response"] == "Low tide"
        assert (await house.ask(request("GET", "/x"))).get("content-type") == kind


MCP = b"event: endpoint\ndata: /messages?session=7\n\n"


@pytest.mark.parametrize("format", ["envelope-v1", "auto", "openai", "passthrough"])
async def test_mcp_s_older_transport_passes_untouched(format: str) -> None:
    """It waits for as long as its client does, which no timeout of an answer may end."""
    told = b'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
    go = asyncio.Event()

    async def script(talk: Talk) -> None:
        await talk.stream(MCP)
        await go.wait()
        await talk.send(chunk(told) + END)

    patience = "timeouts: { first_token: 500ms, idle: 500ms }, ping: 20ms, open_after: 0"
    async with House(script, f"defaults: {{ format: {format}, {patience} }}") as house, house.client() as client:
        await client.send(asking("GET", "/sse", None, "Accept: text/event-stream"))
        await client.until(MCP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await client.more()
        go.set()
        reply = await client.reply()
        assert (reply.body, reply.get("x-stream-format")) == (MCP + told, "")
        assert (await house.told())["outcome"] == "completed"


RPC = [
    asking("POST", CHAT, b'{"jsonrpc":"2.0","stream":true}', "Accept: application/json, text/event-stream"),
    asking("POST", "/mcp", b'[{"jsonrpc":"2.0"},{"jsonrpc":"2.0"}]'),
    asking("GET", "/mcp", None, "Accept: text/event-stream", "Mcp-Session-Id: 1"),
    asking("POST", "/mcp", b'{"stream":true}', "MCP-Protocol-Version: 2025-06-18"),
]


@pytest.mark.parametrize("asked", RPC)
@pytest.mark.parametrize("stream", ["auto", "on"])
async def test_json_rpc_is_untouched(asked: bytes, stream: str) -> None:
    said = b'event: message\ndata: {"jsonrpc":"2.0","id":1}\n\n'
    async with House(says(said), f"defaults: {{ stream: {stream}, ping: 20ms }}") as house:
        reply = await house.ask(asked)
        assert (reply.body, reply.get("content-type"), reply.get("cache-control")) == (said, EVENTS, "")
        assert house.backend.talks[0].asked.get("accept-encoding") == ""


async def test_a_rule_may_say_what_is_a_stream() -> None:
    async with House(says(WHOLE, kind="application/json"), "defaults: { stream: on }") as house:
        assert speech.complete(await house.ask(request("GET", "/x")))["final_response"] == "Hi"


async def test_a_rule_may_say_what_is_none() -> None:
    async with House(says(*OPENAI), "defaults: { stream: off }") as house:
        reply = await house.ask(ask("Accept-Encoding: br"))
        assert (reply.body, reply.get("content-type")) == (b"".join(OPENAI), EVENTS)
        assert reply.get("x-accel-buffering") == ""
        assert house.backend.talks[0].asked.get("accept-encoding") == "br"


@pytest.mark.parametrize("framed", ["length", "chunked"])
async def test_a_body_is_read_up_to_a_bound_and_larger_ones_stream_through(framed: str) -> None:
    def request_of(size: int) -> bytes:
        body = json.dumps({"model": "big", "stream": True, "x": "y" * size}).encode()
        if framed == "length":
            return request("POST", CHAT, JSON, body=body)
        pieces = [body[at : at + 999] for at in range(0, len(body), 999)]
        return request("POST", CHAT, JSON, "Transfer-Encoding: chunked") + b"".join(map(chunk, pieces)) + END

    async with House(says(WHOLE, kind="application/json"), "inspect_bytes: 64KiB") as house:
        assert speech.complete(await house.ask(request_of(1000)))
        assert (await house.told())["model"] == "big"
        assert (await house.ask(request_of(500_000))).body == WHOLE
        assert (await house.told("request"))["model"] == ""
        assert json.loads(house.backend.talks[1].asked.body)["model"] == "big"


DOCUMENTS = [b"{}", b"[]", b"null", b'{"choices":[]}', b'{"detail":"x"}', b'{"data":[1]}', b'{"done":false}', WHOLE]


@pytest.mark.parametrize("said", DOCUMENTS)
async def test_json_that_comes_whole_passes_whole(said: bytes) -> None:
    """`stream: true` is asked for elsewhere too, and passthrough is for whatever a client speaks."""
    async with House(says(said, kind="application/json"), "defaults: { format: passthrough }") as house:
        for path in (CHAT, "/subscribe"):
            reply = await house.ask(ask(path=path))
            assert (reply.status, reply.body, reply.whole) == (200, said, True)
            assert reply.get("content-type") == "application/json"


async def test_json_that_says_what_failed_passes_too_and_is_counted() -> None:
    said = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    async with House(says(said, kind="application/json"), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert (reply.status, reply.body) == (200, said)
        assert (await house.told())["outcome"] == "rate_limited"


async def test_frames_that_nobody_knows_are_counted_in_the_log() -> None:
    strange = [b'data: {"kind":"beat","n":%d}\n\n' % number for number in range(4)]
    async with House(says(*strange, *OPENAI)) as house:
        assert speech.complete(await house.ask(ask()))["final_response"] == "".join(speech.WORDS)
        told = await house.told()
        assert (told["dialect"], told["unknown_frames"]) == ("openai-chat", 4)


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "GZIP"])
async def test_a_compressed_stream_is_inflated(coding: str) -> None:
    packer = zlib.compressobj(wbits=31 if "gzip" in coding.lower() else 15)
    pieces = [packer.compress(frame) + packer.flush(zlib.Z_SYNC_FLUSH) for frame in OPENAI] + [packer.flush()]

    async def script(talk: Talk) -> None:
        await talk.send(
            head(200, f"Content-Type: {EVENTS}", f"Content-Encoding: {coding}", "Transfer-Encoding: chunked")
        )
        await talk.say(*pieces)
        await talk.send(END)

    async with House(script) as house:
        reply = await house.ask(ask())
        assert speech.complete(reply)["final_response"] == "".join(speech.WORDS)
        assert reply.get("content-encoding") == ""
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert (reply.body, reply.get("content-encoding")) == (b"".join(OPENAI), "")


async def test_a_stream_in_an_unknown_coding() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"\x1b\x00", EVENTS, "Content-Encoding: br"))

    async with House(script) as house:
        reply = await house.ask(ask())
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "malformed")
        reply = await house.ask(ask("X-Stream-Format: passthrough"))
        assert (reply.status, reply.body, reply.get("content-encoding")) == (200, b"\x1b\x00", "br")
