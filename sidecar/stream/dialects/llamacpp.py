"""llama.cpp's own `/completion`: `{"content", "stop"}`, the last frame with `stop: true`, why, and the counts.

With `return_progress` there are frames of the prompt being read, which hold no text.
Wire: github.com/ggml-org/llama.cpp/tree/master/tools/server
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.counts import progress
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Error, Event, Finish, TextDelta, Usage
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical
from sidecar.stream.sofar import SoFar

SHARED_PATHS = ("/completion", "/infill")
PING = b": ping\n\n"

_STOPS = (("stopped_limit", "limit"), ("stopped_word", "word"), ("stopped_eos", "eos"))  # as older builds say it


class _Said(msgspec.Struct, gc=False):
    index: int = 0
    content: str | None = None
    stop: bool | None = None
    prompt_progress: Any = None
    error: Any = None


_decode_said = msgspec.json.Decoder(_Said).decode


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("content"), str) and isinstance(said.get("stop"), bool)


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    data = frame.data or b""
    if data.strip() == b"[DONE]":
        return [End()]
    if data == b"null":
        return []  # the first event where several prompts are answered
    said = _decode_said(data)
    if failure.told(said.error):
        return [failure.read(said.error)]
    if said.stop is None:
        return None
    events: list[Event] = [progress(said.prompt_progress)] if said.prompt_progress else []
    if said.content:
        events.append(TextDelta(said.content, max(0, said.index)))
    return [*events, *_last(msgspec.json.decode(data), max(0, said.index))] if said.stop else events


def _last(said: Any, choice: int) -> Iterable[Event]:
    if said.get("tokens_predicted") is not None:
        yield Usage(pointers.count(said, "/tokens_evaluated"), pointers.count(said, "/tokens_predicted"))
    raw = pointers.text(said, "/stop_type") or next((word for key, word in _STOPS if said.get(key)), "eos")
    yield Finish(canonical({"word": "stop", "none": "stop"}.get(raw, raw)), raw, choice)


def error_frame(error: Error, so_far: SoFar) -> bytes:
    body = {"error": {"code": 500, "message": error.message, "type": error.type or "server_error"}}
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
