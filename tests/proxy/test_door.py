"""What the sidecar answers itself, and what it makes of odd connections."""

import json

import pytest

from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import answer, chunk, head, request

pytestmark = pytest.mark.anyio


async def echo(talk: Talk) -> None:
    await talk.send(answer(talk.asked.first[1] + b" " + talk.asked.body, "text/plain"))


@pytest.mark.parametrize(
    "path",
    ["/.sidecar/", "/.sidecar", "/.sidecar/x?y", "/%2esidecar/x", "/%252esidecar/x", "/a/../.sidecar/x",
     "//.sidecar//x", "/./.sidecar/", "/a%2f..%2f.sidecar/", "http://x.test/.sidecar/x"],
)  # fmt: skip
async def test_what_is_the_sidecars_own_never_reaches_the_backend(path: str) -> None:
    async with House(echo) as house:
        reply = await house.ask(request("GET", path))
        assert reply.status == 404
        assert json.loads(reply.body)["error"]["message"] == "nothing is here"
        assert house.backend.talks == []


@pytest.mark.parametrize("path", ["/.sidecars/", "/x/.sidecar/", "/.sidecar./"])
async def test_what_only_looks_like_it_does(path: str) -> None:
    async with House(echo) as house:
        assert (await house.ask(request("GET", path))).body == path.encode() + b" "


WEBSOCKET = request("GET", "/chat", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
OTHER = request("GET", "/chat", "Connection: Upgrade", "Upgrade: h9")
CONNECT = b"CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n"


async def test_a_web_socket_is_told_what_to_speak_instead() -> None:
    """Agents that try it first go on at once at a 426, and lose seconds at any other status."""
    async with House(echo) as house:
        reply = await house.ask(WEBSOCKET)
        assert (reply.status, reply.all("upgrade"), reply.all("connection")) == (426, ["HTTP/1.1"], ["Upgrade"])
        assert "plain HTTP" in json.loads(reply.body)["error"]["hint"]
        assert house.backend.talks == []


@pytest.mark.parametrize("asked", [OTHER, CONNECT])
async def test_other_upgrades_are_refused_with_a_hint(asked: bytes) -> None:
    async with House(echo) as house:
        reply = await house.ask(asked)
        assert reply.status == 501
        assert "plain HTTP" in json.loads(reply.body)["error"]["hint"]
        assert house.backend.talks == []


async def test_a_backend_s_own_426_passes() -> None:
    async def refuse(talk: Talk) -> None:
        await talk.send(answer(b"use h3", "text/plain", "X-Own: a", "Connection: Upgrade", "Upgrade: h3", status=426))

    async with House(refuse) as house:
        reply = await house.ask(request("GET", "/chat"))
        assert (reply.status, reply.body, reply.get("x-own")) == (426, b"use h3", "a")
        assert (reply.all("upgrade"), reply.all("connection")) == (["h3"], ["Upgrade"])


async def test_a_426_on_a_connection_that_closes_still_names_its_option() -> None:
    async with House(echo) as house:
        reply = await house.ask(WEBSOCKET.replace(b"Connection: Upgrade", b"Connection: Upgrade, close"))
        assert (reply.status, reply.all("connection")) == (426, ["close, Upgrade"])


async def test_a_connection_that_was_not_upgraded_serves_on() -> None:
    async with House(echo) as house, house.client() as client:
        await client.send(WEBSOCKET)
        assert (await client.reply()).status == 426
        await client.send(request("GET", "/next"))
        assert (await client.reply()).body == b"/next "


async def test_an_offer_of_http_2_is_passed_over() -> None:
    """Java's client makes it on the first request of every connection."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQ")
    async with House(echo) as house, house.client() as client:
        await client.send(request("POST", "/first", *offer, body=b"data"))
        assert (await client.reply()).body == b"/first data"
        await client.send(request("GET", "/second", *offer))
        assert (await client.reply()).body == b"/second "
        await client.send(request("POST", "/chunked", *offer, "Transfer-Encoding: chunked"))
        for part in (b"5\r\nda", b"ta5\r\n0\r", b"\n\r\n"):
            await client.send(part)
        assert (await client.reply()).body == b"/chunked data5"
        await client.send(request("POST", "/large", *offer, body=b"x" * 300_000))
        assert (await client.reply()).body == b"/large " + b"x" * 300_000
        await client.send(request("POST", "/third", body=b"more"))
        assert (await client.reply()).body == b"/third more"
        assert all(talk.asked.get("upgrade") == "" for talk in house.backend.talks)


async def test_an_event_source_that_has_seen_the_end_is_told_so() -> None:
    async with House(echo) as house, house.client() as client:
        await client.send(request("GET", "/events", "Accept: text/event-stream", "Last-Event-ID: end"))
        reply = await client.reply()
        assert (reply.status, reply.get("content-length"), reply.get("transfer-encoding")) == (204, "", "")
        await client.send(request("GET", "/events", "Last-Event-ID: 7"))
        assert (await client.reply()).status == 200
        assert len(house.backend.talks) == 1


async def test_http_1_0_gets_no_chunks() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Transfer-Encoding: chunked"), chunk(b"one "), chunk(b"two"), b"0\r\n\r\n")

    async with House(script) as house, house.client() as client:
        await client.send(request("GET", "/", "Connection: keep-alive", version="1.0"))
        await client.rest()
        reply = await client.reply()
        assert (reply.body, reply.get("transfer-encoding"), reply.get("connection")) == (b"one two", "", "close")
        assert client.ended == "closed"


async def test_http_1_0_gets_a_length_where_there_is_one() -> None:
    async with House(echo) as house, house.client() as client:
        await client.send(b"POST /x HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        await client.rest()
        reply = await client.reply()
        assert (reply.body, reply.get("content-length")) == (b"/x abc", "6")
        assert house.backend.talks[0].asked.get("content-length") == "3"


@pytest.mark.parametrize(
    "asked",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_never_reaches_the_backend(asked: bytes) -> None:
    async with House(echo) as house, house.client() as client:
        await client.send(asked)
        reply = await client.reply()
        assert 400 <= reply.status < 502
        assert house.backend.talks == []


@pytest.mark.parametrize("target", [b"/\xc3\xbc", b"/a%zz", b"/\xff?\xfe"])
async def test_odd_targets_arrive_or_are_refused_but_never_changed(target: bytes) -> None:
    async with House(echo) as house:
        reply = await house.ask(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        if reply.status == 200:
            assert reply.body == target + b" "
        else:
            assert (reply.status, house.backend.talks) == (400, [])


async def test_a_body_after_a_refusal_does_not_become_a_request() -> None:
    async with House(echo) as house, house.client() as client:
        await client.send(request("POST", "/.sidecar/", body=b"GET /smuggled HTTP/1.1\r\n\r\n"))
        assert (await client.reply()).status == 404
        await client.send(request("GET", "/next"))
        assert (await client.reply()).body == b"/next "
        assert [talk.asked.first[1] for talk in house.backend.talks] == [b"/next"]
