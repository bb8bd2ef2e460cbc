"""Plain text: what is not framed, or framed and not JSON. It ends where the body ends cleanly."""

from collections.abc import Iterable
from typing import Any

from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event, TextDelta
from sidecar.stream.framing import Frame


def matches(frame: Frame, said: Any) -> bool:
    """All but a JSON object, whole or broken: a cut or garbled frame must not be shown to a reader."""
    return (frame.data or b"").lstrip()[:1] != b"{"


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    text = (frame.data or b"").decode("utf-8", "replace")
    return [TextDelta(text)] if text else []
