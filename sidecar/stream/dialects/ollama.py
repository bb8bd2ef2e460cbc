"""Ollama's own API, /api/chat and /api/generate: one JSON object a line, `done: true` on the last.

Errors are a line `{"error":"text"}` at HTTP 200. Wire: github.com/ollama/ollama/blob/main/docs/api.md
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure
from sidecar.stream.dialects import Decode
from sidecar.stream.dialects.openai_chat import arguments
from sidecar.stream.events import (
    End,
    Error,
    Event,
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

_LOADING = {"status", "digest", "total", "completed"}
_STEPS = (
    *("pulling ", "pushing ", "retrieving manifest", "transferring ", "reading model", "using existing layer"),
    *("creating model", "creating new layer", "parsing modelfile", "parsing GGUF", "gathering model", "converting "),
)
PATHS = ("/api/chat", "/api/generate", "/api/pull", "/api/push", "/api/create")
REFRAIN = ("created_at",)


class _Function(msgspec.Struct, gc=False):
    name: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _Call(msgspec.Struct, gc=False):
    id: str = ""
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_Call] | None = None


class _Line(msgspec.Struct, gc=False):
    model: str = ""
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None
    status: str | None = None
    total: int | None = None
    completed: int | None = None


_decode = msgspec.json.Decoder(_Line).decode


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    answered = "model" in said and "done" in said and ("message" in said or "response" in said)
    return answered or (said.keys() <= _LOADING and said.get("status", "").startswith(_STEPS))


def decoder() -> Decode:
    named = False

    def decode(frame: Frame) -> Iterable[Event] | None:
        nonlocal named
        line = _decode(frame.data or b"")
        if failure.told(line.error):
            return [failure.read(line.error)]
        if line.done is None:
            return _loaded(line) if line.status else None
        events: list[Event] = []
        if not named:
            named = True
            events.append(Start(line.model))
        _content(line, events)
        if line.done:
            if line.prompt_eval_count is not None or line.eval_count is not None:
                events.append(Usage(number(line.prompt_eval_count), number(line.eval_count)))
            raw = line.done_reason or "stop"
            events += [Finish(canonical(raw), raw), End()]
        return events

    return decode


def _loaded(line: _Line) -> Iterable[Event]:
    """Of a model that is pulled, pushed or made."""
    known = line.total and line.completed is not None and 0 <= line.completed <= line.total
    data = {"progress": round(line.completed / line.total, 4)} if known else {}  # type: ignore[operator]
    return [Status(line.status or "", data), *((Finish("stop"), End()) if line.status == "success" else ())]


def _content(line: _Line, events: list[Event]) -> None:
    message = line.message or _Message(line.response, line.thinking)
    if message.thinking:
        events.append(ReasoningDelta(message.thinking))
    if message.content:
        events.append(TextDelta(message.content))
    for call in message.tool_calls or ():
        function = call.function or _Function()
        events += [ToolCallDelta(None, call.id, function.name, arguments(function.arguments)), ToolCallEnd()]


def error_frame(error: Error, so_far: SoFar) -> bytes:
    return msgspec.json.encode({"error": error.message}) + b"\n"
