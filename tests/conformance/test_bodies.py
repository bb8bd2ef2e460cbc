"""Bodies both ways: their bytes, their framing, their pace, and what happens where one of them ends early."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator

import pytest

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy.answer import Failure
from sidecar.proxy.http1 import MAX_WAITING_BYTES
from sidecar.proxy.upstream import Backend
from tests.conformance.meeting import HOST, drained, meeting
from tests.conformance.seam import TRANSPORTS, turns
from tests.wire import SECONDS, eventually
from tests.wire.backend import Talk
from tests.wire.message import END, answer, chunk, head

pytestmark = pytest.mark.anyio

over_both = pytest.mark.parametrize("transport", TRANSPORTS)
BIG = bytes(range(256)) * (32 << 10)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def digest(talk: Talk) -> None:
    """Answer with what came."""
    framed = talk.asked.get("transfer-encoding") or talk.asked.get("content-length")
    await talk.send(answer(f"{framed} {hashlib.sha256(talk.asked.body).hexdigest()}".encode()))


def said(framing: str, body: bytes) -> bytes:
    return f"{framing} {hashlib.sha256(body).hexdigest()}".encode()


@over_both
@pytest.mark.parametrize("body", [b"", b"{}", BIG], ids=["nothing", "two bytes", "8 MiB"])
async def test_a_body_of_bytes(transport: str, body: bytes) -> None:
    async with meeting(transport, digest) as met:
        for _ in range(2):
            assert await met.whole("POST", body, (b"content-length", b"1")) == said(str(len(body)), body)
        assert met.backend.connections == 1


@over_both
async def test_no_body_and_no_length_stay_so(transport: str) -> None:
    async with meeting(transport, digest) as met:
        assert await met.whole("POST") == await met.whole("GET") == said("", b"")


@over_both
async def test_a_body_in_pieces(transport: str) -> None:
    async with meeting(transport, digest) as met:
        for parts in ([b"one", b"", b"two"], [], [b"x" * 30_000] * 40):
            whole = b"".join(parts)
            assert await drained(await met.ask("POST", pieces(*parts))) == said("chunked", whole)
        assert met.backend.connections == 1


@over_both
async def test_a_body_in_pieces_of_a_known_length(transport: str) -> None:
    async with meeting(transport, digest) as met:
        for parts in ([b"one", b"", b"two"], [b""], [b"x" * 30_000] * 40):
            whole = b"".join(parts)
            length = b"%d" % len(whole)
            reply = await met.ask("POST", pieces(*parts), (b"content-length", length))
            assert await drained(reply) == said(length.decode(), whole)
        assert met.backend.connections == 1


@pytest.mark.parametrize(("said", "heard"), [(b"5", b"onetw"), (b"7", b"onetwo")], ids=["longer", "shorter"])
async def test_a_body_of_another_length_than_it_said(said: bytes, heard: bytes) -> None:
    """The connection ends with it: what is too much would be the next request."""

    async def listen(talk: Talk) -> None:
        got.set_result(await talk.reader.read())

    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with meeting("lean", listen, bodies=False) as met:
        with pytest.raises(Failure) as failure:
            await met.ask("POST", pieces(b"one", b"two"), (b"content-length", said))
        assert failure.value.outcome == "rejected"
        assert heard.startswith(await got)


@over_both
async def test_a_large_answer(transport: str) -> None:
    async def large(talk: Talk) -> None:
        await talk.send(answer(BIG))

    async with meeting(transport, large) as met:
        assert await met.whole() == BIG


async def test_up_and_down_at_once() -> None:
    """The backend answers each piece before it gets the next one."""

    async def echo(talk: Talk) -> None:
        await talk.send(head(200, "Transfer-Encoding: chunked"))
        while (size := int(await talk.reader.readline(), 16)) > 0:
            await talk.send(chunk(await talk.reader.readexactly(size)))
            await talk.reader.readline()
        await talk.reader.readline()
        await talk.send(END)
        await talk.reader.read()

    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def conversation() -> AsyncIterator[bytes]:
        while part := await said.get():
            yield part

    async with meeting("lean", echo, bodies=False) as met:
        reply = await met.ask("POST", conversation())
        for number in range(20):
            said.put_nowait(b"piece %d" % number)
            assert await reply.read() == b"piece %d" % number
        said.put_nowait(b"")
        assert await drained(reply) == b""


class Tap:
    """A body without an end, of pieces of 16 KiB; `taken` counts them, `closed` is set when nobody wants more."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = asyncio.Event()

    async def run(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.taken += 1
                yield b"x" * (16 << 10)
                await asyncio.sleep(0)
        finally:
            self.closed.set()


@pytest.mark.parametrize("closes", [False, True], ids=["open", "closes"])
async def test_an_early_refusal_ends_the_upload(closes: bool) -> None:
    async def refuse(talk: Talk) -> None:
        await talk.send(answer(b"too large", "text/plain", status=413))
        if not closes:
            await talk.closed.wait()

    async with meeting("lean", refuse, bodies=False) as met:
        for number in range(1, 20):
            tap = Tap()
            reply = await met.ask("POST", tap.run())
            assert (reply.status, await drained(reply)) == (413, b"too large")
            async with asyncio.timeout(SECONDS):
                await tap.closed.wait()
            assert met.backend.connections == number


async def test_a_refusal_outlives_the_reset_that_follows_it() -> None:
    """In a thread of its own, or the backend could never close between two writes of ours."""

    def refuse(listening: socket.socket) -> None:
        for _ in range(100):
            connection = listening.accept()[0]
            connection.recv(64)
            connection.sendall(answer(b"too large", "text/plain", status=413))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listening))
        asking = Backend(Upstream("backend", f"http://127.0.0.1:{listening.getsockname()[1]}", transport="lean"))
        for _ in range(100):
            reply = await asking.ask("POST", b"/", [HOST], Tap().run(), Timeouts())
            assert (reply.status, await drained(reply)) == (413, b"too large")
        await refusing


async def test_an_upload_goes_on_after_an_interim_answer_and_the_refusal_of_another() -> None:
    async def continues(talk: Talk) -> None:
        await talk.send(answer(b"", status=404))
        await talk.reader.readuntil(b"\r\n\r\n")
        await talk.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        go.set()
        await talk.send(answer(await talk.reader.readuntil(END)))

    async def body() -> AsyncIterator[bytes]:
        await go.wait()
        await turns(20)
        yield b"one"

    go = asyncio.Event()
    async with meeting("lean", continues, bodies=False) as met:
        assert await met.whole() == b""
        assert await drained(await met.ask("POST", body())) == chunk(b"one") + END
        assert met.backend.connections == 1


async def test_an_early_whole_answer_ends_the_upload() -> None:
    async def early(talk: Talk) -> None:
        await talk.send(answer(b"enough"))
        await talk.reader.read()

    async with meeting("lean", early, bodies=False) as met:
        tap = Tap()
        assert await drained(await met.ask("POST", tap.run())) == b"enough"
        async with asyncio.timeout(SECONDS):
            await tap.closed.wait()


async def test_an_early_answer_to_a_body_of_bytes() -> None:
    async def refuse(talk: Talk) -> None:
        await talk.send(answer(b"too large", "text/plain", status=413))
        await talk.reader.read()

    async with meeting("lean", refuse, bodies=False) as met:
        for number in range(1, 5):
            reply = await met.ask("POST", BIG * 4)
            assert (reply.status, await drained(reply)) == (413, b"too large")
            assert met.backend.connections == number


@over_both
async def test_a_body_that_breaks_off_is_not_ended(transport: str) -> None:
    class Left(Exception):
        """The client's."""

    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        raise Left

    async def listen(talk: Talk) -> None:
        heard.set_result(await talk.reader.read())

    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with meeting(transport, listen, bodies=False) as met:
        with pytest.raises(Left):
            await met.ask("POST", breaks())
        assert await heard == chunk(b"half")


async def test_a_body_that_breaks_off_in_mid_answer() -> None:
    class Left(Exception):
        """The client's."""

    async def breaks() -> AsyncIterator[bytes]:
        yield b"half"
        await go.wait()
        raise Left

    async def answers(talk: Talk) -> None:
        await talk.stream(b"first")
        await talk.reader.read()

    go = asyncio.Event()
    async with meeting("lean", answers, bodies=False) as met:
        reply = await met.ask("POST", breaks())
        assert await reply.read() == b"first"
        go.set()
        with pytest.raises(Left):
            await reply.read()
        await reply.aclose()


@over_both
async def test_leaving_an_upload_closes_its_source(transport: str) -> None:
    async def deaf(talk: Talk) -> None:
        await stop.wait()

    stop = asyncio.Event()
    async with meeting(transport, deaf, bodies=False) as met:
        tap = Tap()
        asking = asyncio.create_task(met.ask("POST", tap.run()))
        await eventually(lambda: tap.taken > 3)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(SECONDS):
            await tap.closed.wait()
        stop.set()


@over_both
async def test_a_backend_that_does_not_read_is_not_flooded(transport: str) -> None:
    """What is taken from the client is bounded by what the sockets hold."""

    async def deaf(talk: Talk) -> None:
        await stop.wait()

    stop = asyncio.Event()
    async with meeting(transport, deaf, bodies=False) as met:
        tap = Tap()
        asking = asyncio.create_task(met.ask("POST", tap.run()))
        taken = -1
        while taken != tap.taken:
            taken = tap.taken
            await turns(100)
        assert taken < (16 << 20) >> 14
        asking.cancel()
        await asyncio.wait([asking])
        stop.set()


@over_both
async def test_what_is_not_read_holds_the_backend_back(transport: str) -> None:
    sent = 0

    async def flood(talk: Talk) -> None:
        nonlocal sent
        await talk.send(head(200, "Transfer-Encoding: chunked"))
        while sent < 64 << 20:
            await talk.send(chunk(b"x" * (64 << 10)))
            sent += 64 << 10
        await talk.send(END)

    async with meeting(transport, flood) as met:
        reply = await met.ask()
        before = -1
        while before != sent:
            before = sent
            await turns(200)
        assert sent < 32 << 20
        if transport == "lean":
            assert len(await reply.read()) < 3 * MAX_WAITING_BYTES
            assert len(await drained(reply)) > (64 << 20) - 3 * MAX_WAITING_BYTES
        else:
            assert len(await drained(reply)) == 64 << 20


@over_both
@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", b"/a b", []),
        ("GET", b"/a\r\nX: 1", []),
        ("GET", b"/a\nb", []),
        ("GET", b"/a\0b", []),
        ("GET", b"/a\tb", []),
        ("GET", b"/a\x7f", []),
        ("GET", b"", []),
        ("GET /x HTTP/1.1\r\nA: b\r\n\r\nGET", b"/", []),
        ("", b"/", []),
        ("GET", b"/", [(b"x-a", b"a\r\nx-b: b")]),
        ("GET", b"/", [(b"x-a", b"a\nb")]),
        ("GET", b"/", [(b"x-a", b"a\rb")]),
        ("GET", b"/", [(b"x-a", b"a\0b")]),
        ("GET", b"/", [(b"x-a: b\r\nx-c", b"d")]),
        ("GET", b"/", [(b"x a", b"b")]),
        ("GET", b"/", [(b"", b"b")]),
    ],
)
async def test_what_would_inject_is_not_sent(
    transport: str, method: str, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    async with meeting(transport, digest) as met:
        with pytest.raises(Failure) as failure:
            await met.ask(method, b"", *headers, target=target)
        assert failure.value.outcome == "rejected"
        assert met.backend.talks == []


@pytest.mark.parametrize("target", [b"/a/../b", b"//a", b"/%2e%2e/", b'/"<>{}|\\^`', b"/?", b"/?a=b&c#d", b"/\xc3\xa9"])
async def test_a_target_goes_out_as_it_is(target: bytes) -> None:
    async with meeting("lean", digest) as met:
        await drained(await met.ask(target=target))
        assert met.backend.talks[0].asked.first[1] == target


async def test_framing_is_the_transports() -> None:
    given = [
        (b"content-length", b"7"),
        (b"content-length", b"8"),
        (b"transfer-encoding", b"gzip"),
        (b"expect", b"100-continue"),
        (b"x-a", b"b"),
    ]
    async with meeting("lean", digest) as met:
        assert await met.whole("POST", b"{}", *given) == said("2", b"{}")
        assert met.backend.talks[0].asked.headers == [
            (b"host", b"example.test"),
            (b"x-a", b"b"),
            (b"content-length", b"2"),
        ]


@pytest.mark.parametrize("body", [b"", b"{}"])
@pytest.mark.parametrize(
    "header",
    [
        (b"Content-Length", b"2"),
        (b"CONTENT-LENGTH", b"0"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Expect", b"100-continue"),
        (b"content-length: 2\r\nx-a", b"b"),
        (b"content-length: 2", b"3"),
        (b"transfer-encoding: chunked", b""),
        (b"x-a", b"b\r\ncontent-length: 2"),
        (b"x-a", b"b\ntransfer-encoding: chunked"),
        (b"x-a", b"b\r\n"),
    ],
)
async def test_no_name_and_no_value_frames(header: tuple[bytes, bytes], body: bytes) -> None:
    async with meeting("lean", digest) as met:
        with pytest.raises(Failure) as failure:
            await met.ask("POST", body, header)
        assert failure.value.outcome == "rejected"
        assert met.backend.talks == []


@pytest.mark.parametrize("lengths", [[b"3", b"3"], [b"3", b"4"], [b"+3"], [b"3, 3"], [b""], [b"1" * 19]])
async def test_a_length_that_is_not_one_number_is_not_sent(lengths: list[bytes]) -> None:
    async with meeting("lean", digest) as met:
        with pytest.raises(Failure) as failure:
            await met.ask("POST", pieces(b"one"), *[(b"content-length", length) for length in lengths])
        assert failure.value.outcome == "rejected"
        assert met.backend.talks == []
