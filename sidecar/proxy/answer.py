"""The seam between the relay and whatever fetches an answer: what both sides know of each other."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from sidecar.proxy.headers import Header

Body = bytes | AsyncIterator[bytes]

Take = Callable[[bytes], bool]
"""Takes a chunk at once; False where something of it is still to be waited for."""

Rest = Callable[[], Awaitable[bool]]
"""Waits for it; True where that was enough of the answer."""


def framing(request: list[Header], body: Body) -> list[Header]:
    """The header that says where a request's body ends, as its client said it; none where the client sent no body."""
    if body and isinstance(body, bytes):
        return [(b"content-length", b"%d" % len(body))]
    given = [header for header in request if header[0] == b"content-length"]
    if not isinstance(body, bytes):
        return given or [(b"transfer-encoding", b"chunked")]
    return [(b"content-length", b"0")] if given else []


class Failure(Exception):
    """The backend did not do its part. `outcome` is a word of the outcome table."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Answer(Protocol):
    """A backend's answer. `read()` gives raw body bytes, b"" at a clean end, and raises Failure("truncated").

    `over` tells that its end is known to be here already; `end` what the clean end of its body means to the parser.
    """

    end: str = "auto"

    status: int
    headers: list[Header]

    @property
    def over(self) -> bool:
        return False

    async def read(self) -> bytes: ...

    async def flow(self, take: Take, rest: Rest) -> None:
        """Give `take` chunk after chunk, to the end of the body or until `rest` has enough."""
        while chunk := await self.read():
            if not take(chunk) and await rest():
                break

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """The connections to one backend. `target` is the whole one, `patience` is for the connection alone; names of
    headers are lower-case."""

    async def ask(self, method: str, target: bytes, request: list[Header], body: Body, patience: float) -> Answer:
        """The head of the answer is here when this returns. Raises Failure."""
        ...

    async def retire(self) -> None:
        """No new request comes; the connections close when the last answer is over."""
        ...
