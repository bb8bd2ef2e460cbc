"""An exchange leaves nothing to the collector of cycles, which stops every stream while it looks for it."""

import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.proxy.speech import OPENAI, ask, delta
from tests.wire import eventually
from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import END, chunk, head, request

pytestmark = pytest.mark.anyio

TIMES = 3
FORMATS = ["envelope-v1", "envelope-v2", "openai", "passthrough"]


@pytest.fixture(autouse=True)
def lean(monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx2 leaves cycles of its own."""
    monkeypatch.setattr(House, "transport", "lean")


@pytest.fixture(autouse=True)
def by_hand() -> Iterator[None]:
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


def found() -> list[str]:
    """What of ours only the collector finds."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    return [type(each).__qualname__ for each in gc.garbage if type(each).__module__.startswith("sidecar.")]


async def whole(talk: Talk) -> None:
    await talk.stream(*OPENAI)
    await talk.send(END)


async def slowly(talk: Talk) -> None:
    await talk.stream(OPENAI[0])
    await talk.pause(0.02)
    await talk.send(*map(chunk, OPENAI[1:]), END)


async def cut(talk: Talk) -> None:
    await talk.stream(OPENAI[0])
    talk.close()


async def nothing(talk: Talk) -> None:
    talk.close()


async def no_stream(talk: Talk) -> None:
    await talk.send(head(200, "Content-Type: application/json", "Content-Length: 2"), b"{}")


async def silence(talk: Talk) -> None:
    await talk.closed.wait()


async def to_the_end(house: House, format: str) -> None:
    await house.ask(ask(f"X-Stream-Format: {format}", "Connection: close"))


async def a_page(house: House, format: str) -> None:
    await house.ask(request("GET", "/health", "Connection: close"))


async def to_the_first_word(house: House, format: str) -> None:
    async with house.client() as client:
        await client.send(ask(f"X-Stream-Format: {format}"))
        await client.until(OPENAI[0][-20:-10] if format == "passthrough" else b"data:")


async def in_mid_head(house: House, format: str) -> None:
    async with house.client() as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        await eventually(lambda: house.state.connections)


def refused(*parts: bytes) -> Callable[[House, str], Awaitable[None]]:
    async def client(house: House, format: str) -> None:
        async with house.client() as client:
            for part in parts:
                await client.send(part)
            assert (await client.reply()).status >= 400

    return client


async def not_at_all(house: House, format: str) -> None:
    number = len(house.backend.talks)
    async with house.client() as client:
        await client.send(ask(f"X-Stream-Format: {format}"))
        await eventually(lambda: len(house.backend.talks) > number)


async def first_word(talk: Talk) -> None:
    await talk.stream(delta("Hello"))
    await talk.closed.wait()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("script", "client"),
    [
        (whole, to_the_end),
        (slowly, to_the_end),
        (cut, to_the_end),
        (nothing, to_the_end),
        (no_stream, a_page),
        (first_word, to_the_first_word),
        (silence, not_at_all),
        (silence, in_mid_head),
        (silence, refused(b"nonsense\r\n\r\n")),
        (silence, refused(b"GET / HTTP/1.1\r\n\r\n")),
        (silence, refused(b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 40_000))),
        (silence, refused(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 200 + b"\r\n")),
        (silence, refused(b"PRI * HTTP/2.0\r\n\r\n")),
        (silence, refused(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")),
        (silence, refused(b"GET / HTTP/1.1\r\nHost: a\r\nX-Stream-Format: b\r\n\r\n")),
        (silence, refused(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")),
    ],
)
async def test_nothing_is_left(script: Script, client: Callable[[House, str], Awaitable[None]], format: str) -> None:
    config = "defaults: { ping: 5ms, padding: { initial_bytes: 64 } }"
    async with House(script, config) as house:
        await client(house, format)  # the first makes what the process keeps
        gc.collect()
        for _ in range(TIMES):
            await client(house, format)
        await eventually(lambda: not house.state.connections and not house.state.tasks)
        assert found() == []
