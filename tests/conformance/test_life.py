"""What becomes of connections: used again, ended, broken, lost; and of requests that meet such a one."""

import asyncio
import socket

import pytest

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy.answer import Failure
from sidecar.proxy.upstream import Backend
from tests.conformance.meeting import HOST, drained, meeting
from tests.conformance.seam import TRANSPORTS, turns
from tests.wire import SECONDS
from tests.wire.backend import RESET, Talk
from tests.wire.message import END, answer, chunk

pytestmark = pytest.mark.anyio

over_both = pytest.mark.parametrize("transport", TRANSPORTS)


async def hello(talk: Talk) -> None:
    await talk.send(answer(b"hello"))


async def endless(talk: Talk) -> None:
    await talk.stream(b"first")
    await talk.closed.wait()


async def silent(talk: Talk) -> None:
    await talk.closed.wait()


async def nothing() -> bool:
    return False


@over_both
async def test_one_after_another_on_one_connection(transport: str) -> None:
    async with meeting(transport, hello) as met:
        for _ in range(5):
            assert await met.whole() == b"hello"
        assert await met.whole("POST", b"{}") == b"hello"
        assert met.backend.connections == 1


@over_both
async def test_at_once_on_several(transport: str) -> None:
    async with meeting(transport, hello) as met:
        answers = [await met.ask() for _ in range(5)]
        assert met.backend.connections == 5
        assert [await drained(answer) for answer in answers] == [b"hello"] * 5
        assert [await met.whole() for _ in range(5)] == [b"hello"] * 5
        assert met.backend.connections == 5


@over_both
async def test_an_answer_left_early_breaks_its_connection_at_once(transport: str) -> None:
    async with meeting(transport, endless) as met:
        reply = await met.ask()
        assert await reply.read() == b"first"
        await reply.aclose()
        await reply.aclose()
        async with asyncio.timeout(1):
            await (await met.backend.talk()).closed.wait()
        second = await met.ask()
        assert met.backend.connections == 2
        await second.aclose()


@over_both
async def test_cancelled_before_the_head(transport: str) -> None:
    async with meeting(transport, silent) as met:
        asking = asyncio.create_task(met.ask())
        talk = await met.backend.talk()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(1):
            await talk.closed.wait()


@over_both
async def test_cancelled_while_reading(transport: str) -> None:
    async with meeting(transport, endless) as met:
        reply = await met.ask()
        assert await reply.read() == b"first"
        reading = asyncio.create_task(reply.read())
        await turns()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await reply.aclose()
        async with asyncio.timeout(1):
            await (await met.backend.talk()).closed.wait()


async def test_cancelled_while_reading_and_read_again() -> None:
    async def two(talk: Talk) -> None:
        await talk.stream(b"first")
        await go.wait()
        await talk.send(chunk(b"second"), END)

    go = asyncio.Event()
    async with meeting("lean", two) as met:
        reply = await met.ask()
        assert await reply.read() == b"first"
        reading = asyncio.create_task(reply.read())
        await turns()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        go.set()
        assert await drained(reply) == b"second"


@over_both
async def test_a_connection_that_the_backend_ended_while_idle_is_not_used(transport: str) -> None:
    async def once(talk: Talk) -> None:
        await hello(talk)
        talk.close()

    async with meeting(transport, once) as met:
        for _ in range(3):
            assert await met.whole("POST", b"{}") == b"hello"
            await (await met.backend.talk()).writer.wait_closed()
        assert met.backend.connections == 3


@pytest.mark.parametrize(
    "says", [answer(b"poison"), b"HT", b"\r\n"], ids=["an answer", "its beginning", "an empty line"]
)
async def test_a_connection_that_spoke_while_idle_is_not_used(says: bytes) -> None:
    async def chatty(talk: Talk) -> None:
        await hello(talk)
        await go.wait()
        await talk.send(says)

    go = asyncio.Event()
    async with meeting("lean", chatty) as met:
        assert await met.whole() == b"hello"
        go.set()
        async with asyncio.timeout(1):
            await (await met.backend.talk()).closed.wait()
        assert await met.whole("POST", b"{}") == b"hello"
        assert met.backend.connections == 2


@pytest.mark.parametrize(
    ("method", "headers", "again"),
    [
        ("GET", [], True),
        ("PUT", [], True),
        ("DELETE", [], True),
        ("POST", [], False),
        ("PATCH", [], False),
        ("POST", [(b"idempotency-key", b"k1")], True),
    ],
)
async def test_a_request_that_a_used_connection_swallows(
    method: str, headers: list[tuple[bytes, bytes]], again: bool
) -> None:
    async def swallows(talk: Talk) -> None:
        if len(met.backend.talks) == 2:
            talk.close()
        else:
            await hello(talk)

    async with meeting("lean", swallows) as met:
        assert await met.whole() == b"hello"
        if again:
            assert await met.whole(method, b"", *headers) == b"hello"
        else:
            with pytest.raises(Failure) as failure:
                await met.whole(method, b"", *headers)
            assert failure.value.outcome == "connect_failed"
        assert met.backend.connections == 1 + again


async def test_a_new_connection_that_swallows_is_not_tried_again() -> None:
    async def swallows(talk: Talk) -> None:
        talk.close()

    async with meeting("lean", swallows) as met:
        with pytest.raises(Failure, match="closed the connection without an answer"):
            await met.whole()
        assert met.backend.connections == 1


@pytest.mark.parametrize("says", [b"", b"220 welcome\r\n"], ids=["nothing", "banner"])
async def test_a_backend_that_does_not_wait_for_the_request(says: bytes) -> None:
    """In a thread of its own, so that it may be faster than we are."""

    def hasty(listening: socket.socket) -> None:
        for _ in range(100):
            connection = listening.accept()[0]
            connection.sendall(says)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()

    outcomes = set()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        rushing = asyncio.create_task(asyncio.to_thread(hasty, listening))
        asking = Backend(Upstream("backend", f"http://127.0.0.1:{listening.getsockname()[1]}", transport="lean"))
        for _ in range(100):
            with pytest.raises(Failure) as failure:
                await drained(await asking.ask("POST", b"/", [HOST], b"{}", Timeouts()))
            outcomes.add(failure.value.outcome)
        await rushing
    assert outcomes <= {"connect_failed", "malformed"}


async def test_a_request_that_was_begun_to_be_answered_is_not_sent_again() -> None:
    async def begins(talk: Talk) -> None:
        if len(met.backend.talks) == 2:
            await talk.send(b"HTTP/1.1 2")
            talk.close()
        else:
            await hello(talk)

    async with meeting("lean", begins) as met:
        assert await met.whole() == b"hello"
        with pytest.raises(Failure) as failure:
            await met.whole()
        assert failure.value.outcome == "connect_failed"
        assert met.backend.connections == 1


@over_both
async def test_retiring_leaves_answers_whole(transport: str) -> None:
    async def slow(talk: Talk) -> None:
        await talk.stream(b"first")
        await go.wait()
        await talk.send(chunk(b"second"), END)

    go = asyncio.Event()
    async with meeting(transport, slow) as met:
        reply = await met.ask()
        assert await reply.read() == b"first"
        await met.asking.retire()
        go.set()
        assert await drained(reply) == b"second"
        async with asyncio.timeout(1):
            await (await met.backend.talk()).closed.wait()


@over_both
async def test_nobody_listens(transport: str) -> None:
    async with meeting(transport, hello) as met:
        port = met.backend.port
    asking = Backend(Upstream("backend", f"http://127.0.0.1:{port}", transport=transport))
    with pytest.raises(Failure, match="backend cannot be reached") as failure:
        await asking.ask("GET", b"/", [HOST], b"", Timeouts())
    assert failure.value.outcome == "connect_failed"
    await asking.retire()


async def test_a_closed_answer_reads_nothing_of_the_next() -> None:
    async with meeting("lean", hello) as met:
        first = await met.ask()
        await drained(first)
        second = await met.ask()
        assert met.backend.connections == 1
        for reading in (first.read(), first.flow(bool, nothing)):
            with pytest.raises(Failure, match="was closed"):
                await reading
        await first.aclose()
        assert await drained(second) == b"hello"
