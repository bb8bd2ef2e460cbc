"""The connections to one backend: new ones, idle ones, and a second try where the first met a dead one."""

import asyncio
from collections import deque
from typing import Never

from sidecar.proxy.answer import Body, Failure, Rest, Take
from sidecar.proxy.dial import Dialer
from sidecar.proxy.headers import Header
from sidecar.proxy.http1 import Connection
from sidecar.proxy.incoming import Unanswered
from sidecar.proxy.outgoing import outgoing

IDLE_S = 4.0
"""How long a connection is kept idle: less than uvicorn and Node (5 s) keep theirs."""

MAX_IDLE = 256

_IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")


class Pool:
    """Connections by way of `dialer`; the one used last is used first. `name` is what messages call the backend."""

    def __init__(self, name: str, dialer: Dialer, idle_s: float = IDLE_S) -> None:
        self._name = name
        self._dialer = dialer
        self._idle_s = idle_s
        self._idle: deque[Connection] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False

    async def ask(
        self, method: str, target: bytes, request: list[Header], body: Body, patience: float
    ) -> "PooledAnswer":
        """The head of the answer is here when this returns. `patience` is for a new connection. Raises Failure."""
        message = outgoing(method, target, request, body)
        connection = self._take() or await self._dial(patience)
        try:
            await connection.ask(message)
        except Unanswered:
            if not connection.used or not _repeatable(method, request, body):
                raise
            connection = await self._dial(patience)
            await connection.ask(message)
        return PooledAnswer(connection, self)

    async def retire(self) -> None:
        """Close what is idle now, and the others when their answers are over."""
        self._retired = True
        if self._timer:
            self._timer.cancel()
        while self._idle:
            self._idle.pop().abort()

    def release(self, connection: Connection) -> None:
        """Take a connection back: to be used again, or, where the exchange is not over, to be broken."""
        if self._retired or not connection.rest():
            connection.drop()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.append(connection)
        if len(self._idle) > MAX_IDLE:
            self._idle.popleft().abort()
        if not self._timer:
            self._timer = loop.call_later(self._idle_s, self._expire)

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.fresh():
                return connection
            connection.abort()
        return None

    def _expire(self) -> None:
        """One timer for all: the oldest is the leftmost."""
        loop = asyncio.get_running_loop()
        while self._idle and self._idle[0].idle_since + self._idle_s <= loop.time():
            self._idle.popleft().abort()
        due = self._idle[0].idle_since + self._idle_s if self._idle else None
        self._timer = loop.call_at(due, self._expire) if due else None

    async def _dial(self, patience: float) -> Connection:
        try:
            return await self._dialer.dial(lambda: Connection(self._lost), patience)
        except TimeoutError as error:
            raise Failure("connect_timeout", f"{self._name} did not accept a connection in time") from error
        except OSError as error:
            raise Failure("connect_failed", f"{self._name} cannot be reached: {error}") from error

    def _lost(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)


class PooledAnswer:
    """An answer on a connection of a pool, which takes the connection back when the answer is closed."""

    __slots__ = ("_connection", "_pool", "flow", "headers", "read", "status")

    end = "auto"

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self.status = connection.answer.status
        self.headers = connection.answer.headers
        self.read = connection.read  # the connection's own: one coroutine a chunk, not two
        self.flow = connection.flow
        self._connection: Connection | None = connection
        self._pool = pool

    @property
    def over(self) -> bool:
        return self._connection is not None and self._connection.over

    async def aclose(self) -> None:
        """Free the connection; before the answer's end the backend sees it break at once."""
        connection, self._connection = self._connection, None
        if connection:
            self.read = self.flow = _closed
            self._pool.release(connection)


async def _closed(take: Take | None = None, rest: Rest | None = None) -> Never:
    raise Failure("truncated", "the answer was closed")


def _repeatable(method: str, headers: list[Header], body: Body) -> bool:
    """Whether a request that a used connection swallowed may go out once more.

    A backend may end an idle connection just as a request leaves, and nothing tells whether it was seen. "A proxy MUST
    NOT automatically retry non-idempotent requests" (RFC 9110, 9.2.2), so a POST is not, as in nginx and in Go, unless
    its key makes it idempotent; that the kernel is asked before each use makes this a matter of one flight time.
    """
    safe = method in _IDEMPOTENT or any(name == b"idempotency-key" for name, _ in headers)
    return safe and isinstance(body, bytes)
