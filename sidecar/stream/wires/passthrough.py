"""The backend's own bytes, untouched, frame by frame, so that a ping never falls inside one."""

import msgspec

from sidecar.stream import dialects, lines
from sidecar.stream.events import Error, Event, Start
from sidecar.stream.framing import Frame
from sidecar.stream.sofar import SoFar
from sidecar.stream.wires import NO_START


class _Chunk(msgspec.Struct):
    choices: list[msgspec.Raw] | None = None
    usage: dict[str, msgspec.Raw] | None = None


_NOTHING = Frame(None, b"")
_decode = msgspec.json.Decoder(_Chunk).decode


def _only_usage(frame: Frame) -> bool:
    """Whether this is the chunk that OpenAI's `include_usage` adds."""
    if not frame.data or b'"usage"' not in frame.data:
        return False
    try:
        chunk = _decode(frame.data)
    except (ValueError, RecursionError):
        return False
    return chunk.choices == [] and bool(chunk.usage)


class Passthrough:
    """The encoder of one stream. `dialect` is what the client speaks, `event_stream` whether it reads SSE."""

    normalises = False
    error_ends = False
    content_type: bytes | None = None
    outcome = ""

    def __init__(self, dialect: str = "", event_stream: bool = False, stream: str = "", created: int = 0) -> None:
        self.dialect = dialect
        self.event_stream = event_stream
        self.hides_usage = False  # the chunk that only we asked for
        self._stream = stream
        self._created = created
        self._last = self._said = _NOTHING  # frames: the last one, and the last that was no comment

    @property
    def at_boundary(self) -> bool:
        return self._last.whole and not self._last.partial

    @property
    def bears_padding(self) -> bool:
        return self.event_stream and dialects.bears_comments(self.dialect)

    def encode(self, events: list[Event], frames: list[Frame]) -> bytes:
        if self.hides_usage:
            frames = [frame for frame in frames if not _only_usage(frame)]
        if not frames:
            return b""
        last = self._last = frames[-1]
        self._said = last if last.data else next((frame for frame in reversed(frames) if frame.data), self._said)
        return frames[0].raw if len(frames) == 1 else b"".join([frame.raw for frame in frames])

    def opening(self) -> bytes:
        return b""

    def ping(self, shape: str = "auto", after_id: bool = False) -> bytes:
        """What a client of the dialect ignores; empty where there is no such thing."""
        if not self.event_stream or not self.at_boundary:
            return b""
        own = dialects.ping(self.dialect) or b": ping\n\n"
        if shape == "comment":
            own = b": ping\n\n"
        if shape == "comment-no-blank" or (after_id and own.startswith(b":")):
            return b": ping\n"
        return own

    def failed(self, error: Error, start: Start = NO_START) -> bytes:
        """The dialect's own error frame, which goes on from the last one; empty where it has none that fits."""
        so_far = SoFar(start.id or self._stream, start.model, self._said.data or b"", self._created)
        frame = lines.escaped(dialects.error_frame(self.dialect, error, so_far))
        if frame.startswith(b"{") is self.event_stream:
            return b""  # a line among events, or an event among lines: the path promised what the backend is not
        return frame if self.at_boundary or not frame else b"\n\n" + frame
