"""One exchange at the seam: a backend that plays it in pieces, a transport that asks for it, and what is seen."""

import asyncio
from collections.abc import Callable, Iterable

from sidecar.policy.config import Timeouts
from sidecar.proxy.answer import Failure
from sidecar.proxy.upstream import Backend
from tests.conformance.exchanges import Exchange, Seen
from tests.wire.backend import Talk
from tests.wire.message import answer

TRANSPORTS = ("lean", "httpx2")

Cut = Callable[[bytes], Iterable[bytes]]
"""How the bytes of an answer are cut into writes."""

NEXT = answer(b"next")


def whole(data: bytes) -> list[bytes]:
    return [data]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def split(at: int) -> Cut:
    return lambda data: [data[:at], data[at:]]


class Stage:
    """The script of a backend that plays `exchange`, cut as a request's path says: `/0` by the first of `cuts`."""

    def __init__(self, exchange: Exchange, cuts: list[Cut]) -> None:
        self.exchange = exchange
        self.cuts = cuts
        self.played = [asyncio.Event() for _ in cuts]
        self.ports: dict[bytes, int] = {}

    async def script(self, talk: Talk) -> None:
        target = talk.asked.first[1]
        self.ports[target] = talk.writer.get_extra_info("peername")[1]
        if target.startswith(b"/next"):
            await talk.send(NEXT)
            return
        number = int(target[1:])
        try:
            await self._play(talk, self.cuts[number])
        finally:
            self.played[number].set()

    async def _play(self, talk: Talk, cut: Cut) -> None:
        for piece in cut(self.exchange.says):
            await talk.send(piece)
            await turns()
        if self.exchange.then == "close":
            talk.close()
        elif self.exchange.then == "reset":
            # a reset overtakes what is not read yet
            await turns()
            talk.reset()

    async def run(self, asking: Backend, number: int) -> Seen:
        """The exchange and the next one, over a transport of their own."""
        try:
            seen = await fetched(asking, self.exchange.method, b"/%d" % number)
            await self.played[number].wait()
            after = await fetched(asking, "GET", b"/next%d" % number)
        finally:
            await asking.retire()
        same = self.ports[b"/%d" % number] == self.ports.get(b"/next%d" % number)
        right = (after.status, after.body, after.failure) == (200, b"next", "")
        return seen._replace(next="wrong" if not right else "same" if same else "new")


async def turns(count: int = 4) -> None:
    """Let the loop go round, so that what was written is read before more comes."""
    for _ in range(count):
        await asyncio.sleep(0)


async def fetched(asking: Backend, method: str, target: bytes) -> Seen:
    """One answer, read to its end or its failure."""
    seen = Seen()
    try:
        answer = await asking.ask(method, target, [(b"host", b"example.test")], b"", Timeouts())
        seen = Seen(answer.status)
        try:
            while chunk := await answer.read():
                seen = seen._replace(body=seen.body + chunk)
        finally:
            await answer.aclose()
    except Failure as failure:
        seen = seen._replace(failure=failure.outcome)
    return seen
