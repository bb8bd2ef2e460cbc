"""What no rule speaks of passes as it came, both ways."""

import gzip
import os

import pytest

from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import END, answer, chunk, head, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

# RFC 9112, 3.2 allows these; httpx2 alone would rewrite the first two and `"`
TARGETS = [
    "/a/../b", "//x//y", "/%2F%2e%2E/x", "/a;b=1;c", "/'quoted'\"twice\"", "/%E2%9C%93", "/a%00b", "/~!$&()*+,:@=",
    "/?", "/a?", "/a?b&a&b", "/a?x=1&x=2&=&%20+", "/a?b?c", "/|{}^`", "/" + "x" * 8000,
]  # fmt: skip

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"]


async def hello(talk: Talk) -> None:
    await talk.send(answer(b"hello", "text/plain"))


@pytest.mark.parametrize("target", TARGETS)
async def test_targets(target: str) -> None:
    async with House(hello) as house:
        assert (await house.ask(request("GET", target))).body == b"hello"
        assert house.backend.talks[0].asked.first[1] == target.encode()


async def test_the_target_of_options() -> None:
    async with House(hello) as house:
        await house.ask(request("OPTIONS", "*"))
        assert house.backend.talks[0].asked.first[:2] == (b"OPTIONS", b"*")


async def test_an_absolute_target_is_served_by_its_path() -> None:
    async with House(hello) as house:
        await house.ask(request("GET", "http://other.test/a/../b?c"))
        assert house.backend.talks[0].asked.first[1] == b"/a/../b?c"


@pytest.mark.parametrize("method", METHODS)
async def test_methods(method: str) -> None:
    async with House(hello) as house:
        reply = await house.ask(request(method, "/"))
        assert (reply.status, reply.body) == (200, b"hello")
        asked = house.backend.talks[0].asked
        assert asked.first[0] == method.encode()
        assert asked.get("content-length") == asked.get("transfer-encoding") == ""
        assert (await house.ask(request(method, "/", body=b"data"))).body == b"hello"
        assert house.backend.talks[1].asked.body == b"data"


async def test_head_has_the_head_of_get() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Content-Length: 5", "ETag: x", "Content-Type: text/event-stream"))

    async with House(script) as house, house.client() as client:
        for _ in range(2):
            await client.send(request("HEAD", "/", "Accept: text/event-stream"))
            reply = await client.reply("HEAD")
            assert (reply.status, reply.get("content-length"), reply.get("etag")) == (200, "5", "x")
        assert client.received == b""


@pytest.mark.parametrize("status", [200, 201, 206, 226, 299, *range(300, 309), 400, 401, 404, 429, 499, 500, 503, 599])
async def test_statuses(status: int) -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b'{"as":"it is"}', status=status) if status != 304 else head(304, "ETag: x"))

    async with House(script) as house:
        reply = await house.ask(request("POST", "/", "Content-Type: application/json", body=b"{}"))
        assert (reply.status, reply.body) == (status, b"" if status == 304 else b'{"as":"it is"}')
        told = await house.told("request")
        assert told["status"] == status


@pytest.mark.parametrize("line", ["Content-Length: 123", "X: y"])
@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(status: int, line: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(status, line))

    async with House(script) as house, house.client() as client:
        for _ in range(2):
            await client.send(request("GET", "/"))
            reply = await client.reply()
            assert reply.status == status
            assert line.split(": ")[1] == reply.get(line.split(": ")[0].lower())
        assert client.received == b""


async def test_interim_answers_are_not_forwarded() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(102), head(103, "Link: </x>"), answer(b"hello"))

    async with House(script) as house, house.client() as client:
        await client.send(request("GET", "/"))
        assert (await client.until(b"hello")).startswith(b"HTTP/1.1 200 ")


async def test_bodies_both_ways() -> None:
    sent = os.urandom(300_000)

    async def script(talk: Talk) -> None:
        kind = talk.asked.get("x-answer")
        if kind == "length":
            await talk.send(answer(talk.asked.body, "image/png"))
        elif kind == "chunked":
            await talk.send(head(200, "Transfer-Encoding: chunked"))
            await talk.say(*(talk.asked.body[at : at + 7777] for at in range(0, len(talk.asked.body), 7777)))
            await talk.send(END)
        else:
            await talk.send(head(200, "Connection: close"), talk.asked.body)
            talk.close()

    chunks = b"".join([chunk(sent[at : at + 5000]) for at in range(0, len(sent), 5000)]) + END
    async with House(script) as house:
        for kind in ("length", "chunked", "close"):
            whole = request("POST", "/", f"X-Answer: {kind}", "Content-Type: image/png", body=sent)
            pieces = request("POST", "/", f"X-Answer: {kind}", "Transfer-Encoding: chunked") + chunks
            for asked in (whole, pieces):
                reply = await house.ask(asked)
                assert reply.whole and reply.body == sent


async def test_the_framing_of_an_upload_is_kept() -> None:
    """A server that cannot read chunks is given a length where the client gave one."""
    large = b'{"a":"' + b"x" * 5000 + b'"}'

    async with House(hello, "inspect_bytes: 1KiB") as house:
        await house.ask(request("POST", "/", body=large))
        await house.ask(request("POST", "/", "Content-Type: image/png", body=large))
        await house.ask(
            request("POST", "/", "Transfer-Encoding: chunked", "Content-Type: image/png") + chunk(large) + END
        )
        await house.ask(request("POST", "/", body=b""))
        asked = [talk.asked for talk in house.backend.talks]
        given = [(each.body, each.get("content-length"), each.get("transfer-encoding")) for each in asked]
        length = str(len(large))
        assert given == [(large, length, ""), (large, length, ""), (large, "", "chunked"), (b"", "0", "")]


async def test_request_headers_arrive_in_order_and_to_the_byte() -> None:
    lines = [
        "X-One: a", "X-Two: \xe9\xff|\"{}", "X-One: b", "x-empty:", "X-Tab: a\tb", "Authorization: Bearer x",
        "Cookie: a=1; b=2", "Accept-Encoding: gzip, br", "User-Agent: me", "Range: bytes=0-",
    ]  # fmt: skip
    async with House(hello) as house:
        await house.ask(request("GET", "/", *lines))
        wanted = pairs(lines)
        names = {name for name, _ in wanted}
        assert [pair for pair in house.backend.talks[0].asked.headers if pair[0] in names] == wanted


async def test_answer_headers_arrive_in_order_and_to_the_byte() -> None:
    lines = [
        "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "X-Odd: \xe9\xff|\"{}", "X-Empty:", "WWW-Authenticate: Basic",
        "WWW-Authenticate: Bearer", "Server: mine", "Date: now", "ETag: W/\"1\"", "Link: <a>, <b>",
    ]  # fmt: skip

    async def script(talk: Talk) -> None:
        await talk.send(answer(b"x", "text/plain; charset=latin-1", *lines))

    async with House(script) as house:
        reply = await house.ask(request("GET", "/"))
        wanted = pairs(lines)
        names = {name for name, _ in wanted}
        assert [pair for pair in reply.headers if pair[0] in names] == wanted
        assert reply.get("content-type") == "text/plain; charset=latin-1"


def pairs(lines: list[str]) -> list[tuple[bytes, bytes]]:
    split = (line.encode("latin-1").split(b":", 1) for line in lines)
    return [(name.lower(), value.strip()) for name, value in split]


async def test_what_is_compressed_stays_compressed() -> None:
    packed = gzip.compress(b'{"a":1}')

    async def script(talk: Talk) -> None:
        await talk.send(answer(packed, "application/json", "Content-Encoding: gzip"))

    async with House(script) as house:
        reply = await house.ask(request("GET", "/", "Accept-Encoding: gzip"))
        assert (reply.body, reply.get("content-encoding")) == (packed, "gzip")
        assert house.backend.talks[0].asked.get("accept-encoding") == "gzip"


async def test_expect_continue_is_answered_here() -> None:
    async with House(hello) as house, house.client() as client:
        asked = request("POST", "/", "Expect: 100-continue", body=b"data")
        await client.send(asked[:-4])
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(asked[-4:])
        assert (await client.reply()).body == b"hello"
        talk = house.backend.talks[0]
        assert (talk.asked.body, talk.asked.get("expect")) == (b"data", "")


async def test_trailers_are_dropped_both_ways() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Transfer-Encoding: chunked", "Trailer: X-Sum"))
        await talk.send(chunk(b"hello"), b"0\r\nX-Sum: 1\r\n\r\n")

    async with House(script) as house, house.client() as client:
        for _ in range(2):
            await client.send(request("POST", "/", "Transfer-Encoding: chunked", "Trailer: X-Sum") + chunk(b"data"))
            await client.send(b"0\r\nX-Sum: 2\r\n\r\n")
            reply = await client.reply()
            assert (reply.body, reply.whole, reply.get("trailer"), reply.get("x-sum")) == (b"hello", True, "", "")
        for talk in house.backend.talks:
            assert talk.asked.body == b"data"
            assert b"sum" not in talk.raw.lower()
