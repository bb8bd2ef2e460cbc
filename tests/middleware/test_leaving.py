"""A client that leaves ends the app's generator; one that reads slowly slows it."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sidecar import SidecarMiddleware
from sidecar.proxy.answer import Failure
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.heard import Heard
from sidecar.proxy.inprocess import Call
from sidecar.proxy.passing import Passing
from sidecar.telemetry.telemetry import Telemetry
from tests.middleware.chat import FRAME, KINDS, YAML, Chat, build
from tests.middleware.host import Host
from tests.middleware.test_streams import ASK, JSON
from tests.wire import SECONDS, eventually
from tests.wire.message import request

pytestmark = pytest.mark.anyio

DONE = b'data: {"done": true}\n\n'
WITHIN = 0.5
"""Seconds from the client's close to the end of the generator; a blocking generator looks up every 0.05 s."""


def speaking(version: str, app: Any) -> Any:
    """The app as it would be called by a server of that version of ASGI."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "asgi": {"version": "3.0", "spec_version": version}}, receive, send)

    return call


@pytest.mark.parametrize("version", ["2.3", "2.4"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wait_at", [0, 3])
async def test_leaving_ends_the_generator(kind: str, wait_at: int, version: str) -> None:
    """While it thinks, before its first frame and in the middle."""
    chat = Chat(wait_at)
    async with Host(speaking(version, build(chat))) as host:
        async with host.client() as client:
            await client.send(request("POST", f"/chat/{kind}", JSON, body=ASK))
            await (client.until(b'"lo"') if wait_at else eventually(lambda: chat.begun))
            assert not chat.ended_at
            left = time.monotonic()
        await eventually(lambda: chat.ended_at)
        assert chat.ended_at - left < WITHIN
        assert "generator" not in chat.after
        (told,) = await eventually(lambda: [line for line in host.lines if '"event": "stream"' in line])
        assert '"outcome": "client_left"' in told
        assert not [line for line in host.lines if "Exception in ASGI" in line]


async def test_leaving_ends_an_endpoint_that_has_not_answered() -> None:
    chat = Chat()
    async with Host(build(chat)) as host:
        async with host.client() as client:
            await client.send(request("POST", "/slow", JSON, body=ASK))
            await eventually(lambda: chat.calls)
            left = time.monotonic()
        await eventually(lambda: chat.ended_at)
        assert chat.ended_at - left < WITHIN


async def test_a_stream_that_was_not_asked_for_is_ended_too() -> None:
    chat = Chat(wait_at=3)
    async with Host(build(chat)) as host:
        async with host.client() as client:
            await client.send(request("GET", "/chat/async"))
            await client.until(b'"lo"')
        await eventually(lambda: chat.ended_at)


async def test_a_plain_endpoint_is_not_cancelled() -> None:
    done: list[str] = []
    begun, go = asyncio.Event(), asyncio.Event()

    async def payment(request: Any) -> Any:
        begun.set()
        await go.wait()
        done.append("paid")
        return StreamingResponse(iter(["ok"]))

    app = Starlette(routes=[Route("/", payment)])
    app.add_middleware(SidecarMiddleware, config=YAML)
    async with Host(app) as host:
        async with host.client() as client:
            await client.send(request("GET", "/"))
            await begun.wait()
        go.set()
        await eventually(lambda: done)


async def test_an_app_that_listens_is_told_and_not_cancelled() -> None:
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: hi\n\n", "more_body": True})
        told.append((await receive())["type"])
        await send({"type": "http.response.body", "body": b"data: in vain\n\n", "more_body": False})
        told.append((await receive())["type"])

    async with Host(SidecarMiddleware(app, YAML), lifespan="off") as host:
        async with host.client() as client:
            await client.send(request("GET", "/"))
            await client.until(b'"hi"')
        await eventually(lambda: len(told) == 2)
    assert told == ["http.disconnect"] * 2


async def test_an_app_that_never_ends_is_ended_after_its_last_word() -> None:
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        try:
            while True:
                await send({"type": "http.response.body", "body": DONE, "more_body": True})
        finally:
            ended.append("cancelled")

    async with Host(SidecarMiddleware(app, YAML), lifespan="off") as host:
        reply = await host.ask("GET", "/")
        assert reply.whole and b'"complete"' in reply.body
        await eventually(lambda: ended)
        assert not [line for line in host.lines if "Exception in ASGI" in line]


@pytest.mark.parametrize("body", [True, False])
async def test_an_app_that_returns_too_early_is_cut(body: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        if body:
            await send({"type": "http.response.body", "body": b'data: {"content": "half"}\n\n', "more_body": True})

    async with Host(SidecarMiddleware(app, YAML), lifespan="off") as host:
        reply = await host.ask("GET", "/")
        assert reply.status == (200 if body else 500)
        assert reply.whole and b'"code":"NETWORK"' in reply.body


async def test_an_app_that_never_answers_is_the_servers_matter() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async with Host(SidecarMiddleware(app, YAML), lifespan="off") as host:
        reply = await host.ask("POST", "/", JSON, body=ASK)
        assert (reply.status, reply.body) == (500, b"Internal Server Error")


async def test_a_slow_client_slows_the_generator() -> None:
    """What is under way is what the sockets hold, however much the generator could say."""
    piece, count = "x" * (64 << 10), 100
    said: list[int] = []

    async def speech() -> AsyncIterator[str | bytes]:
        for number in range(count):
            said.append(number)
            yield FRAME % f'{{"content": "{piece}"}}'
        yield DONE

    async def endpoint(request: Any) -> Any:
        return StreamingResponse(speech(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(SidecarMiddleware, config=YAML)
    async with Host(app) as host, host.client(window=32 << 10) as client:
        await client.send(request("GET", "/"))
        await eventually(host.paused)
        for _ in range(1000):  # turns of the loop, in which a generator that nobody stops would say all
            await asyncio.sleep(0)
        assert 0 < len(said) < 40
        reply = await client.reply()
    assert len(said) == count
    assert reply.whole and reply.body.count(piece.encode()) == count


async def test_a_deadline_at_the_very_head_reaches_the_app() -> None:
    """The relay is interrupted in the same turn of the loop in which the app begins its answer."""
    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": []}
    told: list[str] = []

    async def nothing(*message: Any) -> Any:
        return {"type": "http.request"}

    async def relay() -> None:
        with pytest.raises(asyncio.CancelledError):
            relays.append(asyncio.current_task())
            await call.ask("GET", b"/", [], b"", 0)
        downstream.finished = True

    relays: list[Any] = []
    heard, life = Heard(nothing), Telemetry(environ={}).begin(scope, 0)
    downstream = Downstream(scope, nothing, life)
    call = Call(scope, heard, Passing(nothing, heard, life, time.monotonic), downstream, relay, asked=True)
    async with call:
        await eventually(lambda: relays)
        asyncio.get_running_loop().call_soon(relays[0].cancel)
        try:
            await call.send({"type": "http.response.start", "status": 200})
            async with asyncio.timeout(SECONDS):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise
    assert told == ["cancelled"]
    assert isinstance(call.failure, Failure)


async def test_nothing_is_left_of_a_thousand_streams() -> None:
    async with Host(build(Chat())) as host:
        await asyncio.gather(*(host.ask("POST", "/chat/async", JSON, body=ASK) for _ in range(20)))
        gc.collect()
        before = len([each for each in gc.get_objects() if isinstance(each, Call)])
        for _ in range(10):
            await asyncio.gather(*(host.ask("POST", "/chat/async", JSON, body=ASK) for _ in range(20)))
        gc.collect()
        assert len([each for each in gc.get_objects() if isinstance(each, Call)]) <= max(before, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_leaving_passes_through_function_middleware(kind: str) -> None:
    chat = Chat(wait_at=3)
    app = build(chat, None)

    async def named(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app.middleware("http")(named)
    app.add_middleware(SidecarMiddleware, config=YAML)
    app.middleware("http")(named)
    async with Host(app) as host:
        async with host.client() as client:
            await client.send(request("POST", f"/chat/{kind}", JSON, body=ASK))
            await client.until(b'"lo"')
        await eventually(lambda: chat.ended_at)


async def test_send_returns_when_the_relay_has_taken_the_chunk_and_the_last_when_it_is_out() -> None:
    returned: list[str] = []
    gates = {True: asyncio.Event(), False: asyncio.Event()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for name in ("one", "two", "three"):
            body = f'data: {{"content": "{name}"}}\n\n'.encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
            returned.append(name)
        await send({"type": "http.response.body", "body": DONE})
        returned.append("end")

    async def blocks(scope: Any, receive: Any, send: Any) -> None:
        async def blocked(message: Any) -> None:
            if message["type"] == "http.response.body":
                await gates[message["more_body"]].wait()
            await send(message)

        await SidecarMiddleware(app, YAML)(scope, receive, blocked)

    async with Host(blocks, lifespan="off") as host, host.client() as client:
        await client.send(request("GET", "/"))
        await eventually(lambda: returned)
        for _ in range(50):
            await asyncio.sleep(0)
        assert returned == ["one"]
        gates[True].set()
        await client.until(b"three")
        for _ in range(50):
            await asyncio.sleep(0)
        assert returned == ["one", "two", "three"]
        gates[False].set()
        await client.reply()
        await eventually(lambda: returned[-1] == "end")
