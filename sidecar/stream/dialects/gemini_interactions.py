"""Gemini's Interactions API: `event_type` step.start, step.delta, step.stop between interaction.created and .completed.

Wire: ai.google.dev/gemini-api/docs/interactions
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
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
    ToolCallDelta,
    ToolCallEnd,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical

SHARED_PATHS = ("/interactions",)
PING = b": ping\n\n"

_QUIET = ("interaction.status_update", "thought_signature", "text_annotation_delta")


def matches(frame: Frame, said: Any) -> bool:
    begun = pointers.text(said, "/event_type").startswith(("interaction.", "step.", "content."))
    return begun or (pointers.text(said, "/object") == "interaction" and "status" in said)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
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
        match kind:
            case "":
                return [*self._body(said), *self._end(said)]
            case "interaction.created" | "interaction.start":
                return [Start(pointers.text(said, "/interaction/model"), pointers.text(said, "/interaction/id"))]
            case "step.start" | "content.start":
                return self._start(said.get("step") or said.get("content"), index)
            case "step.delta" | "content.delta":
                return self._delta(said.get("delta"), index)
            case "step.stop" | "content.stop":
                return [ToolCallEnd(index)] if index in self._calls else []
            case "interaction.completed" | "interaction.complete":
                return self._end(said.get("interaction"))
        return [] if kind in _QUIET else [Extension(kind, said)]

    def _body(self, said: Any) -> Iterable[Event]:
        """A non-streamed answer: all steps at once."""
        yield Start(pointers.text(said, "/model"), pointers.text(said, "/id"))
        steps = said.get("steps") or said.get("outputs")
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            thought = "thought" in pointers.text(step, "/type")
            parts = pointers.at(step, "/summary") or pointers.at(step, "/content")
            for part in parts if isinstance(parts, list) else ():
                if words := pointers.text(part, "/text"):
                    yield ReasoningDelta(words) if thought else TextDelta(words)
            yield from self._start(step, index)

    def _start(self, step: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(step, "/type")
        if kind == "function_call":
            self._calls.add(index)
            given = pointers.at(step, "/arguments")
            text = msgspec.json.encode(given).decode() if given else ""
            return [ToolCallDelta(index, pointers.text(step, "/id"), pointers.text(step, "/name"), text)]
        if kind.endswith(("_call", "_result")):
            return [Status("server_tool", {"id": pointers.text(step, "/id"), "name": kind})]
        return self._delta(step, index)

    def _delta(self, delta: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(delta, "/type")
        if kind == "arguments_delta" or (index in self._calls and "arguments" in (delta or {})):
            return [ToolCallDelta(index, arguments=pointers.text(delta, "/arguments", "/partial_arguments"))]
        words = pointers.text(delta, "/text", "/content/text")
        if not words:
            return []
        return [ReasoningDelta(words)] if "thought" in kind else [TextDelta(words)]

    def _end(self, interaction: Any) -> Iterable[Event]:
        counted = pointers.usage(
            pointers.at(interaction, "/usage"),
            "/total_input_tokens",
            "/total_output_tokens",
            "/total_tokens",
            "/total_cached_tokens",
            "/total_thought_tokens",
        )
        raw = pointers.text(interaction, "/status")
        if raw == "failed":
            return [*counted, failure.read(pointers.at(interaction, "/error") or "the interaction failed")]
        return [*counted, Finish(canonical(raw), raw), End()]
