"""What watches over an exchange from beside: the client's leaving, and one timer.

The timer is never moved while bytes flow (that would cost 3 us a chunk). It wakes when the earliest deadline that it
knew of is due, looks at the time stamps again, and sleeps on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self


class Interrupted(Exception):
    """The exchange was ended from beside; `outcome` is a word of the outcome table."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Vigil:
    """Around the one task of an exchange. Leaving the block by an interruption raises `Interrupted`.

    `judge(now)` looks at all deadlines and gives the time at which to look again (infinity: never); `left()` is
    done when the client has closed its connection; after `over()` nothing from beside can change the answer.
    """

    def __init__(
        self,
        judge: Callable[[float], float],
        left: Callable[[], Awaitable[None]],
        over: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._judge = judge
        self._left = left
        self._over = over
        self._clock = clock
        self._outcome = ""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task
        self._task = task
        self._watch = asyncio.ensure_future(self._left())
        self._watch.add_done_callback(self._gone)
        self.look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer:
            self._timer.cancel()
        self._watch.remove_done_callback(self._gone)
        self._watch.cancel()
        # it is a method of who holds this: the cycle would keep all of an exchange for the collector
        del self._judge
        if kind is asyncio.CancelledError and self._outcome and not self._task.uncancel():
            raise Interrupted(self._outcome) from None

    def look(self) -> None:
        """Judge now, because a deadline has come nearer, and when the next one is due."""
        if self._over():
            return
        now = self._clock()
        due = self._judge(now)
        if self._timer and self._due <= due:
            return  # it wakes early enough: of five looks a stream this spares three timers, 3 us each
        if self._timer:
            self._timer.cancel()
        self._due = due
        self._timer = None if due == float("inf") else self._loop.call_later(max(due - now, 0.001), self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.look()

    def interrupt(self, outcome: str) -> None:
        """End the exchange with this outcome; the first one counts."""
        if not self._outcome and not self._over():
            self._outcome = outcome
            self._task.cancel()

    def _gone(self, watch: asyncio.Future[None]) -> None:
        if not watch.cancelled():
            self.interrupt("client_left")
