"""Tool calls of chat completions, in the fragments and under the ids that servers give them."""

from collections.abc import Iterator
from typing import Any

from tests.differential.answer import Call, parsed
from tests.differential.dice import Dice
from tests.differential.truth import split

_AT_ONCE = ("whole", "all in one chunk", "arguments as an object")
_UNNUMBERED = ("one index", "no index", "null index", "neither id nor index")


class Calls:
    """The calls of one stream; `alone` where it has one choice. `distinct` where only names tell them apart."""

    def __init__(self, dice: Dice, alone: bool) -> None:
        self.count = 0  # of chunks
        self._chance = dice.of("calls")
        self._kind = dice.way(
            "call",
            "as OpenAI's",
            *("id always", "id null", "id empty", "id rotates", "id late", "no id", "index from 1"),
            *("name always", "name null", "name empty", "name late", "name in pieces", "arguments before the name"),
            *("whole", "all in one chunk", "by turns", "no type", "arguments as an object"),
            *_UNNUMBERED,
        )
        self._legacy = alone and dice.maybe("function_call")
        self._begin = dice.way("arguments begin", "empty", "absent", "null", "{}")
        if self._kind == "name always" and self._begin == "{}":
            self._begin = "empty"  # a name again and an object, behind a whole object, are another call's
        self._after = dice.way("arguments end", "nothing", "empty", "{}", "null")
        self.distinct = self._kind in _UNNUMBERED or self._legacy

    def true(self, call: Call) -> Call:
        """The call with what can be known of it."""
        nameless = self._kind in ("no id", "neither id nor index") or self._legacy
        return call._replace(id="") if nameless else call

    def whole(self, call: Call) -> dict[str, Any]:
        return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}

    def deltas(self, calls: list[Call]) -> Iterator[dict[str, Any]]:
        if self._legacy and len(calls) == 1:
            for _, entry in self._entries(0, calls[0]):
                yield {"function_call": entry["function"]}
            return
        turns = [[entry for _, entry in self._entries(number, call)] for number, call in enumerate(calls)]
        if self._kind == "all in one chunk":
            yield from ({"tool_calls": list(entries)} for entries in [sum(turns, [])] if entries)
            return
        started = 0
        while live := [turn for turn in turns if turn]:
            begun = [turn for number, turn in enumerate(turns) if turn and number <= started]
            turn = self._chance.choice(begun) if self._kind == "by turns" else live[0]
            started = max(started, turns.index(turn) + 1)
            yield {"tool_calls": [turn.pop(0)]}

    def _entries(self, number: int, call: Call) -> Iterator[tuple[int, dict[str, Any]]]:
        for place, function in enumerate(self._functions(call)):
            entry: dict[str, Any] = {"index": number, "id": call.id, "type": "function", "function": function}
            if place:
                del entry["id"], entry["type"]
            self._labelled(entry, place, call)
            yield place, entry

    def _labelled(self, entry: dict[str, Any], place: int, call: Call) -> None:
        match self._kind:
            case "id always":
                entry["id"] = call.id
            case "id null" if place:
                entry["id"] = None
            case "id empty" if place:
                entry["id"] = ""
            case "id rotates" if place:
                entry["id"] = f"{call.id}_{place}"
            case "id late":
                entry.pop("id", None)
                entry |= {"id": call.id} if place == 1 else {}
            case "no id":
                entry.pop("id", None)
            case "index from 1":
                entry["index"] += 1
            case "one index":
                entry["index"] = 0
            case "no index":
                del entry["index"]
            case "null index":
                entry["index"] = None
            case "neither id nor index":
                entry.pop("id", None)
                del entry["index"]
            case "no type":
                entry.pop("type", None)

    def _functions(self, call: Call) -> Iterator[dict[str, Any]]:
        """Names and arguments as they come."""
        name, whole = call.name, call.arguments
        pieces: list[Any] = split(self._chance, whole)
        first: dict[str, Any] = {"arguments": {"empty": "", "null": None, "{}": "{}", "absent": None}[self._begin]}
        if self._begin == "absent" or (self._begin == "{}" and not (parsed(whole) and isinstance(parsed(whole), dict))):
            first.pop("arguments")
        match self._kind:
            case "whole" | "all in one chunk":
                yield {"name": name, "arguments": whole}
            case "arguments as an object":
                yield {"name": name, "arguments": parsed(whole)}
            case "name late":
                yield {"arguments": ""}
                yield {"name": name, "arguments": pieces.pop(0)}
            case "arguments before the name" if len(pieces) > 1:
                yield {"arguments": pieces.pop(0)}
                yield {"name": name, "arguments": pieces.pop(0)}
            case "name in pieces":
                cut = len(name) // 2
                yield {"name": name[:cut], "arguments": ""}
                yield {"name": name[cut:], "arguments": ""}
            case _:
                yield {"name": name} | first
        for piece in pieces if self._kind not in _AT_ONCE else ():
            again = {"name always": {"name": name}, "name null": {"name": None}, "name empty": {"name": ""}}
            yield again.get(self._kind, {}) | {"arguments": piece}
        whole_so_far = isinstance(parsed(whole), dict) and self._kind not in _AT_ONCE
        if self._after != "nothing" and whole_so_far:
            yield {"arguments": {"empty": "", "{}": "{}", "null": None}[self._after]}
