"""A recorded body served once more: as it was, or as it leaves the sidecar in a format."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from sidecar.policy import outcome
from sidecar.stream import dialects
from sidecar.stream.events import End, Error, Event
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.stream.wires import Wire, make


class Body(NamedTuple):
    """An answer's bytes; not `whole` where the connection broke behind them."""

    data: bytes
    content_type: str
    whole: bool = True

    @property
    def event_stream(self) -> bool:
        return "event-stream" in self.content_type

    def transport(self, library: ModuleType) -> Any:
        """What answers every request with it; `library` is httpx or httpx2."""

        def pieces() -> Iterator[bytes]:
            yield self.data
            if not self.whole:
                raise library.RemoteProtocolError("the connection broke")

        headers = {"content-type": self.content_type}
        return library.MockTransport(lambda request: library.Response(200, headers=headers, content=pieces()))


def through(format: str, body: Body, path: str, size: int = 0) -> Body:
    """The body as a client who asked `path` gets it in this format; `size` bytes of the backend's come at a time."""
    wire = make(format, dialects.of_path(path), "s_1", 1, usage=True)
    parser = StreamParser("auto", body.event_stream)
    out = b""
    for at in range(0, len(body.data), size or len(body.data)):
        events, frames = parser.feed(body.data[at : at + (size or len(body.data))])
        out += encoded(wire, parser, events, frames)
    events, frames = parser.eof(body.whole)
    content_type = (wire.content_type or body.content_type.encode()).decode()
    if not (events and isinstance(events[-1], Error)):
        return Body(out + encoded(wire, parser, events, frames), content_type)
    out += wire.encode(events[:-1], [frame for frame in frames if not frame.partial])
    wire.dialect = wire.dialect or parser.dialect
    words = wire.failed(outcome.complete(events[-1]))
    return Body(out + words, content_type, bool(words))


def encoded(wire: Wire, parser: StreamParser, events: list[Event], frames: list[Frame]) -> bytes:
    if events and isinstance(events[-1], Error):
        events[-1] = outcome.complete(events[-1])
    elif events and isinstance(events[-1], End):
        wire.outcome = outcome.of_finish(parser.finish_reason)
    return wire.encode(events, frames)
