"""A sidecar that another app mounts."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import sidecar
from sidecar import Sidecar
from sidecar.policy.document import Invalid
from tests.middleware.host import Host
from tests.middleware.test_streams import ASK, JSON
from tests.wire import eventually
from tests.wire.backend import Backend, Talk
from tests.wire.message import END, answer, request

pytestmark = pytest.mark.anyio

HELLO = (b'data: {"content": "Hello"}\n\n', b'data: {"done": true}\n\n')


def yaml(backend: Backend, more: str = "") -> str:
    return f"version: 1\nupstreams: {{ b: {{ url: 'http://127.0.0.1:{backend.port}' }} }}\n{more}"


async def speak(talk: Talk) -> None:
    if b'"stream"' in talk.raw:
        await talk.stream(*HELLO)
        await talk.send(END)
    else:
        await talk.send(answer(b"{}"))


def mounted(config: str, at: str = "/llm") -> FastAPI:
    llm = Sidecar(config)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with llm.lifespan(app):
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount(at, llm)

    @app.get("/own")
    async def own() -> Any:
        return "the host's"

    return app


async def test_it_serves_below_its_path_and_the_lifespan_closes_it() -> None:
    async with Backend(speak) as backend:
        async with Host(mounted(yaml(backend))) as host:
            reply = await host.ask("POST", "/llm/v1/chat/completions?a=b", JSON, body=ASK)
            assert reply.get("x-stream-format") == "openai"
            assert reply.body.endswith(b"data: [DONE]\n\n") and b'"content":"Hello"' in reply.body
            assert backend.talks[0].asked.first[1] == b"/v1/chat/completions?a=b"
            assert (await host.ask("GET", "/own")).body == b'"the host\'s"'
            assert not backend.talks[0].closed.is_set()
        await eventually(backend.talks[0].closed.is_set)


@pytest.mark.parametrize(
    ("mount", "target", "sent"),
    [
        ("/llm", "/llm/", b"/"),
        ("/llm", "/llm/a%2Fb/%7Ec?", b"/a%2Fb/%7Ec"),
        ("/llm", "/%6clm/x", b"/x"),
        ("/llm", "/llm/../own", b"/../own"),
        ("/llm", "/llm//double", b"//double"),
        ("/é", "/%C3%A9/x?/q", b"/x?/q"),
        ("/t/{name}", "/t/a%2Fb/x", b"/b/x"),
        ("", "/v1/x", b"/v1/x"),
    ],
)
async def test_the_backend_sees_the_path_below_the_mount(mount: str, target: str, sent: bytes) -> None:
    async with Backend(speak) as backend, Host(mounted(yaml(backend), mount)) as host:
        await host.ask("GET", target)
        assert backend.talks[0].asked.first[1] == sent


async def test_a_server_may_keep_the_case_of_names() -> None:
    async with Backend(speak) as backend:
        llm = Sidecar(yaml(backend))

        async def cased(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope["headers"] = [[name.title(), value] for name, value in scope["headers"]]
            await llm(scope, receive, send)

        async with Host(cased, lifespan="off") as host:
            lines = (JSON, "X-Stream-Format: openai", "Connection: x-named", "X-Named: a", "TE: trailers")
            assert (await host.ask("POST", "/v1/x", *lines, body=ASK)).get("x-stream-format") == "openai"
            await llm.aclose()
        asked = backend.talks[0].asked
        sent = [name for name, _ in asked.headers]
        assert asked.body == ASK
        assert (sent.count(b"host"), sent.count(b"content-length")) == (1, 1)
        assert not {b"x-stream-format", b"x-named", b"te", b"connection"} & set(sent)


async def test_rules_and_the_reserved_prefix_are_below_the_mount_too() -> None:
    rule = "rules: [{ name: a, match: { path: /v1/** }, policy: { format: openai } }]"
    async with Backend(speak) as backend, Host(mounted(yaml(backend, rule)), root_path="/outer") as host:
        for path in ("/llm/.sidecar/streams", "/llm/%2esidecar/", "/llm/x/../.sidecar"):
            assert b".sidecar/ is the sidecar's own" in (await host.ask("GET", path)).body
        assert backend.talks == []
        assert (await host.ask("POST", "/llm/v1/chat", JSON, body=ASK)).get("x-stream-format") == "openai"
        assert backend.talks[0].asked.first[1] == b"/v1/chat"


async def test_leaving_reaches_the_backend() -> None:
    async def think(talk: Talk) -> None:
        await talk.stream(HELLO[0])
        await talk.closed.wait()

    async with Backend(think) as backend, Host(mounted(yaml(backend))) as host:
        async with host.client() as client:
            await client.send(request("POST", "/llm/chat", JSON, body=ASK))
            await client.until(b"Hello")
        await eventually(backend.talks[0].closed.is_set)


async def test_a_truncated_passthrough_has_no_clean_end() -> None:
    async def cut(talk: Talk) -> None:
        await talk.stream(b'data: {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}\n\n', b"data: {")
        talk.close()

    async with Backend(cut) as backend:
        rule = "defaults: { format: passthrough }"
        async with Host(mounted(yaml(backend, rule))) as host:
            reply = await host.ask("POST", "/llm/api/chat", JSON, body=ASK)
    assert not reply.whole or b"error" in reply.body


async def test_several_are_mounted_beside_each_other() -> None:
    async with Backend(speak) as one, Backend(speak) as two:
        first, second = Sidecar(yaml(one)), Sidecar(yaml(two))

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            async with first.lifespan(app), second.lifespan(app):
                yield

        app = Starlette(routes=[Mount("/one", first), Mount("/two", second)], lifespan=lifespan)
        async with Host(app) as host:
            await host.ask("GET", "/two/x")
        assert (len(one.talks), len(two.talks)) == (0, 1)


async def test_a_websocket_is_closed() -> None:
    async with Backend(speak) as backend:
        with TestClient(mounted(yaml(backend))) as client:
            with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/llm/ws"):
                pass
            assert caught.value.code == 1003


def test_it_needs_a_backend() -> None:
    with pytest.raises(Invalid, match="config:2:24: url: app:// is the app that SidecarMiddleware wraps"):
        Sidecar("version: 1\nupstreams: { a: { url: app:// } }\n")


def test_the_package_is_cheap_until_they_are_asked_for() -> None:
    code = "import sys, sidecar; print('uvicorn' in sys.modules, 'msgspec' in sys.modules, callable(sidecar.Sidecar))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]
    assert sidecar.Sidecar is Sidecar
    with pytest.raises(AttributeError, match="no attribute 'sidecar'"):
        getattr(sidecar, "sidecar")  # noqa: B009
