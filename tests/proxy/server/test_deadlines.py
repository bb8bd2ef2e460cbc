"""Slow and silent clients: who is sent away, when, and who is not."""

import asyncio
import itertools
import json
from typing import Any

import pytest

from sidecar.proxy.edge import Limits
from tests.proxy.server.room import Room, told
from tests.wire import SECONDS, eventually
from tests.wire.client import Client
from tests.wire.message import request

pytestmark = pytest.mark.anyio

LONG = 30.0
SHORT = 0.2
GET = request("GET", "/")
SLOW_BODY = request("POST", "/", "Content-Length: 9") + b"abc"


def limits(**short: float) -> Limits:
    return Limits(**{"head": LONG, "idle": LONG, "body": LONG, "linger": LONG} | short)


class Seconds:
    """How long a block took."""

    def __enter__(self) -> "Seconds":
        self._from = asyncio.get_running_loop().time()
        return self

    def __exit__(self, *exc: object) -> None:
        self.passed = asyncio.get_running_loop().time() - self._from


async def meanwhile(room: Room) -> None:
    """Two idle limits pass: for two connections that say nothing, one after the other."""
    for _ in range(2):
        async with room.client() as silent:
            assert await silent.rest() == b""


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
async def test_one_that_never_asks_is_closed_without_a_word(sent: bytes) -> None:
    async with Room(told, limits(idle=SHORT)) as room, room.client() as client:
        with Seconds() as seconds:
            await client.send(sent)
            assert await client.rest() == b""
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT
        assert not room.edge.refused


async def test_empty_lines_do_not_keep_a_connection() -> None:
    async with Room(told, limits(idle=SHORT)) as room, room.client() as client:
        with Seconds() as seconds:
            await trickle(room, client, itertools.repeat(b"\r\n"))
        assert client.received == b"" and seconds.passed < 10 * SHORT


async def test_one_that_asks_no_more_is_closed_without_a_word() -> None:
    async with Room(told, limits(idle=SHORT)) as room, room.client() as client:
        for _ in range(3):
            await client.send(GET)
            assert (await client.reply()).status == 200
        with Seconds() as seconds:
            assert await client.rest() == b""
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT


async def trickle(room: Room, client: Client, bytes_: "itertools.repeat[bytes] | itertools.chain[bytes]") -> None:
    """Send a piece whenever the last one was read, until the server answers or closes."""
    async with asyncio.timeout(SECONDS):
        answer = asyncio.ensure_future(client.more())
        for piece in bytes_:
            await room.parts(client, [piece])
            if answer.done() or not room.state.connections:
                break
        await answer


@pytest.mark.parametrize("before", [b"", GET])
@pytest.mark.parametrize("first", [b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
async def test_half_a_head(first: bytes, before: bytes) -> None:
    async with Room(told, limits(head=SHORT)) as room, room.client() as client:
        if before:
            await client.send(before)
            await client.reply()
        with Seconds() as seconds:
            await client.send(first)
            reply = await client.reply()
        assert reply.status == 408 and reply.get("connection") == "close"
        assert json.loads(reply.body)["error"]["type"] == "timeout_error"
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT
        assert room.edge.refused == {408: 1}


async def test_a_head_that_drips_has_no_more_time() -> None:
    async with Room(told, limits(head=SHORT)) as room, room.client() as client:
        with Seconds() as seconds:
            await trickle(room, client, itertools.chain([b"GET / HTTP/1.1\r\nHost: a\r\nX: "], itertools.repeat(b"y")))
        assert client.received.startswith(b"HTTP/1.1 408 ")
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT


async def test_half_a_body() -> None:
    async with Room(told, limits(body=SHORT)) as room, room.client() as client:
        with Seconds() as seconds:
            await client.send(SLOW_BODY)
            assert (await client.reply()).status == 408
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT


async def test_a_body_that_drips_has_all_the_time() -> None:
    async with Room(told, limits(body=4 * SHORT, idle=SHORT)) as room, room.client() as client:
        await client.send(SLOW_BODY)
        for piece in (b"d", b"e", b"f", b"g", b"h"):
            async with room.client() as silent:
                await silent.rest()
            await client.send(piece)
        await client.send(b"i")
        assert json.loads((await client.reply()).body)["body"] == "abcdefghi"


async def test_half_a_body_in_mid_answer_breaks_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hi", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async with Room(app, limits(body=SHORT)) as room, room.client() as client:
        await client.send(SLOW_BODY)
        assert (await client.rest()).endswith(b"\r\n\r\n2\r\nhi\r\n")


async def test_one_who_waits_to_be_asked_for_the_body_may_wait() -> None:
    ask = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await ask.wait()
        await told(scope, receive, send)

    async with Room(app, limits(idle=SHORT, head=SHORT, body=SHORT)) as room, room.client() as client:
        await client.send(request("POST", "/", "Content-Length: 2", "Expect: 100-continue"))
        await meanwhile(room)
        ask.set()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")
        assert json.loads((await client.reply()).body)["body"] == "hi"


async def test_one_who_waits_for_us_to_read_may_wait() -> None:
    ask = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await ask.wait()
        await told(scope, receive, send)

    async with Room(app, limits(idle=SHORT, head=SHORT, body=SHORT)) as room, room.client() as client:
        body = b"x" * 300_000
        sending = asyncio.create_task(client.send(request("POST", "/", body=body)))
        await meanwhile(room)
        ask.set()
        await sending
        assert len(json.loads((await client.reply()).body)["body"]) == len(body)


async def test_an_answer_has_all_the_time() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"hi"})

    async with Room(app, limits(idle=SHORT, head=SHORT, body=SHORT)) as room, room.client() as client:
        await client.send(GET)
        await client.until(b"\r\n\r\n")
        await meanwhile(room)
        go_on.set()
        assert (await client.reply()).body == b"hi"
        with Seconds() as seconds:
            assert await client.rest() == b""
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", request("POST", "/", "Content-Length: 9000000")])
async def test_one_that_goes_on_after_the_end_is_closed(sent: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async with Room(app, limits(linger=SHORT)) as room, room.client() as client:
        with Seconds() as seconds:
            await client.send(sent)
            raw = await client.rest()
            assert raw.startswith(b"HTTP/1.1 4") and client.ended == "closed"
            with pytest.raises((ConnectionResetError, BrokenPipeError)):
                await room.parts(client, [b"more"] * 100_000)
                await eventually(lambda: not room.state.connections)
                for _ in range(2):
                    await client.send(b"more")
        assert SHORT * 0.9 <= seconds.passed < 10 * SHORT


async def test_an_early_answer_arrives_whole_while_the_client_still_sends() -> None:
    """With bytes unread a close would be a reset, and what the client has not read yet would be lost."""
    text = b"no " * 100_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": text})

    async with Room(app, limits()) as room, room.client() as client:
        sending = asyncio.create_task(client.send(request("POST", "/", body=b"x" * 10_000_000)))
        reply = await client.reply()
        assert (reply.status, reply.body) == (413, text)
        await sending
        assert await client.rest() == b"" and client.ended == "closed"
