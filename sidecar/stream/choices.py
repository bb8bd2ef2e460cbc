"""Which choice a frame speaks for: some servers count their chunks where the index of the choice belongs."""

from collections.abc import Iterable

import msgspec

from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
)

ENOUGH = 8
"""Frames with an index of their own each, after which they are taken for counted chunks and not for choices."""

_SPOKEN = (TextDelta, TextSnapshot, ReasoningDelta, ToolCallDelta, ToolCallEnd, Finish, Extension)


class Choices:
    """One stream's. While each frame has an index behind the last one's nothing is told, so that what is told is
    true: of several choices the first speaks again within as many frames, or several are in one frame. `settled`: the
    indexes are what they say, and nobody need ask again.
    """

    def __init__(self) -> None:
        self.settled = False
        self._last = -1
        self._heard = 0  # frames that were kept back
        self._counted = False
        self._held: list[Event] = []

    def sort(self, said: Iterable[Event]) -> list[Event]:
        """What can be told now of what a frame says, and of which choice."""
        events = list(said)
        if self._counted:
            return _as_one(events)
        spoken = {event.choice for event in events if isinstance(event, _SPOKEN)}
        over = any(isinstance(event, End | Error) for event in events)
        if not spoken and not over:
            if not self._held:
                return events
            self._hold(events)
            return []
        if over:
            self._hold(events)
            return self.rest()
        if spoken == {0} and self._last < 0:
            self._last = 0
            # a choice that has finished is one, whatever comes behind it
            self.settled = any(isinstance(event, Finish) and event.reason for event in events)
            return events
        self._hold(events)
        if len(spoken) == 1 and (index := min(spoken)) > max(0, self._last):
            self._last = index  # a chunk that says nothing counts, too
            self._heard += 1
            self._counted = self._heard >= ENOUGH
            return self._told() if self._counted else []
        self.settled = True
        return self._told()

    def rest(self) -> list[Event]:
        """What was kept back, when nothing more comes: of chunks only the last can have finished."""
        finished = [event.choice for event in self._held if isinstance(event, Finish) and event.reason]
        ended = any(isinstance(event, End) for event in self._held)
        known = finished == [self._last] or (ended and not finished and self._last > 1)
        self._counted = self._counted or (self._last > 0 and known)
        self.settled = True
        return self._told()

    def _hold(self, events: list[Event]) -> None:
        self._held += events

    def _told(self) -> list[Event]:
        held, self._held = self._held, []
        return _as_one(held) if self._counted else held


def _as_one(events: list[Event]) -> list[Event]:
    return [msgspec.structs.replace(e, choice=0) if isinstance(e, _SPOKEN) and e.choice else e for e in events]
