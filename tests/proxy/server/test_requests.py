"""What a client may send and what it may not: each to the byte, whole, byte by byte, and split at every place."""

import asyncio
import json
from typing import NamedTuple

import pytest

from tests.proxy.server.room import Room, both, cuts, told
from tests.wire.message import request

pytestmark = pytest.mark.anyio

HOST = b"Host: a\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


class Case(NamedTuple):
    """What is sent, and the status; 200 has the target and the body that the app saw. `keeps`: another may follow."""

    name: str
    sent: bytes
    status: int = 400
    target: str = "/"
    body: str = ""
    keeps: bool = False
    method: str = "GET"


def get(line: bytes = b"GET / HTTP/1.1", headers: bytes = HOST, body: bytes = b"") -> bytes:
    return line + b"\r\n" + headers + b"\r\n" + body


def post(headers: bytes, body: bytes) -> bytes:
    return get(b"POST / HTTP/1.1", headers, body)


def good(name: str, sent: bytes, target: str = "/", body: str = "", keeps: bool = True) -> Case:
    return Case(name, sent, 200, target, body, keeps, sent.split(b" ")[0].strip().decode())


LINES = [
    good("plain", get()),
    good("HTTP/1.0", get(b"GET / HTTP/1.0"), keeps=False),
    good("HTTP/1.0 without Host", get(b"GET / HTTP/1.0", b""), keeps=False),
    good("HTTP/1.0 that asks for keep-alive", get(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"), keeps=False),
    good("close", get(headers=HOST + b"Connection: close\r\n"), keeps=False),
    good("close among others", get(headers=HOST + b"Connection: x, CLOSE\r\n"), keeps=False),
    good("an empty line before", b"\r\n" + get()),
    good("a question mark and no query", get(b"GET /? HTTP/1.1"), "/?"),
    good("an absolute target", get(b"GET http://b:80/x/../y?z=/ HTTP/1.1"), "/x/../y?z=/"),
    good("an absolute target without path", get(b"GET HTTP://b?z HTTP/1.1"), "/?z"),
    good("an absolute target, IPv6", get(b"GET http://[::1]:80/x HTTP/1.1"), "/x"),
    good("a fragment", get(b"GET /x?y#z?w HTTP/1.1"), "/x?y"),
    good("OPTIONS *", get(b"OPTIONS * HTTP/1.1"), "*"),
    good("an odd method", get(b"PROPFIND / HTTP/1.1")),
    good("two slashes", get(b"GET //x//y HTTP/1.1"), "//x//y"),
    Case("another *", get(b"GET * HTTP/1.1")),
    Case("a user in the target", get(b"GET http://me@b/ HTTP/1.1")),
    Case("no host in the target", get(b"GET http:///x HTTP/1.1")),
    Case("another scheme", get(b"GET ftp://b/x HTTP/1.1")),
    Case("no target", get(b"GET HTTP/1.1")),
    Case("no slash", get(b"GET x HTTP/1.1")),
    Case("a space in the target", get(b"GET /a b HTTP/1.1")),
    Case("a tab in the target", get(b"GET /a\tb HTTP/1.1")),
    Case("NUL in the target", get(b"GET /a\0b HTTP/1.1")),
    Case("a control in the target", get(b"GET /a\x01b HTTP/1.1")),
    Case("DEL in the target", get(b"GET /a\x7fb HTTP/1.1")),
    Case("a high byte in the target", get(b"GET /a\xffb HTTP/1.1")),
    Case("a backslash for a target", get(b"GET \\ HTTP/1.1")),
    Case("a tab for a space", get(b"GET\t/ HTTP/1.1")),
    Case("a space at the end", get(b"GET / HTTP/1.1 ")),
    Case("a space before", get(b" GET / HTTP/1.1")),
    Case("an unknown method", get(b"FOO / HTTP/1.1")),
    Case("a method in small letters", get(b"get / HTTP/1.1")),
    Case("NUL in the method", get(b"G\0T / HTTP/1.1")),
    Case("HTTP/0.9", get(b"GET /", b""), 505),
    Case("HTTP/2", get(b"GET / HTTP/2.0"), 505),
    Case("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    Case("HTTP/1.2", get(b"GET / HTTP/1.2")),
    Case("HTTP/1.10", get(b"GET / HTTP/1.10")),
    Case("http/1.1", get(b"GET / http/1.1")),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    Case("LF for CRLF", b"GET / HTTP/1.1\nHost: a\n\n"),
    Case("CR for CRLF", b"GET / HTTP/1.1\rHost: a\r\r"),
    Case("CR in the target", get(b"GET /a\rb HTTP/1.1")),
]

HEADERS = [
    good("no value", get(headers=HOST + b"X:\r\n")),
    good("tabs and high bytes", get(headers=HOST + b"X:\t\xe9\tb \t\r\n")),
    good("a Host with a port", get(headers=b"Host: a.test:80\r\n")),
    good("a Host that is an address", get(headers=b"Host: [::1]:80\r\n")),
    good("an empty Host", get(headers=b"Host:\r\n")),
    Case("no Host", get(headers=b"")),
    Case("two Hosts", get(headers=HOST + HOST)),
    Case("two Hosts in HTTP/1.0", get(b"GET / HTTP/1.0", HOST + HOST)),
    Case("two Hosts and an absolute target", get(b"GET http://b/ HTTP/1.1", HOST + HOST)),
    Case("a Host with a path", get(headers=b"Host: a/b\r\n")),
    Case("a Host with a user", get(headers=b"Host: me@a\r\n")),
    Case("a Host with a space", get(headers=b"Host: a b\r\n")),
    Case("a Host with quotes", get(headers=b'Host: a"b\r\n')),
    Case("a list of Hosts", get(headers=b"Host: a, b\r\n")),
    Case("a Host with an odd port", get(headers=b"Host: a:b\r\n")),
    Case("a Host with a high byte", get(headers=b"Host: \xe9\r\n")),
    Case("LF after a header", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
    Case("LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    Case("CR in a value", get(headers=HOST + b"X: a\rb\r\n")),
    Case("LF in a value", get(headers=HOST + b"X: a\nb: c\r\n")),
    Case("a folded value", get(headers=HOST + b"X: a\r\n b\r\n")),
    Case("a folded value, by tab", get(headers=HOST + b"X: a\r\n\tb\r\n")),
    Case("a fold before the first header", get(headers=b" Host: a\r\n")),
    Case("NUL in a value", get(headers=HOST + b"X: a\0b\r\n")),
    Case("a control in a value", get(headers=HOST + b"X: a\x0bb\r\n")),
    Case("DEL in a value", get(headers=HOST + b"X: a\x7fb\r\n")),
    Case("NUL in a name", get(headers=HOST + b"X\0: a\r\n")),
    Case("a space in a name", get(headers=HOST + b"X y: a\r\n")),
    Case("a space before the colon", get(headers=HOST + b"X : a\r\n")),
    Case("a tab before the colon", get(headers=HOST + b"X\t: a\r\n")),
    Case("a high byte in a name", get(headers=HOST + b"X\xe9: a\r\n")),
    Case("no name", get(headers=HOST + b": a\r\n")),
    Case("no colon", get(headers=HOST + b"X\r\n")),
]

LENGTHS = [
    good("a length", post(HOST + b"Content-Length: 2\r\n", b"hi"), body="hi"),
    good("a length of nothing", post(HOST + b"Content-Length: 0\r\n", b"")),
    good("a length with zeros and white space", post(HOST + b"Content-Length:  002\t\r\n", b"hi"), body="hi"),
    good("a GET with a body", get(headers=HOST + b"Content-Length: 2\r\n", body=b"hi"), body="hi"),
    good("HTTP/1.0 with a body", get(b"POST / HTTP/1.0", b"Content-Length: 2\r\n", b"hi"), body="hi", keeps=False),
    good("an underscore", post(HOST + b"Content_Length: 2\r\n", b"")),
    *(
        Case(f"a length of {value!r}", post(HOST + b"Content-Length: " + value + b"\r\n", b"hi"))
        for value in (b"", b"+2", b"-2", b"0x2", b"2, 2", b"2 2", b"2;", b"\x0b2", b"2.0", b"two", b"1" * 19, b"9" * 30)
    ),
    Case("a length twice", post(HOST + b"Content-Length: 2\r\n" * 2, b"hi")),
    Case("two lengths", post(HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n", b"hi")),
]

CODINGS = [
    good("chunks", post(CHUNKED, b"2\r\nhi\r\n0\r\n\r\n"), body="hi"),
    good("Chunked", post(HOST + b"transfer-encoding:ChunkeD \r\n", b"0\r\n\r\n")),
    good("a GET with chunks", get(headers=CHUNKED, body=b"2\r\nhi\r\n0\r\n\r\n"), body="hi"),
    Case("a length and chunks", post(CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n")),
    Case("chunks and a length", post(HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    Case("chunks from HTTP/1.0", get(b"POST / HTTP/1.0", CHUNKED, b"0\r\n\r\n")),
    Case("gzip, chunked", post(HOST + b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    Case("gzip, then chunked", post(b"Transfer-Encoding: gzip\r\n" + CHUNKED, b"0\r\n\r\n"), 501),
    *(
        Case(f"the coding {value!r}", post(HOST + b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"))
        for value in (b"", b"gzip", b"identity", b"xchunked", b"chunked, gzip", b"chunked, chunked", b'"chunked"')
        + (b"chunked;q=1", b"\x0bchunked", b"chunked\x00", b"chunkedx")
    ),
    Case("chunked twice", post(CHUNKED + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
]

CHUNKS = [
    good("zeros and capitals", post(CHUNKED, b"00A\r\n0123456789\r\n000\r\n\r\n"), body="0123456789"),
    good("extensions", post(CHUNKED, b'2;a=b;c="d\\"e"\r\nhi\r\n0;f\r\n\r\n'), body="hi"),
    good("trailers", post(CHUNKED, b"2\r\nhi\r\n0\r\nX: y\r\nHost: b\r\nContent-Length: 9\r\n\r\n"), body="hi"),
    *(
        Case(f"chunks {chunks!r}", post(CHUNKED, chunks))
        for chunks in (
            b"2 \r\nhi\r\n0\r\n\r\n", b" 2\r\nhi\r\n0\r\n\r\n", b"2\t\r\nhi\r\n0\r\n\r\n", b"2 ;a\r\nhi\r\n0\r\n\r\n",
            b"0x2\r\nhi\r\n0\r\n\r\n", b"+2\r\nhi\r\n0\r\n\r\n", b"-2\r\nhi\r\n0\r\n\r\n", b"g\r\n", b"\r\nhi\r\n",
            b";a\r\n", b"2_0\r\n", b"2\nhi\r\n0\r\n\r\n", b"2\rhi\r\n",
            b"2;a\nhi\r\n0\r\n\r\n", b"2;a\rb\r\nhi\r\n", b"2;a\0\r\nhi\r\n",
            b"2\r\nhi\n0\r\n\r\n", b"2\r\nhi0\r\n\r\n", b"2\r\nhiX\r\n0\r\n\r\n", b"2\r\nhi\r0\r\n\r\n",
            b"f" * 17 + b"\r\n", b"0" * 17 + b"2\r\nhi\r\n", b"1" + b"0" * 16 + b"\r\n",
            b"0\r\n\n", b"0\n\n", b"0\r\nX\r\n\r\n", b"0\r\nX: a\n\r\n", b"0\r\n X: a\r\n\r\n", b"0\r\nX : a\r\n\r\n",
            b"0\r\nX: a\r\n b\r\n\r\n", b"0\r\nX: \0\r\n\r\n",
        )
    ),
]  # fmt: skip

CASES = LINES + HEADERS + LENGTHS + CODINGS + CHUNKS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_to_the_byte(case: Case) -> None:
    async with Room(told) as room:
        for parts in cuts(case.sent):
            async with room.client() as client:
                await room.parts(client, parts)
                if case.keeps:
                    await client.until(b"}")
                    await client.send(NEXT.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n"))
                raw = await client.rest()
                assert client.ended == "closed"
                answer, after = both(raw, case.method, "closed")
                assert answer.status == case.status, parts
                assert answer.get("connection") == ("" if case.keeps else "close")
                if case.keeps:
                    follower = both(after, "GET", "closed")[0]
                    assert json.loads(follower.body)["target"] == "/next"
                else:
                    assert after == b""
                if case.status == 200:
                    heard = json.loads(answer.body)
                    assert (heard["target"], heard["body"], heard["method"]) == (case.target, case.body, case.method)
                else:
                    error = json.loads(answer.body)["error"]
                    assert error["outcome"] == "rejected" and error["message"] and error["hint"]
        assert room.edge.refused.total() == (len(cuts(case.sent)) if case.status != 200 else 0)


async def test_the_host_of_an_absolute_target_counts() -> None:
    async with Room(told) as room, room.client() as client:
        await client.send(get(b"GET http://b:81/ HTTP/1.1"))
        heard = json.loads((await client.reply()).body)
        assert [value for name, value in heard["headers"] if name == "host"] == ["b:81"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_ends_of_the_connection_are_told(host: str) -> None:
    async with Room(told, address=f"[{host}]:0" if ":" in host else f"{host}:0") as room:
        reader, writer = await asyncio.open_connection(host, room.port)
        own = writer.get_extra_info("sockname")[:2]
        writer.write(get(headers=HOST + b"Connection: close\r\n"))
        heard = json.loads((await reader.read()).partition(b"\r\n\r\n")[2])
        assert heard["ends"] == [[*own], [host, room.port], "http"]
        writer.close()
        await writer.wait_closed()


async def test_trailers_are_no_headers() -> None:
    async with Room(told) as room, room.client() as client:
        await client.send(post(CHUNKED, b"0\r\nX-Late: y\r\n\r\n"))
        assert "x-late" not in dict(json.loads((await client.reply()).body)["headers"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET", "/" + "x" * (32 << 10)), 414),
        (b"GET /" + b"x" * (200 << 10), 414),
        (request("GET", "/" + "x" * ((32 << 10) - 1)), 200),
        (request("GET", "/", "X: " + "y" * (63 << 10)), 200),
        (request("GET", "/", "X: " + "y" * (64 << 10)), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (200 << 10), 431),
        (b"GET / HTTP/1.1\r\n" + b"y" * (200 << 10), 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000, 431),
        (request("GET", "/", *["X: y"] * 127), 200),
        (request("GET", "/", *["X: y"] * 128), 431),
        (post(CHUNKED, b"2;" + b"x" * 1019 + b"\r\nhi\r\n0\r\n\r\n"), 200),
        (post(CHUNKED, b"2;" + b"x" * 1030 + b"\r\nhi\r\n0\r\n\r\n"), 400),
        (post(CHUNKED, b"2;" + b"x" * 100_000), 400),
        (post(CHUNKED, b"0\r\n" + b"X: y\r\n" * 1000 + b"\r\n"), 200),
        (post(CHUNKED, b"0\r\n" + b"X: y\r\n" * 2000 + b"\r\n"), 400),
        (post(CHUNKED, b"0\r\nX: " + b"y" * 10_000), 400),
    ],
)
@pytest.mark.parametrize("size", [1 << 20, 999])
async def test_what_is_too_large(sent: bytes, status: int, size: int) -> None:
    async with Room(told) as room, room.client() as client:
        await room.parts(client, [sent[at : at + size] for at in range(0, len(sent), size)])
        reply = await client.reply("GET")
        assert reply.status == status
        if status != 200:
            assert reply.get("connection") == "close"
            client.half_close()
            assert await client.rest() == b""


async def test_large_bodies() -> None:
    body = bytes(range(256)) * 4_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (body[at : at + 9999] for at in range(0, len(body), 9999))
    )
    async with Room(told) as room, room.client() as client:
        for sent in (request("POST", "/", body=body), post(CHUNKED, chunks + b"0\r\n\r\n")):
            await client.send(sent)
            assert json.loads((await client.reply()).body)["body"].encode("latin-1") == body
