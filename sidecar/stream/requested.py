"""The calls that a stream of items asks for: which one an event means, and what of its arguments was not told yet.

An event names its call by the index and the id of its item, an item also by the call's own id. Copilot changes item ids
on every event, llama.cpp leaves ids and indexes out, others repeat one; what none of them decides is the last call's.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from sidecar.stream import pointers
from sidecar.stream.events import Event, ToolCallDelta, ToolCallEnd

_NOTHING = ("", "{}", "null")


class Item(NamedTuple):
    """What an event says of a call. `free`: its argument is text, not JSON."""

    output: int | None = None
    item: str = ""
    id: str = ""
    name: str = ""
    arguments: str = ""
    free: bool = False


class _Call:
    __slots__ = ("_told", "announced", "closed", "ended", "free", "id", "item", "name", "number", "output", "shown")

    def __init__(self, number: int, said: Item) -> None:
        self.number = number
        self.output, self.item, self.id, self.name, _, self.free = said
        self.announced = ""  # whole arguments that came first, where no deltas follow
        self.closed = self.ended = False
        self.shown = ("", "")  # id and name
        self._told: list[str] = []

    def told(self) -> str:
        """Its arguments so far; empty where they only stand for those to come."""
        told = "".join(self._told)
        return "" if told.strip() in _NOTHING and not self.free else told

    def is_whole(self) -> bool:
        told = self.told()
        return bool(told) if self.free else pointers.read(told) is not None

    def add(self, words: str) -> Event:
        """A piece of its arguments; of free text, a piece of `{"input": text}`."""
        begun = "" if self._told or not self.free else '{"input":"'
        self._told.append(words)
        piece = begun + msgspec.json.encode(words)[1:-1].decode() if self.free else words
        return ToolCallDelta(self.number, arguments=piece)

    def rest(self, whole: str) -> Iterator[Event]:
        """What was not told of the whole arguments."""
        told = self.told()
        if whole.startswith(told) and len(whole) > len(told) and not self.closed:
            if whole.strip() not in _NOTHING or self.free:
                yield self.add(whole[len(told) :])
        if whole:
            yield from self.close()

    def close(self) -> Iterator[Event]:
        """The end of free text."""
        if self.free and not self.closed:
            self.closed = True
            yield ToolCallDelta(self.number, arguments='"}' if self._told else '{"input":""}')

    def is_of(self, said: Item) -> bool:
        """Whether nothing speaks against it that the item is this call, though nothing names it."""
        if self.name and said.name and self.name != said.name:
            return False
        if not self.id or not said.id:
            return True
        told = self.told()
        return self.output is not None and said.output is not None and said.arguments[: len(told)] in ("", told)


class Requested:
    """One stream's."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._live: list[_Call] = []  # that have not ended

    def added(self, said: Item) -> Iterable[Event]:
        """A call is announced."""
        if any(call.id == said.id and call.output == said.output for call in self._live if said.id):
            return ()
        call = self._new(said)
        call.announced = said.arguments
        return self._named(call, said)

    def delta(self, said: Item) -> Iterable[Event]:
        """A piece of its arguments."""
        call = self._meant(said)
        return [] if call.ended or call.closed else [call.add(said.arguments)]

    def done(self, said: Item) -> Iterable[Event]:
        """Its arguments are whole."""
        call = self._meant(said)
        if not call.ended:
            yield from self._named(call, said)
            yield from call.rest(said.arguments)

    def item(self, said: Item) -> Iterable[Event]:
        """A call is whole."""
        same = [c for c in self._calls if said.id == c.id != "" and (not c.ended or c.output == said.output)]
        near = [c for c in self._live if c.is_of(said)]
        order = (
            same,
            (c for c in near if c.output == said.output is not None),
            (c for c in near if c.item == said.item != ""),
            (c for c in near if c.output is None or said.output is None),
        )
        call = next((c for calls in order for c in calls), None)
        return self._whole(call or self._new(said), said, last=False)

    def answer(self, items: Iterable[Item]) -> Iterator[Event]:
        """All calls, whole: new are those for which none was told that no other item names."""
        found: dict[int, _Call] = {}
        free = list(self._calls)
        items = list(items)
        for near in (False, True):
            for place, said in enumerate(items):
                fits = (c for c in free if (c.name in ("", said.name) if near else said.id == c.id != ""))
                if place not in found and (call := next(fits, None)):
                    found[place] = call
                    free.remove(call)
        for place, said in enumerate(items):
            yield from self._whole(found.get(place) or self._new(said), said, last=True)

    def rest(self, complete: bool) -> Iterator[Event]:
        """What is left to say of calls that no item ended."""
        for call in self._live:
            if not call.told() and call.announced:
                yield from call.rest(call.announced)
            if complete:
                yield from call.close()

    def _whole(self, call: _Call, said: Item, last: bool) -> Iterator[Event]:
        if call.ended:
            return
        yield from self._named(call, said)
        whole = said.arguments or ("" if call.told() else call.announced)
        yield from call.rest(whole)
        if not whole and not last and not call.is_whole():
            return  # the answer's last word may still have them, or their tail
        yield from call.close()
        call.ended = True
        self._live.remove(call)
        yield ToolCallEnd(call.number, call.id, call.name, arguments_text="" if call.free else whole)

    def _named(self, call: _Call, said: Item) -> Iterator[Event]:
        """Its id and name, as soon as they are known."""
        call.id, call.name = call.id or said.id, call.name or said.name
        if (call.id, call.name) != call.shown:
            call.shown = (call.id, call.name)
            yield ToolCallDelta(call.number, call.id, call.name)

    def _meant(self, said: Item) -> _Call:
        """The call whose arguments an event says."""
        tests: tuple[Callable[[_Call], bool], ...] = (
            lambda call: call.output == said.output is not None and call.item == said.item != "",
            lambda call: call.output == said.output is not None,
            lambda call: call.item == said.item != "",
            lambda call: call.output is None or said.output is None,
        )
        for calls in (self._live, self._calls):
            for test in tests:
                if call := next(filter(test, reversed(calls)), None):
                    return call
        return self._new(said)

    def _new(self, said: Item) -> _Call:
        call = _Call(len(self._calls), said)
        self._calls.append(call)
        self._live.append(call)
        return call
