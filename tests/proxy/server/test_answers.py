"""What an app may answer, and what a client sees of it."""

from typing import Any

import pytest

from tests.proxy.server.room import App, Room, both, replying
from tests.wire.house import SECRET
from tests.wire.message import request

pytestmark = pytest.mark.anyio

TWO = [(b"content-length", b"2")]
GET = request("GET", "/")
OLD = request("GET", "/", version="1.0")
CLOSE = request("GET", "/", "Connection: close")
HEAD = request("HEAD", "/")
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKS = b"transfer-encoding: chunked\r\n"
BYE = b"connection: close\r\n"

WHOLE: list[tuple[str, App, bytes, bytes, bool]] = [
    ("counted", replying(200, TWO, b"h", last=b"i"), GET, OK + b"content-length: 2\r\n\r\nhi", True),
    ("counted, one by one", replying(200, TWO, b"h", b"", b"i"), GET, OK + b"content-length: 2\r\n\r\nhi", True),
    ("chunked", replying(200, [], b"h", last=b"i"), GET, OK + CHUNKS + b"\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", True),
    ("no empty chunk", replying(200, [], b"", b"hi", b""), GET, OK + CHUNKS + b"\r\n2\r\nhi\r\n0\r\n\r\n", True),
    ("nothing", replying(200, []), GET, OK + CHUNKS + b"\r\n0\r\n\r\n", True),
    ("chunked and close", replying(200, [], b"hi"), CLOSE, OK + CHUNKS + BYE + b"\r\n2\r\nhi\r\n0\r\n\r\n", False),
    ("no chunks for HTTP/1.0", replying(200, [], b"h", last=b"i"), OLD, OK + BYE + b"\r\nhi", False),
    ("a length for HTTP/1.0", replying(200, TWO, b"hi"), OLD, OK + b"content-length: 2\r\n" + BYE + b"\r\nhi", False),
    ("HEAD", replying(200, TWO), HEAD, OK + b"content-length: 2\r\n\r\n", True),
    ("HEAD with a body", replying(200, TWO, b"hi"), HEAD, OK + b"content-length: 2\r\n\r\n", True),
    ("HEAD without a length", replying(200, [], b"hi"), HEAD, OK + b"\r\n", True),
    ("204", replying(204, []), GET, b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ("304", replying(304, TWO), GET, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", True),
    ("304 with a body", replying(304, [], b"hi"), GET, b"HTTP/1.1 304 Not Modified\r\n\r\n", True),
    (
        "an odd status",
        replying(799, TWO, b"hi"),
        GET,
        b"HTTP/1.1 799 \r\ncontent-length: 2\r\n\r\nhi",
        True,
    ),
    (
        "one Connection",
        replying(200, [(b"connection", b"keep-alive"), *TWO], b"hi"),
        GET,
        OK + b"content-length: 2\r\nconnection: keep-alive\r\n\r\nhi",
        True,
    ),
    (
        "the client's close wins",
        replying(200, [(b"connection", b"keep-alive"), *TWO], b"hi"),
        CLOSE,
        OK + b"content-length: 2\r\n" + BYE + b"\r\nhi",
        False,
    ),
    (
        "the app's close wins",
        replying(200, [(b"Connection", b"Close"), *TWO], b"hi"),
        GET,
        OK + b"content-length: 2\r\n" + BYE + b"\r\nhi",
        False,
    ),
    (
        "framing is ours",
        replying(200, [(b"transfer-encoding", b"chunked"), *TWO], b"hi"),
        GET,
        OK + b"content-length: 2\r\n\r\nhi",
        True,
    ),
    (
        "names are made small, values stay",
        replying(200, [(b"X-Odd", b"\xe9\t|"), (b"date", b"now"), (b"server", b"me"), *TWO], b"hi"),
        GET,
        OK + b"x-odd: \xe9\t|\r\ndate: now\r\nserver: me\r\ncontent-length: 2\r\n\r\nhi",
        True,
    ),
]


@pytest.mark.parametrize(("name", "app", "asked", "wanted", "keeps"), WHOLE, ids=[case[0] for case in WHOLE])
async def test_to_the_byte(name: str, app: App, asked: bytes, wanted: bytes, keeps: bool) -> None:
    async with Room(app) as room, room.client() as client:
        for _ in range(1 + keeps):
            await client.send(asked)
            await client.until(wanted)
            assert client.received == wanted
            if keeps:
                client.received = b""
        if not keeps:
            assert await client.rest() == wanted
        both(wanted, asked.split(b" ")[0].decode(), "" if keeps else "closed")


BROKEN: list[tuple[str, App, bytes, bytes]] = [
    ("too short", replying(200, [(b"content-length", b"9")], b"hi"), GET, b"\r\n\r\nhi"),
    ("too short at once", replying(200, [(b"content-length", b"9")], last=b"hi"), GET, b"\r\n\r\n"),
    ("too long", replying(200, TWO, b"h", b"ii"), GET, b"\r\n\r\nh"),
    ("too long at once", replying(200, TWO, last=b"hii"), GET, b"\r\n\r\n"),
]


@pytest.mark.parametrize(("name", "app", "asked", "end"), BROKEN, ids=[case[0] for case in BROKEN])
async def test_a_length_that_is_not_kept_breaks_the_connection(name: str, app: App, asked: bytes, end: bytes) -> None:
    async with Room(app) as room, room.client() as client:
        await client.send(asked)
        raw = await client.rest()
        assert raw.startswith(OK) and raw.endswith(end)


async def test_a_body_that_was_all_sent_stays_whole_when_more_comes() -> None:
    async with Room(replying(200, TWO, b"hi", b"!")) as room, room.client() as client:
        await client.send(GET)
        assert (await client.rest()).endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nevil: b"),
        (b"x", b"a\nevil: b"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x", b"a\x7fb"),
        (b"x\r\nevil", b"a"),
        (b"x: a\r\nevil", b"b"),
        (b"x y", b"a"),
        (b"x:", b"a"),
        (b"", b"a"),
        (b"x\xe9", b"a"),
        (b"content-length", b"+2"),
        (b"content-length", b"2, 2"),
        (b"content-length", b""),
    ],
)
async def test_a_header_cannot_break_out_of_its_line(header: tuple[bytes, bytes]) -> None:
    async with Room(replying(200, [header], b"hi"), errors=1) as room, room.client() as client:
        await client.send(GET)
        reply, rest = both(await client.rest(), "GET", "closed")
        assert (reply.status, rest) == (500, b"")
        assert b"evil" not in reply.body


async def test_two_lengths_are_refused() -> None:
    async with Room(replying(200, TWO + TWO, b"hi"), errors=1) as room:
        async with room.client() as client:
            await client.send(GET)
            assert (await client.reply()).status == 500


async def fails_before(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(SECRET)


async def fails_after(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hi", "more_body": True})
    raise ValueError(SECRET)


async def says_nothing(scope: Any, receive: Any, send: Any) -> None:
    pass


async def does_not_end(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize(
    ("app", "start", "error"),
    [
        (fails_before, b"HTTP/1.1 500 ", "ValueError"),
        (fails_after, OK, "ValueError"),
        (says_nothing, b"HTTP/1.1 500 ", "unfinished"),
        (does_not_end, OK, "unfinished"),
        (replying(103, []), b"HTTP/1.1 500 ", "RuntimeError"),
    ],
)
async def test_an_app_that_fails(app: App, start: bytes, error: str) -> None:
    """The room sees that no SECRET and no traceback are logged."""
    async with Room(app, errors=1) as room, room.client() as client:
        await client.send(GET)
        raw = await client.rest()
        assert raw.startswith(start) and SECRET.encode() not in raw
        assert not raw.endswith(b"0\r\n\r\n")
        line = room.told("app_failed")[0]
        assert line["error"] == error
        if error == "ValueError":
            assert line["where"][-1].startswith(__file__)


async def test_a_close_delimited_answer_that_fails_is_reset() -> None:
    async with Room(fails_after, errors=1) as room, room.client() as client:
        await client.send(OLD)
        await client.rest()
        assert client.ended == "reset"


async def test_nothing_is_written_before_a_head_that_holds() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(RuntimeError):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nevil: b")]})
        with pytest.raises(RuntimeError):
            await send({"type": "http.response.body", "body": b"hi", "more_body": True})
        await replying(200, TWO, b"hi")(scope, receive, send)

    async with Room(app) as room, room.client() as client:
        await client.send(GET)
        reply = await client.reply()
        assert (reply.status, reply.body, client.received) == (200, b"hi", b"")
