"""The formats that teams write themselves, recognised frame by frame, so they may alternate within one stream.

`{"chunk": T, "type": K}`, `{"content": T}`, `{"done": true}`, `{"error": M}`, the standard envelope itself
(`{"type": ..., "data": {...}}`), `event: error` and `[DONE]`. Plain text between them is the parser's to take.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, names
from sidecar.stream.depth import is_deep
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
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

PING = b": ping\n\n"

_STATUS = ("status", "progress", "info")
_COUNTS = (
    *("input_tokens", "output_tokens", "total_tokens", "reasoning_tokens"),
    *("cached_input_tokens", "cache_creation_input_tokens"),
)
_END = ("complete", "done", "end")
_NAMES = ("", "message", "data", "error")  # an event that is called otherwise is the next dialect's
_MORE = (*names.FINISH, *names.CALLS, *names.REASONING, *names.DONE, "meta", "event", "source", "usage")
_RICH = frozenset(
    key
    for name in (*_MORE, "usage_metadata", "response_metadata", "message_type")
    if name != "done"
    for key in (name, names.camel(name))
)  # what says more than these formats do is the next dialect's
_WORDS = frozenset(names.TEXT) - {"chunk", "content"}
_RESERVED = ("message", "content", "progress", "choice", "tool_call", "name", "value")


def matches(frame: Frame, said: Any) -> bool:
    if (frame.data or b"").strip() == b"[DONE]" or frame.name == "error":
        return True
    if not isinstance(said, dict) or frame.name not in _NAMES:
        return False
    return (
        (isinstance(said.get("chunk"), str) and not _RICH & said.keys())
        or (isinstance(said.get("content"), str) and not _RICH & said.keys())
        or (said.get("done") is True and not _WORDS & said.keys())
        or failure.told(said.get("error"))
        or _enveloped(said)
    )


def _enveloped(said: dict[str, Any]) -> bool:
    kind = said.get("type")
    return isinstance(kind, str) and (kind in _ENVELOPE or kind == "error") and isinstance(said.get("data"), dict)


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    data = (frame.data or b"").strip()
    if data == b"[DONE]":
        return [End()]
    if data[:1] != b"{":
        return [failure.read(data.decode("utf-8", "replace"))] if data and frame.name == "error" else None
    said = msgspec.json.decode(data)
    if not matches(frame, said):
        return None
    if _enveloped(said):
        if said["type"] == "error":
            return [_error(said["data"], said.get("meta"))]
        return _ENVELOPE[said["type"]](said["data"])
    return [failure.read(said)] if frame.name == "error" else list(_plain(said))


def _plain(said: dict[str, Any]) -> Iterable[Event]:
    kind = said.get("type")
    words = said.get("chunk") if isinstance(said.get("chunk"), str) else said.get("content")
    words = words if isinstance(words, str) else ""
    if kind == "error" or failure.told(said.get("error")):
        yield failure.read(said if failure.told(said.get("error")) else words)
    elif kind in _STATUS:
        yield status(words, _progress(said))
    elif kind in _END:
        # the whole answer again, or a farewell: not text, and not lost
        yield from [Extension("final", words)] if words else ()
        yield End()
    else:
        yield from [TextDelta(words)] if words else ()
        yield from [End()] if said.get("done") is True else ()


def status(words: str, data: dict[str, Any]) -> Event:
    """A status, unless its words are those by which the envelope's own are known."""
    return Extension("status", words) if words in ("extension", "tool_call", "reasoning") else Status(words, data)


def _progress(said: dict[str, Any]) -> dict[str, Any]:
    value = said.get("progress")
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return {"progress": value} if known else {}


def _chunk(data: dict[str, Any]) -> Iterable[Event]:
    words = data.get("content")
    return [TextDelta(words, _choice(data), bool(data.get("refusal")))] if isinstance(words, str) and words else []


def _reasoning(data: dict[str, Any]) -> Iterable[Event]:
    words = data.get("content")
    return [ReasoningDelta(words, _choice(data))] if isinstance(words, str) and words else []


def _status(data: dict[str, Any]) -> Iterable[Event]:
    message = data.get("message")
    if message == "reasoning" and "content" in data:
        return _reasoning(data)
    if message == "tool_call" and isinstance(data.get("tool_call"), dict):
        return _tool_call({**data["tool_call"], "choice": data.get("choice"), "done": True})
    if message in ("extension", "tool_call"):
        return [Extension(str(data.get("name") or "status"), data.get("value"))]
    own = {key: value for key, value in data.items() if key not in _RESERVED}
    if is_deep(own):
        return [Extension("status", data)]
    name = {"name": data["name"]} if isinstance(data.get("name"), str) else {}
    return [Status(str(message or ""), own | name | _progress(data))]


def _tool_call(data: dict[str, Any]) -> Iterable[Event]:
    fragment = data.get("arguments_delta")
    call_id, name = str(data.get("id") or ""), str(data.get("name") or "")
    if not data.get("done"):
        return [ToolCallDelta(None, call_id, name, fragment if isinstance(fragment, str) else "", _choice(data))]
    given = data.get("arguments_text") if data.get("invalid") else data.get("arguments")
    text = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
    choice = _choice(data)
    return [
        ToolCallDelta(None, call_id, name, choice=choice),
        ToolCallEnd(None, call_id, name, arguments_text=text, invalid=data.get("invalid") is True, choice=choice),
    ]


def _error(data: dict[str, Any], meta: Any) -> Error:
    """What another sidecar said: the outcome is in `meta`, or told by the code where one has it alone."""
    error, code, recoverable = failure.read(data), data.get("code"), data.get("recoverable")
    outcome = meta.get("outcome") if isinstance(meta, dict) else None
    if isinstance(code, str) and code in _OUTCOMES:
        told = "timed_out" if (code, recoverable) == ("TIMEOUT", False) else _OUTCOMES[code]
        told = outcome if isinstance(outcome, str) and outcome in _FAILURES else told
        error = msgspec.structs.replace(error, outcome=told, code=code, type="")
    return msgspec.structs.replace(error, recoverable=recoverable) if isinstance(recoverable, bool) else error


def _complete(data: dict[str, Any]) -> Iterable[Event]:
    events: list[Event] = []
    said = data.get("usage")
    if isinstance(said, dict):
        counts: dict[str, Any] = {key: number(said.get(key)) for key in _COUNTS}
        events.append(Usage(**counts, source="estimated" if said.get("source") == "estimated" else "reported"))
    others = data.get("choices")
    for choice in (data, *(others if isinstance(others, list) else ())):
        if isinstance(choice, dict) and (reason := choice.get("finish_reason")):
            events.append(Finish(canonical(reason), str(reason), _choice(choice)))
    return [*events, End()]


def _choice(data: dict[str, Any]) -> int:
    return number(data.get("choice")) or 0


_ENVELOPE = {
    "chunk": _chunk,
    "status": _status,
    "reasoning": _reasoning,
    "tool_call": _tool_call,
    "complete": _complete,
}
_OUTCOMES = {
    "RATE_LIMIT": "rate_limited",
    "CONTENT_FILTER": "content_filtered",
    "BAD_REQUEST": "rejected",
    "AUTH": "rejected",
    "TOKEN_LIMIT": "rejected",
    "SERVER": "upstream_error",
    "OVERLOADED": "upstream_error",
    "NETWORK": "truncated",
    "TIMEOUT": "stalled",
    "PARSE": "malformed",
    "VALIDATION": "schema_violation",
    "DRAINING": "drained",
    "CANCELLED": "stopped",
    "MAX_RETRIES_EXCEEDED": "upstream_error",
}
"""Code -> the outcome that it most likely was, where the envelope is of version 1, which does not say."""
_FAILURES = frozenset(
    (
        *_OUTCOMES.values(),
        *"connect_failed connect_timeout head_timeout first_token_timeout timed_out loop_aborted circuit_open".split(),
        "sidecar_error",
    )
)


def error_frame(error: Error, so_far: SoFar) -> bytes:
    return b"data: " + msgspec.json.encode({"error": error.message}) + b"\n\n"
