"""Replicate: `event: output` with plain text as data, `event: error`, `event: done`. Junk may follow the end.

Wire: replicate.com/docs/topics/predictions/streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, TextDelta
from sidecar.stream.framing import Frame

PING = b": ping\n\n"

_NAMES = ("output", "error", "done", "logs")


def matches(frame: Frame, said: Any) -> bool:
    return frame.name == "output" or (frame.name in ("done", "logs") and not isinstance(said, str))


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    words = (frame.data or b"").decode("utf-8", "replace")
    match frame.name:
        case "output":
            return [TextDelta(words)] if words else []
        case "error":
            return [failure.read(_said(words))]
        case "done":
            reason = pointers.text(_said(words), "/reason")
            if reason == "error":
                return [failure.read("the prediction failed")]
            return [Finish("cancelled" if reason == "canceled" else "stop", reason), End()]
        case "logs":
            return [Extension("logs", words)]
    return None


def _said(words: str) -> Any:
    try:
        return msgspec.json.decode(words)
    except (ValueError, RecursionError):
        return words
