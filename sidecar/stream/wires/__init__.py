"""Wires: what a client reads. One module each; `make(name)` gives the encoder of one stream.

A wire has `encode(events, frames) -> bytes` (one bytes object for all of a chunk, often empty), `ping() -> bytes`,
`padding(size, content) -> bytes`, `error(error) -> bytes` for a failure of our own, `content_type` (None: the
backend's) and `at_boundary` (a ping may go out now). To add one, write it beside `envelope.py` and name it here.
"""

from typing import Protocol

from sidecar.stream.events import Event
from sidecar.stream.framing import Frame

NAMES = ("envelope-v1", "passthrough")

EVENT_STREAM = b"text/event-stream; charset=utf-8"


class Wire(Protocol):
    """The encoder of one stream."""

    content_type: bytes | None
    at_boundary: bool

    def encode(self, events: list[Event], frames: list[Frame]) -> bytes: ...

    def ping(self) -> bytes: ...

    def opening(self) -> bytes: ...
