"""A dialect for tests: every line says its events, in the JSON of `.events.jsonl` files."""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream.dialects import Decode
from sidecar.stream.events import AnyEvent, Event
from sidecar.stream.framing import Frame


class _Line(msgspec.Struct):
    said: list[AnyEvent]


_decode = msgspec.json.Decoder(_Line).decode


def matches(frame: Frame, said: Any) -> bool:
    return False


def decoder() -> Decode:
    return decode


def decode(frame: Frame) -> Iterable[Event] | None:
    return _decode(frame.data or b"").said


def line(*events: Event) -> bytes:
    """The frame that says these events."""
    return msgspec.json.encode({"said": events}) + b"\n"
