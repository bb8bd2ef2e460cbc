"""Gemini and Vertex AI: `GenerateContentResponse` as SSE events, or as the elements of one JSON array.

No end marker: a finish reason and then the end of the body. `STOP` also ends an answer that calls a tool. Arguments may
come whole, or as JSONPath fragments (`partialArgs`). Wire: ai.google.dev/api/generate-content
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, names, pointers
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
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.pointers import number
from sidecar.stream.reasons import canonical
from sidecar.stream.sofar import SoFar

PATHS = (":streamGenerateContent", ":generateContent")
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


def _camelled(said: Any) -> bytes:
    """Google's SDK for Python says its objects in snake_case, which apps pass on."""
    said = _renamed(said)
    for candidate in said.get("candidates") or ():
        for key in [key for key in candidate if "_" in key]:
            candidate[names.camel(key)] = candidate.pop(key)
        if parts := pointers.at(candidate, "/content/parts"):
            candidate["content"]["parts"] = [_renamed(part) for part in parts]
    said["usageMetadata"] = _renamed(said.get("usageMetadata") or {})
    return msgspec.json.encode(said)


def _is_snaked(chunk: "_Chunk") -> bool:
    for candidate in chunk.candidates or ():
        if candidate.snaked is not None:
            return True
        for part in (candidate.content.parts or ()) if candidate.content else ():
            if part.snaked is not None:
                return True
    return chunk.snaked is not None


def _renamed(said: dict[str, Any]) -> dict[str, Any]:
    return {names.camel(key): value for key, value in said.items()}


def speaks(path: str, query: str) -> bool:
    """Without `alt=sse` the answer is one JSON array."""
    return path.endswith(":streamGenerateContent") and "alt=sse" in query.split("&")


def decoder() -> Decode:
    return _Decoder().decode


class _Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    function_call: dict[str, Any] | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    inline_data: Any = None
    file_data: Any = None
    thought_signature: str | None = None
    snaked: Any = msgspec.field(default=None, name="function_call")


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    index: int | None = None
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    url_context_metadata: Any = None
    snaked: Any = msgspec.field(default=None, name="finish_reason")


class _Counts(msgspec.Struct, gc=False, rename="camel"):
    prompt_token_count: Any = None
    candidates_token_count: Any = None
    total_token_count: Any = None
    cached_content_token_count: Any = None
    thoughts_token_count: Any = None


class _Chunk(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: _Counts | None = None
    prompt_feedback: Any = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None
    snaked: Any = msgspec.field(default=None, name="usage_metadata")


_decode = msgspec.json.Decoder(_Chunk).decode


class _Decoder:
    def __init__(self) -> None:
        self._named = False
        self._partial: dict[int, tuple[str, str, Any]] = {}  # choice -> id, name and arguments of a call in pieces

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        chunk = _decode(frame.data or b"")
        if _is_snaked(chunk):
            chunk = _decode(_camelled(msgspec.json.decode(frame.data or b"")))
        if failure.told(chunk.error):
            return [failure.read(chunk.error)]
        if chunk.candidates is None and chunk.usage_metadata is None and chunk.prompt_feedback is None:
            return None
        events: list[Event] = []
        if not self._named:
            self._named = True
            events.append(Start(chunk.model_version or "", chunk.response_id or ""))
        for place, candidate in enumerate(chunk.candidates or ()):
            self._candidate(candidate, max(0, candidate.index or place), events)
        if chunk.usage_metadata:
            events += _usage(chunk.usage_metadata)
        if chunk.prompt_feedback and (blocked := pointers.text(chunk.prompt_feedback, "/blockReason")):
            events.append(Error("content_filtered", f"the prompt was blocked: {blocked}", type=blocked))
        return events

    def _candidate(self, candidate: _Candidate, choice: int, events: list[Event]) -> None:
        for part in (candidate.content.parts or ()) if candidate.content else ():
            if part.text:
                events.append(ReasoningDelta(part.text, choice) if part.thought else TextDelta(part.text, choice))
            if part.function_call is not None:
                events += self._call(part.function_call, choice)
            if part.executable_code is not None or part.code_execution_result is not None:
                name = "codeExecutionResult" if part.executable_code is None else "executableCode"
                events.append(Status("server_tool", {"name": name}))
            if part.inline_data is not None:
                events.append(Extension("inline_data", part.inline_data, choice))
            if part.file_data is not None:
                events.append(Extension("file_data", part.file_data, choice))
            if part.thought_signature:
                events.append(_signed(part, choice))
        if candidate.grounding_metadata:
            events.append(Extension("grounding_metadata", candidate.grounding_metadata, choice))
        if candidate.citation_metadata:
            events.append(Extension("citation_metadata", candidate.citation_metadata, choice))
        if candidate.url_context_metadata:
            events.append(Extension("url_context_metadata", candidate.url_context_metadata, choice))
        if raw := candidate.finish_reason:
            events += self._call_ends(choice)
            events.append(Finish(canonical(raw), raw, choice, candidate.finish_message or ""))

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


def _signed(part: _Part, choice: int) -> Event:
    """What must come back with the next question. Google's own OpenAI format has it in a call's `extra_content`."""
    if part.function_call is None:
        return Extension("thought_signature", part.thought_signature, choice)
    return Extension("extra_content", {"google": {"thought_signature": part.thought_signature}}, choice, -1)


def _usage(said: _Counts) -> list[Event]:
    given, made = number(said.prompt_token_count), number(said.candidates_token_count)
    if given is None and made is None:
        return []
    total, cached = number(said.total_token_count), number(said.cached_content_token_count)
    thoughts = number(said.thoughts_token_count)
    return [Usage(given, made, total, cached, thoughts, reasoning_apart=thoughts is not None)]


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


def error_frame(error: Error, so_far: SoFar) -> bytes:
    body = {"error": {"code": 502, "message": error.message, "status": error.type or "UNAVAILABLE"}}
    return b"data: " + msgspec.json.encode(body) + b"\r\n\r\n"


def retold(body: bytes) -> bytes:
    """A whole answer is what a stream's only chunk says."""
    said = pointers.read(body)
    return b"data: " + msgspec.json.encode(said) + b"\r\n\r\n" if matches(Frame(body, body), said) else b""
