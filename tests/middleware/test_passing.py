"""What is no stream passes as if the middleware were not there."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.testclient import TestClient

from sidecar import SidecarMiddleware
from sidecar.policy.document import Invalid
from tests.middleware.chat import YAML, Chat, build, frames, inner, outer
from tests.middleware.host import Host
from tests.middleware.test_streams import ASK, JSON
from tests.wire import eventually
from tests.wire.message import END, Message, chunk, request

pytestmark = pytest.mark.anyio

MCP = b'{"jsonrpc": "2.0", "method": "tools/call", "stream": true}'


async def both(method: str, target: str, *lines: str, body: bytes | None = None) -> tuple[Message, Message]:
    """The answers of the app with the middleware, and alone."""
    async with Host(build(Chat())) as host, Host(build(Chat(), None)) as bare:
        return await host.ask(method, target, *lines, body=body), await bare.ask(method, target, *lines, body=body)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/json", None),
        ("HEAD", "/json", None),
        ("GET", "/nothing", None),
        ("DELETE", "/json", None),
        ("GET", "/json/", None),
        ("GET", "/text", None),
        ("GET", "/docs", None),
        ("GET", "/fails", None),
        ("GET", "/.sidecar/streams", None),
        ("POST", "/validated", ASK),
        ("POST", "/validated?question=1", ASK),
        ("POST", "/validated?question=x", b'{"no": "stream"}'),
        ("POST", "/echo", b'{"long": "' + b"x" * 200_000 + b'"}'),
        ("POST", "/echo", b"\x00\xff" * 50_000),
        ("POST", "/echo", b""),
        ("POST", "/chat/async", MCP),
    ],
)
async def test_a_plain_answer_is_byte_for_byte_the_same(method: str, target: str, body: bytes | None) -> None:
    lines = [JSON, "Accept-Encoding: gzip", "Upgrade: h9"] if target != "/validated" else [JSON]
    ours, alone = await both(method, target, *lines, body=body)
    if target == "/validated?question=1":
        # a stream was asked for, and the answer is JSON: that is one
        assert ours.get("content-type").startswith("text/event-stream")
        return
    assert ours == alone


async def test_an_upload_in_pieces_reaches_the_app() -> None:
    chat = Chat()
    async with Host(build(chat)) as host, host.client() as client:
        await client.send(request("POST", "/upload", "Transfer-Encoding: chunked"))
        await client.send(chunk(b"\x01" * 40_000))
        await eventually(lambda: chat.uploaded == 40_000)
        await client.send(chunk(b"\x01" * 60_000) + END)
        reply = await client.reply()
    assert chat.uploaded == 100_000
    assert frames(reply.body)[-1]["type"] == "complete"


async def test_a_client_that_leaves_in_mid_upload_never_reaches_the_app() -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        async with host.client() as client:
            await client.send(request("POST", "/chat/async", JSON, "Content-Length: 100") + b'{"stream"')
        await eventually(lambda: [line for line in host.lines if "client_left" in line])
    assert chat.calls == 0


async def test_context_state_and_headers_are_the_clients_own() -> None:
    seen: list[str] = []
    app = build(Chat())

    async def around(scope: Any, receive: Any, send: Any) -> None:
        outer.set("set outside")
        await app(scope, receive, send)
        seen.append(inner.get())

    lines = ("Accept-Encoding: br", "X-Forwarded-For: 1.2.3.4", "X-Stream-Format: openai", "Host: a.test")
    async with Host(around, root_path="/below") as host:
        reply = await host.ask("GET", "/scope", *lines)
    said = json.loads(reply.body)
    assert (said["outer"], said["pool"], said["root"]) == ("set outside", "of connections", "/below")
    assert said["headers"] == {
        "host": "a.test",
        "accept-encoding": "br",
        "x-forwarded-for": "1.2.3.4",
        "x-stream-format": "openai",
    }
    assert "set inside" in seen


async def test_a_background_task_runs_after_a_plain_answer() -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        await host.ask("GET", "/json")
        await eventually(lambda: "background" in chat.after)


@pytest.mark.parametrize("inside", [True, False])
async def test_compression_holds_no_token_back(inside: bool) -> None:
    chat = Chat(wait_at=3)
    app = build(chat, None if inside else "")
    app.add_middleware(GZipMiddleware, minimum_size=1, exclude_content_types=())
    if inside:
        app.add_middleware(SidecarMiddleware, config=YAML)
    async with Host(app) as host, host.client() as client:
        if inside:
            await client.send(request("POST", "/chat/async", JSON, "Accept-Encoding: gzip", body=ASK))
            await client.until(b'"lo"')
            chat.gate.set()
            assert frames((await client.reply()).body)[-1]["type"] == "complete"
        plain = await host.ask("GET", "/json", "Accept-Encoding: gzip")
        assert plain.get("content-encoding") == "gzip"
        assert int(plain.get("content-length")) < 1000


async def test_gzip_outside_leaves_an_event_stream_alone() -> None:
    app = build(Chat())
    app.add_middleware(GZipMiddleware, minimum_size=1)
    async with Host(app) as host:
        reply = await host.ask("POST", "/chat/async", JSON, "Accept-Encoding: gzip", body=ASK)
        assert frames(reply.body)[-1]["type"] == "complete"


async def test_a_stream_that_was_compressed_unasked_is_read() -> None:
    app = build(Chat(), None)
    app.add_middleware(GZipMiddleware, minimum_size=1, exclude_content_types=())
    app.add_middleware(SidecarMiddleware, config=YAML)
    async with Host(app) as host:
        reply = await host.ask("GET", "/chat/async", "Accept-Encoding: gzip")
        assert frames(reply.body)[-1]["data"]["final_response"] == "Hello world"
        assert not reply.get("content-encoding")


@pytest.mark.parametrize("outside", [True, False])
async def test_function_middleware_stands_on_either_side(outside: bool) -> None:
    app = build(Chat(), "" if outside else None)

    async def named(request: Request, call_next: Any) -> Any:
        answer = await call_next(request)
        answer.headers["x-named"] = "yes"
        return answer

    app.middleware("http")(named)
    if not outside:
        app.add_middleware(SidecarMiddleware, config=YAML)
    async with Host(app) as host:
        reply = await host.ask("POST", "/chat/sync", JSON, body=ASK)
        assert reply.get("x-named") == "yes"
        assert frames(reply.body)[-1]["data"]["final_response"] == "Hello world"


def test_the_test_client_websockets_and_lifespan() -> None:
    chat = Chat()
    with TestClient(build(chat)) as client:
        assert chat.after == ["startup"]
        assert frames(client.post("/chat/sync", json={"stream": True}).content)[-1]["type"] == "complete"
        assert client.get("/json").json()["answer"] == 42
        with client.websocket_connect("/ws") as socket:
            socket.send_text("upper")
            assert socket.receive_text() == "UPPER"
        with pytest.raises(ValueError, match="canary"):
            client.get("/fails")
    assert chat.after[-1] == "shutdown"


async def call(app: Any, path: str = "/", **extensions: Any) -> list[dict[str, Any]]:
    """What a server of more extensions than uvicorn is sent."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "2",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "query_string": b"",
        "headers": [],
        "extensions": extensions,
    }
    first = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        return first.pop() if first else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream"])
async def test_a_file_may_be_sent_by_the_server(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "answer"
    file.write_bytes(b'data: {"content": "Hello"}\n\ndata: {"done": true}\n\n')
    app = FastAPI()

    @app.get("/")
    async def get() -> Any:
        return FileResponse(file, media_type=kind)

    app.add_middleware(SidecarMiddleware, config=YAML)
    sent = await call(app, **{"http.response.pathsend": {}})
    if kind == "text/plain":
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.pathsend"]
    else:
        body = b"".join(message.get("body", b"") for message in sent)
        assert [frame["type"] for frame in frames(body)] == ["chunk", "complete"]
        assert not [value for name, value in sent[0]["headers"] if name == b"connection"]


async def test_what_is_not_known_passes_before_and_after() -> None:
    messages = [
        {"type": "http.response.early_hint", "links": [b"</a.css>"]},
        {"type": "http.response.start", "status": 200, "headers": [(b"X-Odd", b"1")], "trailers": True},
        {"type": "http.response.body", "body": b"{}", "more_body": False},
        {"type": "http.response.trailers", "headers": [], "more_trailers": False},
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    assert await call(SidecarMiddleware(app, YAML)) == messages


async def test_a_server_that_raises_when_its_client_is_gone() -> None:
    """ASGI 2.4: `send()` raises OSError. That is the client's leaving and nobody's fault."""
    app = SidecarMiddleware(build(Chat(), None), YAML)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        async def gone(message: Any) -> None:
            raise OSError("gone")

        await app(scope, receive, gone)

    assert await call(serve, "/chat/async") == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("version: 1\nupstreams: { a: { url: http://a } }\n", "config:2:24: url: the app that the middleware wraps"),
        ("version: 1\nupstreams: { a: { url: app:// } }\nrule: 1", "config:3:1: unknown key rule"),
        ("/does/not/exist.yaml", "/does/not/exist.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_bad_configuration_is_refused_at_once(config: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        SidecarMiddleware(FastAPI(), config)
    assert str(caught.value).startswith(told)


def test_without_a_configuration_the_built_in_rules_hold(tmp_path: Path) -> None:
    file = tmp_path / "sidecar.yaml"
    file.write_text(YAML + "defaults: { format: openai }")
    for config, agent, wanted in [
        (None, "curl/8", "envelope-v1"),
        (None, "OpenAI/Python 3", "envelope-v1"),
        (file, "curl/8", "openai"),
        (str(file), "curl/8", "openai"),
    ]:
        app = build(Chat(), None)
        app.add_middleware(SidecarMiddleware, config=config)
        reply = TestClient(app).get("/chat/async", headers={"user-agent": agent})
        assert reply.headers["x-stream-format"] == wanted
