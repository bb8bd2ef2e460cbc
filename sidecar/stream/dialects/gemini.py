"""Gemini and Vertex AI: `GenerateContentResponse` as SSE events, or as the elements of one JSON array.

No end marker: a finish reason and then the end of the body. `STOP` also ends an answer that calls a tool. Arguments may
come whole, or as JSONPath fragments (`partialArgs`). Wire: ai.google.dev/api/generate-content
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    Error,
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

# Google's SDKs die on a comment (Python 3.4) or lose the event behind it (JavaScript 3.1); this they read as nothing.
PING = (
    b'data: {"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"index": 0}],"usageMetadata": {}}'
    b"\r\n\r\n"
)
COMMENTS = False


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and (
        isinstance(said.get("candidates"), list) or "promptFeedback" in said or "usageMetadata" in said
    )


def speaks(path: str, query: str) -> bool:
    """Without `alt=sse` the answer is one JSON array."""
    return path.endswith(":streamGenerateContent") and "alt=sse" in query.split("&")


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._partial: dict[int, tuple[str, str, Any]] = {}  # choice -> id, name and arguments of a call in pieces

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"")
        if isinstance(said, dict) and said.get("error"):
            return [failure.read(said)]
        if not matches(frame, said):
            return None
        return list(self._said(said))

    def _said(self, said: dict[str, Any]) -> Iterable[Event]:
        yield Start(pointers.text(said, "/modelVersion"), pointers.text(said, "/responseId"))
        for number, candidate in enumerate(said.get("candidates") or ()):
            if isinstance(candidate, dict):
                yield from self._candidate(candidate, pointers.count(candidate, "/index") or number)
        yield from pointers.usage(
            said.get("usageMetadata"),
            "/promptTokenCount",
            "/candidatesTokenCount",
            "/totalTokenCount",
            "/cachedContentTokenCount",
            "/thoughtsTokenCount",
        )
        if blocked := pointers.text(said, "/promptFeedback/blockReason"):
            yield Error("content_filtered", f"the prompt was blocked: {blocked}", type=blocked)

    def _candidate(self, candidate: dict[str, Any], choice: int) -> Iterable[Event]:
        parts = pointers.at(candidate, "/content/parts")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                yield from self._part(part, choice)
        if raw := pointers.text(candidate, "/finishReason"):
            yield from self._call_ends(choice)
            if raw != "FINISH_REASON_UNSPECIFIED":
                yield Finish(canonical(raw), raw, choice)

    def _part(self, part: dict[str, Any], choice: int) -> Iterable[Event]:
        if words := pointers.text(part, "/text"):
            yield ReasoningDelta(words, choice) if part.get("thought") else TextDelta(words, choice)
        if isinstance(part.get("functionCall"), dict):
            yield from self._call(part["functionCall"], choice)
        for name in ("executableCode", "codeExecutionResult"):
            if name in part:
                yield Status("server_tool", {"name": name})
        if "inlineData" in part:
            yield Extension("inline_data", part["inlineData"])

    def _call(self, call: dict[str, Any], choice: int) -> Iterable[Event]:
        name, call_id = pointers.text(call, "/name"), pointers.text(call, "/id")
        pieces = call.get("partialArgs")
        if name:
            yield from self._call_ends(choice)
            if not call.get("willContinue") and pieces is None:
                yield from _whole(call_id, name, call.get("args"), choice)
                return
            self._partial[choice] = (call_id, name, {})
        if choice in self._partial:
            call_id, name, arguments = self._partial[choice]
            for piece in pieces if isinstance(pieces, list) else ():
                arguments = _laid(arguments, piece)
            self._partial[choice] = (call_id, name, arguments)
            if not call.get("willContinue"):
                yield from self._call_ends(choice)

    def _call_ends(self, choice: int) -> Iterable[Event]:
        if choice in self._partial:
            yield from _whole(*self._partial.pop(choice), choice)


def _whole(call_id: str, name: str, arguments: Any, choice: int) -> Iterable[Event]:
    text = msgspec.json.encode(arguments or {}).decode()
    yield ToolCallDelta(None, call_id, name, text, choice)
    yield ToolCallEnd(None, call_id, name, choice=choice)


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,4})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def _laid(arguments: Any, piece: Any) -> Any:
    """The arguments with one piece of them in its place; strings grow, everything else is set."""
    path = pointers.text(piece, "/jsonPath")
    value = next((piece[k] for k in ("stringValue", "numberValue", "boolValue", "nullValue") if k in piece), None)
    value = None if "nullValue" in piece else value
    steps: list[str | int] = [int(m[2]) if m[2] else m[1] or m[3] or m[4] or "" for m in _STEP.finditer(path)]
    return _put(arguments, steps, value)


def _put(into: Any, steps: list[str | int], value: Any) -> Any:
    if not steps:
        return into + value if isinstance(into, str) and isinstance(value, str) else value
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        into = into if isinstance(into, list) else []
        into += [None] * (step + 1 - len(into))
        into[step] = _put(into[step], rest, value)
    else:
        into = into if isinstance(into, dict) else {}
        into[step] = _put(into.get(step), rest, value)
    return into


def error_frame(error: Error) -> bytes:
    body = {"error": {"code": 502, "message": error.message, "status": error.type or "UNAVAILABLE"}}
    return b"data: " + msgspec.json.encode(body) + b"\r\n\r\n"
