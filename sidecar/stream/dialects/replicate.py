"""Replicate: `event: output` with plain text as data, `event: error`, `event: done`. Junk may follow the end.

Wire: replicate.com/docs/topics/predictions/streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, Start, TextDelta
from sidecar.stream.framing import Frame

PING = b": ping\n\n"

_NAMES = ("output", "error", "done", "logs")


def matches(frame: Frame, said: Any) -> bool:
    if isinstance(said, dict) and not frame.name:
        return "output" in said and "status" in said and "logs" in said
    return (frame.name == "output" and not isinstance(said, dict)) or (
        frame.name in ("done", "logs") and not isinstance(said, str)
    )


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
    said = _said(words)
    return list(_prediction(said)) if isinstance(said, dict) and matches(frame, said) else None


def _prediction(said: Any) -> Iterable[Event]:
    """A non-streamed answer."""
    yield Start(pointers.text(said, "/model"), pointers.text(said, "/id"))
    output = said["output"]
    if words := "".join(map(str, output)) if isinstance(output, list) else pointers.text(said, "/output"):
        yield TextDelta(words)
    yield from pointers.usage(said.get("metrics"), "/input_token_count", "/output_token_count")
    if said["status"] == "failed":
        yield failure.read(said.get("error") or "the prediction failed")
    elif said["status"] in ("succeeded", "canceled"):
        yield from [Finish("cancelled" if said["status"] == "canceled" else "stop", said["status"]), End()]


def _said(words: str) -> Any:
    try:
        return msgspec.json.decode(words)
    except (ValueError, RecursionError):
        return words
