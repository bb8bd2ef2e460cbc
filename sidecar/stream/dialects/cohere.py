"""Cohere: v2 Chat (`event: content-delta`, typed in the data too) and v1 (`event_type`, one JSON object a line).

`message-end` and `stream-end` end it; v2 may add `[DONE]`. v1's `stream-end` repeats the whole text.
Wire: docs.cohere.com/reference/chat-stream
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
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical
from sidecar.stream.said import ANSWER, Key, Said

PATHS = ("/v2/chat",)
SHARED_PATHS = ("/v1/chat",)
PING = b": ping\n\n"

_V1: Key = ("text", None, None)
_V2 = frozenset(
    "message-start content-start content-delta content-end tool-plan-delta tool-call-start tool-call-delta"
    " tool-call-end citation-start citation-end message-end debug".split()
)


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    return said.get("type") in _V2 or ("event_type" in said and "is_finished" in said) or _is_body(said)


def _is_body(said: dict[str, Any]) -> bool:
    """A non-streamed answer, of either version."""
    parts = pointers.at(said, "/message/content") or pointers.at(said, "/message/tool_calls")
    return isinstance(said.get("finish_reason"), str) and (isinstance(parts, list) or "generation_id" in said)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._said = Said()
        self._called = False  # v1's calls were told

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = msgspec.json.decode(data)
        if not matches(frame, said):
            return None
        if said.get("type") in _V2:
            return _v2(said["type"], said)
        return list(self._v1(said) if "event_type" in said else _body(said))

    def _v1(self, said: Any) -> Iterable[Event]:
        words = pointers.text(said, "/text")
        match said["event_type"]:
            case "stream-start":
                yield Start(id=pointers.text(said, "/generation_id"))
            case "text-generation":
                if words:
                    self._said.add(_V1, words)
                    yield TextDelta(words)
            case "tool-calls-generation":
                yield from self._calls(said)
            case "stream-end":
                whole = said.get("response")
                for rest in self._said.missing([(_V1, pointers.text(whole, "/text"))], ANSWER):
                    yield from (TextDelta(rest),) if rest else ()
                yield from () if self._called else self._calls(whole)
                yield from _end({**said, **(whole or {})}, "/meta")
            case other:
                yield Extension(str(other), said)

    def _calls(self, said: Any) -> Iterable[Event]:
        calls = pointers.at(said, "/tool_calls")
        for call in calls if isinstance(calls, list) else ():
            self._called = True
            yield from _whole(call)


def _v2(kind: str, said: Any) -> Iterable[Event]:
    index = pointers.count(said, "/index")
    message = pointers.at(said, "/delta/message")
    match kind:
        case "message-start":
            return [Start(id=pointers.text(said, "/id"))]
        case "content-start" | "content-delta":
            words, thoughts = pointers.text(message, "/content/text"), pointers.text(message, "/content/thinking")
            return [*([ReasoningDelta(thoughts)] if thoughts else ()), *([TextDelta(words)] if words else ())]
        case "tool-plan-delta":
            return [Extension("tool_plan", words)] if (words := pointers.text(message, "/tool_plan")) else []
        case "tool-call-start" | "tool-call-delta":
            call = pointers.at(message, "/tool_calls")
            name, fragment = pointers.text(call, "/function/name"), pointers.text(call, "/function/arguments")
            return [ToolCallDelta(index, pointers.text(call, "/id"), name, fragment)]
        case "tool-call-end":
            return [ToolCallEnd(index)]
        case "message-end":
            return _end(said.get("delta"), "/usage")
    return [] if kind in ("content-end", "citation-end") else [Extension(kind, said.get("delta"))]


def _body(said: Any) -> Iterable[Event]:
    yield Start(id=pointers.text(said, "/generation_id", "/id"))
    content = pointers.at(said, "/message/content")
    for part in content if isinstance(content, list) else [said]:
        if thoughts := pointers.text(part, "/thinking"):
            yield ReasoningDelta(thoughts)
        if words := pointers.text(part, "/text"):
            yield TextDelta(words)
    calls = pointers.at(said, "/message/tool_calls") or said.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        yield from _whole(call)
    yield from _end(said, "/usage" if "usage" in said else "/meta")


def _whole(call: Any) -> Iterable[Event]:
    whole = msgspec.json.encode(pointers.at(call, "/parameters") or {}).decode()
    whole = pointers.text(call, "/function/arguments") or whole
    name = pointers.text(call, "/name", "/function/name")
    return [ToolCallDelta(None, pointers.text(call, "/id"), name, whole), ToolCallEnd()]


def _end(said: Any, at: str) -> Iterable[Event]:
    counts = pointers.at(said, at)
    tokens = pointers.usage(counts, "/tokens/input_tokens", "/tokens/output_tokens", cached="/cached_tokens")
    billed = pointers.usage(pointers.at(counts, "/billed_units"), "/input_tokens", "/output_tokens")
    events: list[Event] = [*(tokens or billed)]
    raw = pointers.text(said, "/finish_reason")
    if failure.told(pointers.at(said, "/error")) or canonical(raw) == "error":
        return [*events, failure.read(pointers.at(said, "/error") or raw)]
    return [*events, Finish(canonical(raw or "stop"), raw), End()]
