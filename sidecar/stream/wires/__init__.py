"""Wires: what a client reads. One module each; `make` gives the encoder of one stream.

To add one: write it beside `envelope.py`, name it in NAMES and in `make`, add a fixture of exact bytes to its test.
"""

from typing import Protocol

from sidecar.stream.events import Error, Event, Start
from sidecar.stream.framing import Frame

NAMES = ("envelope-v1", "envelope-v2", "openai", "passthrough")

EVENT_STREAM = b"text/event-stream; charset=utf-8"

NO_START = Start()
"""Of a stream of which nothing was heard."""


class Wire(Protocol):
    """The encoder of one stream.

    `normalises`: what leaves is made from events, so the last word ends the answer. `event_stream`: the client reads
    server-sent events. `error_ends`: its error is a last word that all its readers know, so that the body may end well
    behind it. `content_type` None is the backend's own. `outcome` is set before the last word, which may tell it.
    `hides_usage`: the client shall not see the chunk that we asked for.
    """

    normalises: bool
    event_stream: bool
    error_ends: bool
    content_type: bytes | None
    dialect: str
    outcome: str
    hides_usage: bool

    @property
    def at_boundary(self) -> bool:
        """Whether no frame is half written."""

    @property
    def bears_padding(self) -> bool:
        """Whether a comment may stand before the first frame."""

    def encode(self, events: list[Event], frames: list[Frame]) -> bytes:
        """ONE bytes object for all of a chunk; empty where there is nothing to say yet."""

    def opening(self) -> bytes:
        """What is said when the answer is opened before the backend has begun it."""

    def ping(self, shape: str = "auto", after_id: bool = False) -> bytes:
        """Bytes that keep the connection alive and mean nothing; empty where the format has none.

        `after_id`: the client takes an empty block for an event, so no blank line may follow a comment.
        """

    def failed(self, error: Error, start: Start = NO_START) -> bytes:
        """The last word for a failure that the backend did not report, after this start; empty: the format has none."""


def make(name: str, dialect: str = "", stream: str = "", created: int = 0, usage: bool = False) -> Wire:
    """The wire of that name.

    `dialect` is what the client speaks, as far as it is known; `stream` the stream's id; `created` the time in seconds
    since the epoch; `usage` whether the client asked for usage in OpenAI's way.
    """
    match name:
        case "envelope-v1":
            from sidecar.stream.wires.envelope import EnvelopeV1

            return EnvelopeV1()
        case "envelope-v2":
            from sidecar.stream.wires.envelope import EnvelopeV2

            return EnvelopeV2(stream)
        case "openai":
            from sidecar.stream.wires.openai import OpenAI

            return OpenAI(stream, created, usage)
    from sidecar.stream.wires.passthrough import Passthrough

    return Passthrough(dialect, stream=stream, created=created)


def padding(size: int, noise: bytes = b"", blank: bool = True) -> bytes:
    """A comment of `size` bytes, its line ends included, of spaces or of `noise` made printable.

    Without `blank` no blank line follows, which some clients take for an event.
    """
    filler = bytes(33 + byte % 94 for byte in noise) if noise else b" " * size
    ends = b"\n\n" if blank else b"\n"
    return b":" + filler[: max(0, size - 1 - len(ends))] + ends
