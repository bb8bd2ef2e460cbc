"""Which headers cross the proxy, each way, and which it adds."""

import pytest

from sidecar.policy.config import Upstream
from sidecar.proxy.headers import to_backend
from tests.wire.backend import Talk
from tests.wire.house import House
from tests.wire.message import Message, answer, head, request

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("transport")]

HOPS = ["Keep-Alive: timeout=5", "Proxy-Connection: x", "TE: trailers", "Trailer: X", "Proxy-Authorization: Basic x",
        "Proxy-Authenticate: x", "HTTP2-Settings: AAAA", "X-Named: a", "X-Also: b"]  # fmt: skip


async def hello(talk: Talk) -> None:
    await talk.send(answer(b"hello", "text/plain"))


async def sent_on(*lines: str, config: str = "", asked: bytes = b"") -> Message:
    """What the backend gets."""
    async with House(hello, config) as house:
        assert (await house.ask(asked or request("GET", "/", *lines))).status == 200
        return house.backend.talks[0].asked


def names(message: Message) -> set[str]:
    return {name.decode() for name, _ in message.headers}


async def test_hop_by_hop_headers_of_a_request_stop_here() -> None:
    asked = await sent_on(*HOPS, "Connection: keep-alive, X-Named", "Connection: x-also", "X-Stays: c")
    assert names(asked) == {
        "host",
        "x-stays",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "via",
    }


async def test_hop_by_hop_headers_of_an_answer_stop_here() -> None:
    async def script(talk: Talk) -> None:
        lines = [line for line in HOPS if not line.startswith("Trailer")]
        await talk.send(answer(b"x", "text/plain", *lines, "Connection: X-Named, x-also", "Upgrade: h3", "X-Stays: c"))

    async with House(script) as house:
        reply = await house.ask(request("GET", "/"))
        assert names(reply) == {"content-type", "content-length", "x-stays", "x-request-id", "traceresponse"}


async def test_a_connection_header_does_not_take_away_what_frames_or_addresses() -> None:
    asked = await sent_on(
        asked=request("POST", "/", "Connection: content-length, host, x-forwarded-for, via", body=b"abc")
    )
    assert (asked.body, asked.get("content-length")) == (b"abc", "3")
    assert asked.get("host").startswith("127.0.0.1:")
    assert asked.get("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize(
    ("setting", "host"),
    [("upstream", "127.0.0.1:"), ("preserve", "example.test"), ("models.internal:8443", "models.internal:8443")],
)
async def test_the_host_is_the_upstreams_the_clients_or_a_given_one(setting: str, host: str) -> None:
    config = f"upstreams: {{ backend: {{ url: '$URL', host: '{setting}' }} }}"
    asked = await sent_on(config=config)
    assert asked.get("host").startswith(host)
    assert len(asked.all("host")) == 1
    assert asked.get("x-forwarded-host") == "example.test"


async def test_forwarding_headers_begin_here() -> None:
    asked = await sent_on()
    assert asked.get("x-forwarded-for") == "127.0.0.1"
    assert asked.get("x-forwarded-proto") == "http"
    assert asked.get("x-forwarded-host") == "example.test"
    assert asked.get("forwarded") == 'for=127.0.0.1;host="example.test";proto=http'
    assert asked.get("via") == "1.1 sidecar"


async def test_forwarding_headers_of_proxies_before_are_continued() -> None:
    asked = await sent_on(
        "X-Forwarded-For: 10.0.0.1",
        "X-Forwarded-For: 10.0.0.2",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: outside.test",
        "Forwarded: for=10.0.0.1;proto=https",
        "Via: 1.1 other",
        "X-Real-IP: 10.0.0.1",
    )
    assert asked.all("x-forwarded-for") == ["10.0.0.1, 10.0.0.2, 127.0.0.1"]
    assert asked.all("x-forwarded-proto") == ["https"]
    assert asked.all("x-forwarded-host") == ["outside.test"]
    assert asked.all("forwarded") == ['for=10.0.0.1;proto=https, for=127.0.0.1;host="example.test";proto=http']
    assert asked.all("via") == ["1.1 other, 1.1 sidecar"]
    assert asked.get("x-real-ip") == "10.0.0.1"


async def test_a_host_cannot_break_out_of_its_quotes() -> None:
    async with House(hello) as house:
        for host in ('a";for=evil', "a\\", "a b"):
            reply = await house.ask(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert reply.status == 400
        assert house.backend.talks == []


async def test_via_names_the_clients_version() -> None:
    assert (await sent_on(asked=request("GET", "/", version="1.0"))).get("via") == "1.0 sidecar"


async def test_an_answer_can_be_found_again() -> None:
    async with House(hello) as house:
        reply = await house.ask(request("GET", "/"))
        assert len(reply.get("x-request-id")) == 32
        assert reply.get("traceresponse").split("-")[1] == (await house.told("request"))["trace_id"]
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        reply = await house.ask(request("GET", "/", "X-Request-Id: mine", f"Traceparent: {trace}"))
        assert reply.get("x-request-id") == "mine"
        assert reply.get("traceresponse").split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
        assert house.backend.talks[1].asked.get("traceparent") == trace


async def test_the_backends_own_ids_win() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"x", "text/plain", "X-Request-Id: req_1"))

    async with House(script) as house:
        assert (await house.ask(request("GET", "/"))).all("x-request-id") == ["req_1"]


@pytest.mark.parametrize(
    "lines",
    [(), ("Connection: close",), ("Connection: x-one", "Connection: close")],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_stream_says_once_what_becomes_of_the_connection(version: str, lines: tuple[str, ...]) -> None:
    async def script(talk: Talk) -> None:
        await talk.send(head(200, "Content-Type: text/event-stream", "Content-Length: 14"), b"data: [DONE]\n\n")

    async with House(script) as house, house.client() as client:
        await client.send(request("GET", "/", "Accept: text/event-stream", *lines, version=version))
        if version == "1.1" and not lines:
            reply = await client.reply()
            assert reply.all("connection") == ["keep-alive"]
        else:
            await client.rest()
            reply = await client.reply()
            assert reply.all("connection") == ["close"]
        assert reply.whole


def test_an_address_of_ipv6_is_quoted() -> None:
    scope = {"headers": [], "client": ("2001:db8::1", 9), "scheme": "https", "http_version": "1.1"}
    sent = dict(to_backend(scope, Upstream("b", "http://b"), b"b", False, []))
    assert sent[b"forwarded"] == b'for="[2001:db8::1]";host="";proto=https'
    assert sent[b"x-forwarded-for"] == b"2001:db8::1"
