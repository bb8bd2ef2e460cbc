"""Google's Agent Development Kit, `/run_sse`: its events as SSE, pieces with `partial`, then all of a turn again.

Nothing says that a run is over: an event that is not partial, with text and without calls, may be its last. Its tools
run on the server, but for the long-running ones. Wire: google.github.io/adk-docs
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, names, pointers
from sidecar.stream.dialects import Decode, homemade
from sidecar.stream.events import (
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
from sidecar.stream.reasons import canonical

PATHS = ("/run_sse",)
PING = b": ping\n\n"

_ASIDE = ("grounding_metadata", "citation_metadata")
_RUN = ("executable_code", "code_execution_result")

error_frame = homemade.error_frame


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict) or not isinstance(said.get("author"), str):
        return False
    return bool(_at(said, "invocation_id")) or isinstance(pointers.at(said, "/content/parts"), list)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._told: dict[tuple[str, bool], str] = {}  # author, whether it is reasoning -> its turn so far
        self._named = False

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"")
        if matches(frame, said):
            return list(self._event(said))
        return [failure.read(said)] if isinstance(said, dict) and failure.told(said.get("error")) else None

    def _event(self, said: dict[str, Any]) -> Iterable[Event]:
        if not self._named:
            self._named = True
            yield Start(pointers.text(said, "/modelVersion", "/model_version"), str(_at(said, "invocation_id") or ""))
        partial, parts = said.get("partial") is True, pointers.at(said, "/content/parts")
        parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        for thought in (True, False):
            words = "".join(pointers.text(part, "/text") for part in parts if (part.get("thought") is True) is thought)
            yield from self._text(words, said["author"], thought, partial)
        works = False
        for part in parts if not partial else ():
            told = list(_part(part, said))
            works |= any(isinstance(event, Status) for event in told) or _at(part, "function_response") is not None
            yield from told
        yield from _usage(_at(said, "usage_metadata"))
        yield from (Extension(name, value) for name in _ASIDE if (value := _at(said, name)))
        yield from _last(said, bool(parts) and not partial and not works)

    def _text(self, words: str, author: str, thought: bool, partial: bool) -> Iterable[Event]:
        """What is new; the event behind the pieces of a turn tells all of it again."""
        if not words or author == "user":
            return
        told = self._told.pop((author, thought), "")
        if partial:
            self._told[author, thought] = told + words
        elif told and not words.startswith(told):
            yield Extension("final", words)
            return
        else:
            words = words[len(told) :]
        if words:
            yield ReasoningDelta(words) if thought else TextDelta(words)


def _at(said: dict[str, Any], name: str) -> Any:
    """The value of this name, in camelCase as most servers write it, or as it is."""
    return said.get(names.camel(name), said.get(name))


def _part(part: dict[str, Any], said: dict[str, Any]) -> Iterable[Event]:
    call = _at(part, "function_call")
    if isinstance(call, dict):
        call_id, name = pointers.text(call, "/id"), pointers.text(call, "/name")
        if call_id and call_id in (_at(said, "long_running_tool_ids") or ()):
            yield ToolCallDelta(None, call_id, name, msgspec.json.encode(call.get("args") or {}).decode())
            yield ToolCallEnd(None, call_id, name)
        else:
            yield Status("server_tool", {"id": call_id, "name": name})
    for name in _RUN:
        if _at(part, name) is not None:
            yield Status("server_tool", {"name": names.camel(name)})
    if (inline := _at(part, "inline_data")) is not None:
        yield Extension("inline_data", inline)


def _usage(said: Any) -> Iterable[Event]:
    if isinstance(said, dict) and (counts := names.usage(msgspec.json.decode(names.snaked(msgspec.json.encode(said))))):
        yield msgspec.convert(counts, Usage)


def _last(said: dict[str, Any], whole: bool) -> Iterable[Event]:
    raw = _at(said, "finish_reason")
    if code := _at(said, "error_code"):
        # what the model was stopped by is said so where it left no text: SAFETY, MAX_TOKENS
        if canonical(code) in ("other", "error"):
            yield failure.read({"code": str(code), "message": _at(said, "error_message") or ""})
            return
        raw, whole = str(code), True
    if whole or _at(said, "turn_complete") is True:
        raw = raw if isinstance(raw, str) else ""
        yield Finish(canonical(raw or "STOP"), raw)
