"""A backend that fails before its answer began: an HTTP status, and an error that says what it was."""

import asyncio
import json
import socket

import pytest

from tests.proxy import speech
from tests.proxy.speech import OPENAI, ask, sse
from tests.wire.backend import Script, Talk, deaf
from tests.wire.house import SECRET, House
from tests.wire.message import END, answer, head, request

pytestmark = pytest.mark.anyio

both = pytest.mark.usefixtures("transport")
lean = pytest.mark.parametrize("transport", ["lean"], indirect=True)
"""For what httpx2 does not do; tests/conformance has the list."""

FORMATS = ["envelope-v1", "passthrough"]


async def nothing(talk: Talk) -> None:
    """Never called."""
    raise AssertionError("the backend was asked")


def sends(data: bytes, how: str = "close") -> Script:
    """These bytes, and then the connection's end."""

    async def script(talk: Talk) -> None:
        await talk.send(data)
        talk.reset() if how == "reset" else talk.close()

    return script


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("asked", [ask(), request("GET", "/models"), request("HEAD", "/")])
async def test_the_backend_is_down(format: str, asked: bytes, transport: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        config = f"upstreams: {{ b: {{ url: '{url}', transport: {transport} }} }}\ndefaults: {{ format: {format} }}"
        async with House(nothing, config) as house:
            reply = await house.ask(asked)
            assert reply.status == 502
            if not asked.startswith(b"HEAD"):
                error = speech.refused(reply)
                assert (error["type"], error["code"], error["outcome"]) == ("api_error", "NETWORK", "connect_failed")
                assert error["upstream"] == "b" and "upstreams.*.url" in error["hint"]
            told = await house.told("stream" if asked.startswith(b"POST") else "request")
            assert (told["outcome"], told["status"]) == ("connect_failed", 502)


async def test_the_backend_has_no_name_that_resolves(transport: str) -> None:
    config = f"upstreams: {{ b: {{ url: 'http://does-not-exist.invalid', transport: {transport} }} }}"
    async with House(nothing, config) as house:
        reply = await house.ask(ask())
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "connect_failed")


async def test_the_backend_is_slow_to_connect(transport: str) -> None:
    with deaf() as url:
        config = f"""
upstreams: {{ b: {{ url: '{url}', transport: {transport} }} }}
defaults: {{ timeouts: {{ connect: 50ms }} }}
"""
        async with House(nothing, config) as house:
            reply = await house.ask(ask())
            error = speech.refused(reply)
            assert (reply.status, error["type"], error["code"]) == (504, "timeout_error", "TIMEOUT")
            assert error["outcome"] == (await house.told())["outcome"] == "connect_timeout"


NO_ANSWER = {
    "closed": (b"", "close", "connect_failed"),
    "reset": (b"", "reset", "connect_failed"),
    "half a status line, closed": (b"HTTP/1.1 20", "close", "connect_failed"),
    "half a head, closed": (b"HTTP/1.1 200 OK\r\nContent-Type: text/ev", "close", "connect_failed"),
    "half a head, reset": (b"HTTP/1.1 200 OK\r\nContent-Type: text/ev", "reset", "connect_failed"),
    "only an interim answer": (head(103), "close", "connect_failed"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "close", "malformed"),
    "HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18, "close", "malformed"),
    "an upgrade": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "close", "malformed"),
    "an unknown coding": (head(200, "Transfer-Encoding: gzip, chunked") + END, "close", "malformed"),
    "two lengths": (head(200, "Content-Length: 3", "Content-Length: 4") + b"abcd", "close", "malformed"),
    "a bad header": (head(200, "Content Type: x"), "close", "malformed"),
}


@both
@pytest.mark.parametrize("said", NO_ANSWER.values(), ids=NO_ANSWER)
@pytest.mark.parametrize("asked", [ask(), request("GET", "/models")], ids=["stream", "other"])
async def test_no_answer_that_could_be_read(said: tuple[bytes, str, str], asked: bytes) -> None:
    data, how, outcome = said
    async with House(sends(data, how)) as house, house.client() as client:
        await client.send(asked)
        reply = await client.reply()
        error = speech.refused(reply)
        assert (reply.status, error["outcome"]) == (502, outcome)
        assert error["code"] == {"malformed": "PARSE", "connect_failed": "NETWORK"}[outcome]
        await client.send(asked)
        assert (await client.reply()).status == 502


@both
@lean
@pytest.mark.parametrize("said", [answer(b"{}", status=999), answer(b"{}", "application/json", "X: a\x01b")])
async def test_an_answer_that_may_not_leave_is_malformed(said: bytes) -> None:
    async with House(sends(said)) as house:
        reply = await house.ask(request("GET", "/"))
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "malformed")


STATUSES = [400, 401, 403, 404, 408, 409, 413, 422, 429, 499, 500, 502, 503, 504, 529]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("status", STATUSES)
async def test_the_backends_own_errors_keep_status_and_body(status: int, format: str) -> None:
    body = json.dumps({"error": {"message": f"no {SECRET}", "type": "x"}, "n": 1.0}).encode()
    outcome = {429: "rate_limited"}.get(status, "rejected" if status < 500 else "upstream_error")

    async def script(talk: Talk) -> None:
        kind = talk.asked.get("x-kind")
        await talk.send(answer(body, kind, "Retry-After: 7", "X-Should-Retry: true", status=status))

    async with House(script, f"defaults: {{ format: {format} }}") as house:
        for number, kind in enumerate(("application/json", "text/event-stream", "text/html")):
            reply = await house.ask(ask(f"X-Kind: {kind}"))
            assert (reply.status, reply.body, reply.get("content-type")) == (status, body, kind)
            assert (reply.get("retry-after"), reply.get("x-should-retry")) == ("7", "true")
            told = await house.told(number=number)
            assert (told["outcome"], told["status"]) == (outcome, status)


IN_BAND = [
    ({"error": {"message": "m", "type": "invalid_request_error"}}, 400, "rejected", "BAD_REQUEST"),
    ({"error": {"message": "m", "type": "authentication_error"}}, 400, "rejected", "AUTH"),
    ({"error": {"message": "m", "code": "context_length_exceeded"}}, 400, "rejected", "TOKEN_LIMIT"),
    ({"error": {"message": "m", "type": "rate_limit_error"}}, 429, "rate_limited", "RATE_LIMIT"),
    ({"error": {"message": "m", "type": "server_error"}}, 502, "upstream_error", "SERVER"),
    ({"error": {"message": "m", "type": "overloaded_error"}}, 502, "upstream_error", "OVERLOADED"),
    ({"error": {"message": "m", "code": 503}}, 502, "upstream_error", "OVERLOADED"),
    ({"error": "something"}, 502, "upstream_error", "SERVER"),
    ({"error": {"message": "m", "code": "content_filter"}}, 400, "content_filtered", "CONTENT_FILTER"),
]


@pytest.mark.parametrize(("said", "status", "outcome", "code"), IN_BAND)
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "application/x-ndjson"])
async def test_an_error_inside_a_200_is_a_status_where_nothing_is_out(
    said: dict[str, object], status: int, outcome: str, code: str, kind: str
) -> None:
    data = sse(said) if kind.startswith("text") else json.dumps(said).encode() + b"\n"
    async with House(sends(answer(data, kind))) as house:
        reply = await house.ask(ask())
        error = speech.refused(reply)
        assert (reply.status, error["outcome"], error["code"]) == (status, outcome, code)
        told = await house.told()
        assert (told["outcome"], told["status"]) == (outcome, status)


async def test_an_error_inside_a_200_passes_through_in_passthrough() -> None:
    data = sse({"error": {"message": "m", "type": "rate_limit_error"}})
    async with House(sends(answer(data, "text/event-stream")), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert (reply.status, reply.body) == (200, data)
        assert (await house.told())["outcome"] == "rate_limited"


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/plain"])
async def test_an_empty_answer_to_a_stream_request_is_truncated(kind: str, format: str) -> None:
    async with House(sends(answer(b"", kind)), f"defaults: {{ format: {format} }}") as house:
        reply = await house.ask(ask())
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "truncated")


async def test_comments_alone_are_no_answer() -> None:
    async with House(sends(answer(b": hi\n\n", "text/event-stream")), "defaults: { format: passthrough }") as house:
        reply = await house.ask(ask())
        assert reply.status == 200 and b'"error":{' in reply.body.removeprefix(b": hi\n\n")
        assert (await house.told())["outcome"] == "truncated"


async def test_an_answer_that_breaks_off_before_its_first_word_is_a_status() -> None:
    async with House(sends(head(200, "Content-Type: text/event-stream", "Content-Length: 99") + b": hi\n\n")) as house:
        reply = await house.ask(ask())
        assert (reply.status, speech.refused(reply)["outcome"]) == (502, "truncated")


@both
@lean
async def test_an_answer_before_the_upload_is_whole_reaches_the_client() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"too large", "text/plain", "Connection: close", status=413))
        talk.half_close()
        await talk.watch()

    async with House(script, bodies=False) as house, house.client() as client:
        asked = request("POST", "/", "Content-Type: image/png", "Content-Length: 9000000")
        await client.send(asked + b"x" * 1000)
        reply = await client.reply()
        assert (reply.status, reply.body) == (413, b"too large")


@both
async def test_a_kept_connection_that_the_backend_closed_meanwhile_costs_nothing() -> None:
    async def script(talk: Talk) -> None:
        await talk.send(answer(b"one"))
        talk.close()

    async with House(script) as house, house.client() as client:
        for _ in range(5):
            await client.send(request("GET", "/"))
            assert (await client.reply()).body == b"one"
            await asyncio.wait_for(house.backend.talks[-1].writer.wait_closed(), 5)


async def test_other_streams_are_not_touched_by_a_failure() -> None:
    async def script(talk: Talk) -> None:
        await talk.stream(*OPENAI[:1])
        if talk.asked.get("x-fails"):
            talk.reset()
        else:
            await talk.say(*OPENAI[1:])
            await talk.send(END)

    async with House(script) as house:
        asked = [ask("X-Fails: yes") if n % 2 else ask() for n in range(40)]
        replies = await asyncio.gather(*map(house.ask, asked))
        assert [speech.frames(reply.body)[-1]["type"] for reply in replies] == ["complete", "error"] * 20
