"""Gemini's Interactions API: `event_type` step.start, step.delta, step.stop between interaction.created and .completed.

Wire: ai.google.dev/gemini-api/docs/interactions
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, items, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical
from sidecar.stream.requested import Item, Requested
from sidecar.stream.said import ANSWER, ITEM, Key, Once, Said

SHARED_PATHS = ("/interactions",)
PING = b": ping\n\n"

_QUIET = ("interaction.status_update",)
_SPOKEN = {"text": TextDelta, "reasoning": ReasoningDelta}


def matches(frame: Frame, said: Any) -> bool:
    begun = pointers.text(said, "/event_type").startswith(("interaction.", "step.", "content."))
    return begun or (pointers.text(said, "/object") == "interaction" and "status" in said)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._said = Said()
        self._requested = Requested()
        self._once = Once()
        self._calls: set[int | None] = set()

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = msgspec.json.decode(data)
        kind = pointers.text(said, "/event_type")
        if kind == "error" or frame.name == "error":
            return [failure.read(said)]
        if not matches(frame, said):
            return None
        index = pointers.count(said, "/index")
        step = said.get("step") or said.get("content")
        match kind:
            case "":
                return [Start(pointers.text(said, "/model"), pointers.text(said, "/id")), *self._end(said)]
            case "interaction.created" | "interaction.start":
                return [Start(pointers.text(said, "/interaction/model"), pointers.text(said, "/interaction/id"))]
            case "step.start" | "content.start":
                return list(self._start(step, index))
            case "step.delta" | "content.delta":
                return list(self._delta(said.get("delta"), index))
            case "step.stop" | "content.stop":
                return list(self._stop(step, index))
            case "interaction.completed" | "interaction.complete":
                return list(self._end(said.get("interaction")))
        return [] if kind in _QUIET else [Extension(kind, said)]

    def _start(self, step: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(step, "/type")
        if kind == "function_call":
            self._calls.add(index)
            yield from self._requested.added(_call(step, index))
            yield from self._beside(step)
        elif kind.endswith(("_call", "_result")):
            yield Status("server_tool", {"id": pointers.text(step, "/id"), "name": kind})
        else:
            self._said.begin(index)
            yield from self._delta(step, index)

    def _delta(self, delta: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(delta, "/type")
        if kind == "arguments_delta" or (index in self._calls and "arguments" in (delta or {})):
            words = pointers.text(delta, "/arguments", "/partial_arguments")
            yield from self._requested.delta(Item(index, arguments=words)) if words else ()
        elif words := pointers.text(delta, "/text", "/content/text"):
            self._said.add((_voice(kind), index, None), words)
            yield _SPOKEN[_voice(kind)](words)
        else:
            yield from self._beside(delta)

    def _stop(self, step: Any, index: int | None) -> Iterable[Event]:
        """The end of a step, which may be said whole."""
        if step:
            yield from self._steps([(index, step)], ITEM)
        elif index in self._calls:
            yield from self._requested.item(Item(index))

    def _steps(self, steps: list[tuple[int | None, Any]], level: int) -> Iterable[Event]:
        """Steps that are whole."""
        parts = [(index, pointers.text(step, "/type"), part) for index, step in steps for part in _parts(step)]
        words: list[tuple[Key, str]] = [
            ((_voice(kind), at, None), pointers.text(part, "/text")) for at, kind, part in parts
        ]
        for ((voice, _, _), _), rest in zip(words, self._said.missing(words, level), strict=True):
            if rest:
                yield _SPOKEN[voice](rest)
        for thing in (*(part for _, _, part in parts), *(step for _, step in steps)):
            yield from self._beside(thing)
        calls = [_call(step, index) for index, step in steps if pointers.text(step, "/type") == "function_call"]
        if level == ANSWER:
            yield from self._requested.answer(calls)
        else:
            yield from (event for call in calls for event in self._requested.item(call))

    def _beside(self, thing: Any) -> Iterable[Event]:
        """What stands beside words and calls: citations, signatures, images."""
        cited = pointers.at(thing, "/annotations")
        fresh = [items.cited(one) for one in (cited if isinstance(cited, list) else ()) if self._once.new(one)]
        if fresh:
            yield Extension("annotations", fresh)
        if (signed := pointers.text(thing, "/signature")) and self._once.new(signed):
            yield Extension("thought_signature", signed)
        if pointers.text(thing, "/data", "/uri") and self._once.new(thing):
            yield Extension(pointers.text(thing, "/type"), thing)

    def _end(self, interaction: Any) -> Iterable[Event]:
        steps = pointers.at(interaction, "/steps") or pointers.at(interaction, "/outputs")
        yield from self._steps(list(enumerate(steps if isinstance(steps, list) else ())), ANSWER)
        yield from self._requested.rest(complete=True)
        yield from pointers.usage(
            pointers.at(interaction, "/usage"),
            "/total_input_tokens",
            "/total_output_tokens",
            "/total_tokens",
            "/total_cached_tokens",
            "/total_thought_tokens",
        )
        raw = pointers.text(interaction, "/status")
        if raw == "failed":
            yield failure.read(pointers.at(interaction, "/error") or "the interaction failed")
        else:
            yield from (Finish(canonical(raw), raw), End())


def _voice(kind: str) -> str:
    return "reasoning" if "thought" in kind else "text"


def _parts(step: Any) -> list[Any]:
    """The texts of a step: its summary or content, or the step itself, as in `outputs`."""
    if pointers.text(step, "/type").endswith(("_call", "_result")):
        return []
    found = pointers.at(step, "/summary") or pointers.at(step, "/content")
    return found if isinstance(found, list) else [step]


def _call(step: Any, index: int | None) -> Item:
    given = pointers.at(step, "/arguments")
    text = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
    return Item(index, "", pointers.text(step, "/id"), pointers.text(step, "/name"), text)
