"""The time that one client has."""

from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable

NEVER = float("inf")


class Watch:
    """One timer, which no read moves: it wakes when the first deadline that it knew of is due, looks, and sleeps on.

    `due()` is when the client's time is over if nothing changes, in the loop's seconds, or NEVER; then `expired()` is
    called.
    """

    __slots__ = ("_due", "_expired", "_loop", "_timer", "_wakes")

    def __init__(self, loop: AbstractEventLoop, due: Callable[[], float], expired: Callable[[], None]) -> None:
        self._loop = loop
        self._due = due
        self._expired = expired
        self._timer: TimerHandle | None = None
        self._wakes = NEVER

    def look(self) -> None:
        """A deadline may have come nearer: see to it that the timer wakes in time; it may wake too early."""
        due = self._due()
        if due < self._wakes:
            if self._timer:
                self._timer.cancel()
            self._wakes = due
            self._timer = self._loop.call_at(due, self._woken)

    def stop(self) -> None:
        """For good."""
        if self._timer:
            self._timer.cancel()
        # whose methods these are has this watch in turn: only the collector of cycles would find them
        self._due, self._expired = _never, _nothing

    def _woken(self) -> None:
        self._timer = None
        self._wakes = NEVER
        if self._loop.time() >= self._due():
            self._expired()
        else:
            self.look()


def _never() -> float:
    return NEVER


def _nothing() -> None:
    pass
