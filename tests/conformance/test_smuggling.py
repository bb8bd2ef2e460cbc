"""Every attempt to smuggle, whole, byte by byte and split at every place: refused, or there is one way to read it."""

import contextlib

import pytest

from tests.conformance.seam import TRANSPORTS, Cut, bytewise, split, turns, whole
from tests.conformance.smuggling import ATTEMPTS, Attempt, Served
from tests.wire.backend import Talk
from tests.wire.client import Client
from tests.wire.house import House
from tests.wire.message import Message, answer, parse_answer

pytestmark = pytest.mark.anyio

LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def framed(asked: Message) -> bool:
    """Whether there is one way to see where its body ends: a length, chunks, or no body."""
    ways = [(name, value) for name, value in asked.headers if name in (b"content-length", b"transfer-encoding")]
    known = [(b"content-length", b"%d" % len(asked.body))], [(b"transfer-encoding", b"chunked")]
    return ways in known or not (ways or asked.body)


async def check(transport: str, attempt: Attempt, *cuts: Cut) -> None:
    served: list[Served] = []

    async def backend(talk: Talk) -> None:
        method, target, _ = talk.asked.first
        assert framed(talk.asked), talk.raw
        served.append(Served(method + b" " + target, talk.asked.body))
        await talk.send(answer(b"{}"))

    house = House(backend, "defaults: { format: passthrough }")
    house.transport = transport
    last = ([200], [Served(b"GET /last")]) if attempt.keeps else ([], [])
    async with house:
        for cut in cuts:
            served.clear()
            got = await statuses(house.port, attempt, cut)
            pieces = list(cut(attempt.sent))
            assert got == [*attempt.statuses, *last[0]], pieces
            assert served == [*attempt.served, *last[1]], pieces


async def statuses(port: int, attempt: Attempt, cut: Cut) -> list[int]:
    """What the attempt, and a last request where one may follow, are answered, to the end of the connection."""
    async with Client(port) as client:
        # it may be refused before all of it is sent
        with contextlib.suppress(ConnectionError):
            for piece in cut(attempt.sent + (LAST if attempt.keeps else b"")):
                await client.send(piece)
                await turns(2)
        raw = await client.rest()
    found = []
    while raw:
        answered = parse_answer(raw, "GET", "closed")
        assert answered, raw
        found.append(answered[0].status)
        raw = answered[1]
    return found


attempts = pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name)


@pytest.mark.parametrize("transport", TRANSPORTS)
@attempts
async def test_whole_and_byte_by_byte(transport: str, attempt: Attempt) -> None:
    await check(transport, attempt, whole, bytewise)


@attempts
async def test_split_at_every_place(attempt: Attempt) -> None:
    await check("lean", attempt, *[split(at) for at in range(1, len(attempt.sent))])


def test_there_are_many() -> None:
    assert len({attempt.sent for attempt in ATTEMPTS}) == len(ATTEMPTS) > 100
