"""An app's own streams leave as if the sidecar stood before it."""

import asyncio
import time
from typing import Any

import pytest

from sidecar import SidecarMiddleware
from tests.middleware.chat import FRAME, KINDS, MIXED, YAML, Chat, build, frames
from tests.middleware.host import Host
from tests.wire import eventually
from tests.wire.message import request

pytestmark = pytest.mark.anyio

ASK = b'{"stream": true}'
JSON = "Content-Type: application/json"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_mixed_formats_are_one_envelope(kind: str, method: str) -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        reply = await host.ask(method, f"/chat/{kind}", JSON, body=ASK if method == "POST" else None)
    assert reply.whole
    said = frames(reply.body)
    assert [frame["type"] for frame in said] == ["status", "chunk", "chunk", "chunk", "chunk", "complete"]
    assert said[-1]["data"]["final_response"] == "Hello world"
    assert reply.body.count(b"id: end\n") == 1
    assert chat.calls == 1 and "generator" in chat.after


@pytest.mark.parametrize("lines", [[JSON], [JSON, "Connection: close"]])
async def test_the_headers_keep_it_unbuffered(lines: list[str]) -> None:
    async with Host(build(Chat())) as host:
        reply = await host.ask("POST", "/chat/sse", *lines, body=ASK)
    assert reply.get("content-type") == "text/event-stream; charset=utf-8"
    assert reply.get("cache-control") == "no-cache, no-transform"
    assert reply.get("x-accel-buffering") == "no"
    assert reply.get("x-stream-format") == "envelope-v1"
    assert reply.get("x-stream-id").startswith("s_")
    assert reply.all("connection") == (["close"] if len(lines) > 1 else ["keep-alive"])
    assert not reply.all("content-length")


@pytest.mark.parametrize("kind", KINDS)
async def test_pings_while_the_generator_thinks(kind: str) -> None:
    chat = Chat(wait_at=2)
    async with Host(build(chat, "defaults: { ping: 50ms }")) as host, host.client() as client:
        await client.send(request("POST", f"/chat/{kind}", JSON, body=ASK))
        while client.received.count(b": ping\n\n") < 3:
            await client.more()
        chat.gate.set()
        reply = await client.reply()
    assert frames(reply.body)[-1]["data"]["final_response"] == "Hello world"
    assert b"nothing yet" not in reply.body


@pytest.mark.parametrize("path", ["/chat/async", "/chat/sync", "/slow"])
async def test_the_answer_is_opened_before_the_first_token(path: str) -> None:
    """While the generator thinks of its first frame, and while the endpoint has not even begun to answer."""
    chat = Chat(wait_at=0)
    async with Host(build(chat, "defaults: { ping: 50ms, padding: { initial_bytes: 256 } }")) as host:
        async with host.client() as client:
            await client.send(request("POST", path, JSON, body=ASK))
            opened = await client.until(b": ping\n\n")
            assert opened.startswith(b"HTTP/1.1 200 OK\r\n") and b"data: " not in opened.replace(b"waiting", b"")[:200]
            assert b":" + b" " * 253 + b"\n\n" in opened
            chat.gate.set()
            reply = await client.reply()
    assert frames(reply.body)[-1]["type"] == "complete"


async def test_passthrough_is_the_apps_own_bytes() -> None:
    async with Host(build(Chat(), "defaults: { format: passthrough }")) as host:
        reply = await host.ask("POST", "/chat/async", JSON, body=ASK)
    assert reply.body == "".join(FRAME % data for data in MIXED).encode()
    assert reply.get("x-accel-buffering") == "no"


@pytest.mark.parametrize("config", [None, "rules: [{ name: a, policy: { format: openai } }]"])
async def test_a_client_chooses_its_format(config: str | None) -> None:
    async with Host(build(Chat(), config or "")) as host:
        reply = await host.ask("POST", "/chat/async", JSON, "X-Stream-Format: openai", body=ASK)
        assert b"chat.completion.chunk" in reply.body and reply.body.endswith(b"data: [DONE]\n\n")
        refused = await host.ask("POST", "/chat/async", JSON, "X-Stream-Format: morse", body=ASK)
        assert refused.status == 406


async def test_an_event_source_that_is_done_asks_once() -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        reply = await host.ask("GET", "/chat/sse", "Accept: text/event-stream", "Last-Event-ID: end")
    assert (reply.status, chat.calls) == (204, 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_follows_the_last_frame_still_runs(kind: str) -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        await host.ask("POST", f"/chat/{kind}", JSON, body=ASK)
        await eventually(lambda: len(chat.after) > 2)
    assert chat.after == ["startup", "generator", "background", "shutdown"]


@pytest.mark.parametrize("kind", ["async", "sse"])
async def test_slow_work_after_the_last_frame_is_not_cancelled(kind: str) -> None:
    """The client has the whole answer and is gone; the app writes it into its database."""
    chat = Chat(wait_at=len(MIXED))
    async with Host(build(chat)) as host:
        reply = await host.ask("POST", f"/chat/{kind}", JSON, body=ASK)
        assert frames(reply.body)[-1]["type"] == "complete"
        await eventually(lambda: [line for line in host.lines if '"event": "stream"' in line])
        assert not chat.ended_at
        chat.gate.set()
        await eventually(lambda: chat.after[1:] == ["generator", "background"])


async def test_background_tasks_run_after_the_answer() -> None:
    chat = Chat(wait_at=5)
    async with Host(build(chat)) as host, host.client() as client:
        await client.send(request("POST", "/chat/async", JSON, body=ASK))
        await client.until(b'"ld"')
        assert chat.after == ["startup"]
        chat.gate.set()
        await client.reply()
        await eventually(lambda: chat.after == ["startup", "generator", "background"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_in_mid_stream_is_said_in_the_stream(kind: str) -> None:
    async with Host(build(Chat(fail_at=3))) as host:
        reply = await host.ask("POST", f"/chat/{kind}", JSON, body=ASK)
        assert reply.whole and reply.status == 200
        assert [frame["type"] for frame in frames(reply.body)] == ["status", "chunk", "chunk", "error"]
        error = frames(reply.body)[-1]["data"]
        assert (error["code"], error["recoverable"]) == ("SERVER", True)
        assert b"canary" not in reply.body
        await eventually(lambda: [line for line in host.lines if "ValueError: canary-7f3a" in line])
        (told,) = [line for line in host.lines if '"event": "stream"' in line]
        assert '"outcome": "upstream_error"' in told and "canary" not in told


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_before_the_first_frame_is_a_status(kind: str) -> None:
    async with Host(build(Chat(fail_at=0))) as host:
        reply = await host.ask("POST", f"/chat/{kind}", JSON, body=ASK)
        assert (reply.status, reply.get("content-type")) == (500, "application/json")
        assert b'"type":"error"' in reply.body and b"canary" not in reply.body
        await eventually(lambda: [line for line in host.lines if "ValueError: canary-7f3a" in line])


@pytest.mark.parametrize("debug", [False, True])
async def test_a_failure_before_the_answer_is_the_hosts(debug: bool) -> None:
    chat = Chat(fail_at=0)
    chat.gate.set()
    async with Host(build(chat, debug=debug)) as host, Host(build(chat, None, debug=debug)) as bare:
        reply = await host.ask("POST", "/slow", JSON, body=ASK)
        alone = await bare.ask("POST", "/slow", JSON, body=ASK)
        assert reply.status == alone.status == 500
        assert (b"Traceback" in reply.body) == debug
        assert debug or (reply.headers, reply.body) == (alone.headers, alone.body)
        assert [line for line in host.lines if '"outcome": "upstream_error"' in line and '"status": 500' in line]


async def test_a_failure_after_opening_is_said_in_the_stream() -> None:
    chat = Chat(fail_at=0)
    async with Host(build(chat, "defaults: { ping: 50ms }")) as host, host.client() as client:
        await client.send(request("POST", "/slow", JSON, body=ASK))
        await client.until(b": ping\n\n")
        chat.gate.set()
        reply = await client.reply()
    assert frames(reply.body)[-1]["data"]["code"] == "SERVER"


async def test_a_deadline_ends_the_generator() -> None:
    chat = Chat(wait_at=3)
    async with Host(build(chat, "defaults: { timeouts: { idle: 100ms } }")) as host:
        reply = await host.ask("POST", "/chat/async", JSON, body=ASK)
        assert frames(reply.body)[-1]["data"]["code"] == "TIMEOUT"
        await eventually(lambda: chat.ended_at)


@pytest.mark.parametrize("path", ["/slow", "/chat/async", "/chat/sse"])
async def test_no_token_in_time_is_a_status(path: str) -> None:
    chat = Chat(wait_at=0)
    async with Host(build(chat, "defaults: { timeouts: { first_token: 100ms } }")) as host:
        began = time.monotonic()
        reply = await host.ask("POST", path, JSON, body=ASK)
        assert reply.status == 504
        await eventually(lambda: chat.ended_at)
        assert chat.ended_at - began < 1


async def test_two_tasks_of_the_app_may_send_at_once() -> None:
    words = [b"a%d " % number for number in range(50)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def say(text: bytes) -> None:
            await send({"type": "http.response.body", "body": b'data: {"content": "%s"}\n\n' % text, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await asyncio.gather(*map(say, words))
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async with Host(SidecarMiddleware(app, YAML), lifespan="off") as host:
        reply = await host.ask("GET", "/")
    said = frames(reply.body)[-1]["data"]["final_response"].encode()
    assert sorted(said.split()) == sorted(word.strip() for word in words)
