"""Tool calls in the making: which call a fragment belongs to, and what of it can be told already.

What is told of a call, joined, is its arguments: every format out says the same, whole or in pieces.
"""

from collections.abc import Callable

import msgspec

from sidecar.stream.events import Event, ToolCallDelta, ToolCallEnd
from sidecar.stream.toolcall import ToolCall, begins_anew

MAX_ARGUMENTS = 16 << 20
"""Bytes of arguments kept for all calls of one stream; beyond it the stream is malformed."""

MAX_CALLS = 4096
"""Calls of one stream; beyond it the stream is malformed."""

Parse = Callable[[str], object]


class ToolCalls:
    """The calls of one choice, numbered in order of appearance. An entry without name and arguments is none."""

    def __init__(self, choice: int, parse: Parse = msgspec.json.decode) -> None:
        self._choice = choice
        self._parse = parse
        self._by_key: dict[int | None, ToolCall] = {}  # the dialect's index -> the last call that had it
        self._by_id: dict[tuple[str, str], ToolCall] = {}  # id and name, or id alone -> the last that had them
        self._calls: list[ToolCall] = []
        self._real = 0
        self.bytes = 0

    def __bool__(self) -> bool:
        """Whether there is any call, not only an entry that names none."""
        return self._real > 0

    def __len__(self) -> int:
        return len(self._calls)

    def number(self, index: int) -> int | None:
        """The number of the call with that index of the dialect, or of the last one where it is -1 or unknown."""
        call = self._by_key.get(index) or (self._calls[-1] if self._calls else None)
        return call.number if call and call.number >= 0 else None

    def delta(self, said: ToolCallDelta) -> list[Event]:
        """The same fragment with its call's number, id and name; empty strings while one of them is not known."""
        given = "" if said.id == "null" else said.id
        call = self._find(said, given)
        if not call.open:
            return []
        call.given_id = call.given_id or given
        call.named(said.name)
        if given:
            self._by_id[given, ""] = self._by_id[given, call.name] = call
        call.add(said.arguments)
        self.bytes += len(said.arguments.encode("utf-8", "replace"))
        self._count(call)
        return call.told(self._choice)

    def end(self, said: ToolCallEnd) -> list[Event]:
        """The finished call and what was not told of it; nothing if it is unknown or had ended."""
        call = self._by_key.get(said.index) or (self._calls[-1] if said.index is None and self._calls else None)
        if not call or not call.open:
            return []
        call.given_id = call.given_id or said.id
        call.named(call.name or said.name)
        call.complete(said.arguments_text)
        self._count(call)
        return call.close(self._choice, said.invalid, self._parse)

    def end_all(self, cut: bool) -> list[Event]:
        """Every call that is still open; `cut` when the stream failed, so that no argument is taken for whole."""
        told = sorted(self._calls, key=lambda call: call.number)
        return [event for call in told if call.open for event in call.close(self._choice, cut, self._parse)]

    def _count(self, call: ToolCall) -> None:
        if call.number < 0 and call.real:
            call.number = self._real
            self._real += 1

    def _find(self, said: ToolCallDelta, given: str) -> ToolCall:
        """The call of its index; where that is missing or new, of an id that was heard, else the last one."""
        call = self._by_key.get(said.index)
        if said.index is None or (call is None and not said.name):
            same = self._by_id.get((given, said.name)) or self._by_id.get((given, ""))
            call = same or call or (self._calls[-1] if said.index is None and self._calls else None)
        if not call or begins_anew(call, said, given):
            again = call and call.open and call.name == said.name and said.index is not None
            call = ToolCall(doubtful=bool(again))
            self._calls.append(call)
        self._by_key[said.index] = call
        return call
