"""A client that leaves is seen to leave, whatever it has sent and whatever waits."""

import asyncio
import os
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.proxy.connection import MAX_AHEAD
from sidecar.proxy.cycle import MAX_UNREAD
from sidecar.proxy.edge import Limits
from tests.proxy.server.room import Room, told
from tests.wire import eventually
from tests.wire.backend import Talk
from tests.wire.client import Client
from tests.wire.house import House
from tests.wire.message import END, request

pytestmark = pytest.mark.anyio

LEAVE: dict[str, Callable[[Client], None]] = {
    "close": lambda client: client.leave(),
    "reset": lambda client: client.leave(reset=True),
    "half close": lambda client: client.half_close(),
}
GET = request("GET", "/")


class Watching:
    """The app that begins an answer and waits for the client to leave; `heard` by `receive` or by "left"."""

    def __init__(self, by: str) -> None:
        self.heard: list[str] = []
        self._by = by

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hi", "more_body": True})
        if self._by == "left":
            await scope["extensions"]["sidecar.left"]()
            assert (await receive())["type"] == "http.disconnect"
        while (await receive())["type"] != "http.disconnect":
            pass
        self.heard.append(scope["path"])
        # nobody hears it, and it is no error
        await send({"type": "http.response.body", "body": b"bye", "more_body": False})


SENT = {
    "a request": GET,
    "a request and half a next one": GET + GET[:-4],
    "two requests": GET + GET,
    "a request with a body": request("POST", "/", body=b"x" * 1000),
    "requests up to the bound": GET * (MAX_AHEAD // len(GET)),
    "half a body": request("POST", "/", "Content-Length: 2000") + b"x" * 1000,
}


@pytest.mark.parametrize("by", ["receive", "left"])
@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("sent", SENT.values(), ids=SENT)
async def test_at_once(sent: bytes, how: str, by: str) -> None:
    app = Watching(by)
    async with Room(app) as room, room.client() as client:
        await client.send(sent)
        await client.until(b"hi")
        LEAVE[how](client)
        await room.gone()
        assert app.heard == ["/"]


PAUSING = {
    "too many requests": (GET * (120_000 // len(GET)), MAX_AHEAD),
    "a large body": (request("POST", "/", body=b"x" * 120_000), MAX_UNREAD),
    "half a large body": (request("POST", "/", "Content-Length: 900000") + b"x" * 120_000, MAX_UNREAD),
}


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize(("sent", "bound"), PAUSING.values(), ids=PAUSING)
async def test_while_reading_is_paused(sent: bytes, bound: int, how: str) -> None:
    """Its FIN stands behind bytes that nobody reads; they are no more than the kernel takes."""
    app = Watching("left")
    first = sent.index(b"\r\n\r\n") + 4 + bound
    # how many bytes one read gives is the kernel's affair, except where they are few
    parts = [sent[at : at + 1000] for at in range(0, first + 1, 1000)]
    async with Room(app) as room, room.client() as client:
        await room.parts(client, parts)
        await client.until(b"hi")
        await client.send(sent[len(parts) * 1000 :])
        LEAVE[how](client)
        await room.gone()
        assert app.heard == ["/"]
        assert room.read == len(parts) * 1000


async def test_reading_stops_at_the_bound_and_goes_on() -> None:
    """More requests than may wait are sent at once; all are answered, in order."""
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["raw_path"]})

    count = 500
    async with Room(app) as room, room.client() as client:
        sending = asyncio.create_task(
            client.send(b"".join(request("GET", f"/{n}", f"X: {'y' * 2000}") for n in range(count)))
        )
        await eventually(lambda: room.read > MAX_AHEAD)
        seen = room.read
        assert len(room.state.tasks) == 1
        go_on.set()
        await client.until(b"/%d\r\n0" % (count - 1))
        await sending
        assert [int(n) for n in re.findall(rb"/(\d+)\r\n0", client.received)] == list(range(count))
        assert seen < 1 << 19


async def test_a_body_that_nobody_reads_is_not_taken() -> None:
    ask = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await ask.wait()
        await told(scope, receive, send)

    async with Room(app) as room, room.client() as client:
        sending = asyncio.create_task(client.send(request("POST", "/", body=b"x" * 30_000_000)))
        await eventually(lambda: room.read > 64 << 10)
        assert room.read < 1 << 20
        ask.set()
        await sending
        await client.until(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("how", LEAVE)
@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", GET[:-1], GET])
async def test_without_a_request_that_runs(sent: bytes, how: str) -> None:
    async with Room(told) as room, room.client() as client:
        await client.send(sent)
        if sent == GET:
            await client.reply("GET")
        await eventually(lambda: room.state.connections)
        LEAVE[how](client)
        await room.gone()
        assert not room.edge.refused


async def test_an_app_that_writes_to_one_who_does_not_read_hears_of_it() -> None:
    done = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while not done.is_set():
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                if next(iter(room.state.connections), None) is None:
                    done.set()
        finally:
            done.set()

    async with Room(app) as room, room.client(window=4096) as client:
        await client.send(GET)
        await eventually(lambda: any(connection.flow.write_paused for connection in room.state.connections))
        client.leave()
        async with asyncio.timeout(10):
            await done.wait()


async def streaming(scope: Any, receive: Any, send: Any) -> None:
    """Reads some, answers in pieces, and ends by itself or when the client leaves."""
    gone = asyncio.ensure_future(scope["extensions"]["sidecar.left"]())
    try:
        await asyncio.wait({gone, asyncio.ensure_future(receive())}, return_when=asyncio.FIRST_COMPLETED)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(int(scope["path"][1:] or 0)):
            await send({"type": "http.response.body", "body": b"x" * 3000, "more_body": True})
            if gone.done():
                break
        await send({"type": "http.response.body"})
    finally:
        gone.cancel()


REQUESTS = [
    request("GET", "/0"),
    request("GET", "/3"),
    request("GET", "/900"),
    request("GET", "/5", version="1.0"),
    request("POST", "/9", body=b"x" * 5000),
    request("POST", "/9", body=b"x" * 150_000),
    request("POST", "/9", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    request("POST", "/9", "Transfer-Encoding: chunked") + b"5\r\nhello\r\nnonsense",
    request("POST", "/9", "Expect: 100-continue", body=b"hello"),
    b"nonsense\r\n\r\n",
    b"\r\n",
]


async def visit(room: Room | House, chance: random.Random) -> None:
    """One connection that goes some way and ends somehow."""
    async with room.client(window=chance.choice([0, 0, 2048])) as client:
        said = b"".join(chance.choice(REQUESTS) for _ in range(chance.randint(1, 4)))
        said = said[: chance.randint(0, len(said))]
        try:
            size = max(1, len(said) // chance.choice([1, 2, 10, 50]))
            for at in range(0, len(said), size):
                await asyncio.wait_for(client.send(said[at : at + size]), 0.1)
            for _ in range(chance.randint(0, 5)):
                await asyncio.wait_for(client.more(chance.choice([10, 10_000])), 0.02)
            LEAVE[chance.choice(list(LEAVE))](client)
        except (TimeoutError, OSError):
            pass


async def test_a_thousand_connections_leave_nothing() -> None:
    """The room sees that no task, descriptor or connection is left."""
    seed = int(os.environ.get("SIDECAR_SEED", "7"))
    chance = random.Random(seed)
    async with Room(streaming, Limits(linger=0.5)) as room:
        for _ in range(20):
            await asyncio.gather(*(visit(room, random.Random(chance.random())) for _ in range(50)))
        await room.gone()
        assert room.state.total_requests > 200


async def test_a_thousand_connections_through_the_relay_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The house sees it, at both ends."""

    async def script(talk: Talk) -> None:
        token = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n'
        await talk.stream(*[token] * int(talk.asked.first[1][1:] or 0))
        await talk.send(END)

    monkeypatch.setattr(House, "transport", "lean")
    chance = random.Random(int(os.environ.get("SIDECAR_SEED", "7")))
    async with House(script) as house:
        for _ in range(20):
            await asyncio.gather(*(visit(house, random.Random(chance.random())) for _ in range(50)))
        assert len(house.backend.talks) > 200
