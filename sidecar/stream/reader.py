"""What frames say, in a dialect that was told or is found out frame by frame: formats may alternate within a stream."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sidecar.stream import beats, dialects, failure, names, pointers
from sidecar.stream.dialects import Decode, generic, text
from sidecar.stream.events import CONTENT, End, Error, Event, Extension, Finish, TextDelta, ToolCallEnd, Usage
from sidecar.stream.framing import Frame, Framing, Text
from sidecar.stream.jsonarray import JSONValues
from sidecar.stream.mend import Halves, fitted, is_marked, mended, unmarked
from sidecar.stream.shapes import Shape, shaped
from sidecar.stream.sniff import Sniff

_STRANGE = 3
"""Frames of one outline that nobody knew, after which no dialect is asked again: it takes 0.15 ms."""
_OUTLINES = 64
"""Outlines that are kept; what has another one beyond that is not guessed at."""
_SURE = dialects.ORDER[: -len(dialects.GUESSES)]
_WORTH = (*CONTENT, ToolCallEnd, Finish, Usage, Error)
"""What a frame must say to be taken for one of another dialect, whose values are of other types."""
_JSON = (b"{", b"[", b'"')
_BEATS = 1024
"""Keep-alives before all else that are kept, in case they are words of a plain text."""
_MISFITS = 8  # values of a wrong type in one frame


class Reader:
    """One stream. `dialect` becomes the recognised name; `plain` tells that the last frame was plain text."""

    def __init__(self, dialect: str, framing: Framing, shape: Shape | None = None) -> None:
        self._auto = dialect in ("auto", "homemade")  # the home-made formats alternate, so nothing is ruled out
        self.dialect = "auto" if self._auto else dialect
        self.plain = False
        self.unknown_frames = 0
        self._framing = framing
        self._decoders: dict[str, Decode] = {}  # those that a frame was recognised by
        self._decode: Decode = _first(dialect, shape, self._auto)
        self._unwrap: Callable[[Frame], Frame] | None = None  # of frames that hold the stream's own ones
        self._beats: list[str] = []  # the first frames, text only if what follows is text too
        self._named: str | None = None  # what the last frame of plain text was called
        self._text = text.decoder()
        self._strange: dict[Any, int] = {}  # outline of frames that nobody knew -> how many
        self._names: dict[Any, str] = {}  # outline of frames that somebody knew -> who
        self._halves: Halves | None = None

    @property
    def heard(self) -> list[str] | None:
        """Where the dialect wants the words of frames that it is not given."""
        return getattr(self._decode, "heard", None)

    def read(self, frame: Frame, started: bool) -> Iterable[Event]:
        """What the frame says; `started` whether anything was said before."""
        if self._unwrap:
            frame = self._unwrap(frame)
        said = None if frame.data is None else self._understood(self._decode, frame)
        if said is None:
            said = self._recognise(frame, started)
        else:
            self.plain = self.dialect == "text"
        return self._halves.joined(said) if self._halves else said

    def rest(self) -> Iterable[Event]:
        """What was kept back, when nothing more comes."""
        if not self._beats:
            return ()
        self.dialect, self.plain = "text", True
        return map(TextDelta, self._beats)

    def _understood(self, decode: Decode, frame: Frame) -> Iterable[Event] | None:
        """What the dialect makes of the frame, mended if it must be; None where it is not the dialect's."""
        try:
            return decode(frame)
        except dialects.ODD as odd:
            if isinstance(odd, msgspec.ValidationError) and str(odd).startswith("Expected"):
                return None
        self._mend(frame)
        try:
            return decode(frame)
        except dialects.ODD:
            return None

    def _mend(self, frame: Frame) -> bytes:
        frame.data = data = mended(frame.data or b"")
        if is_marked(data):
            self._halves = self._halves or Halves()
        return data

    def _recognise(self, frame: Frame, started: bool) -> Iterable[Event]:
        """The frame is not the current dialect's: it may be another's, where that was left open."""
        data = frame.data or b""
        if not data:
            return self._silent(frame, started)
        if frame.name == self._named and data[:1] not in _JSON:
            self.plain = True
            return self._text(frame) or ()
        was_plain, self.plain = self.plain, False
        plain = isinstance(self._framing, Sniff) and isinstance(self._framing.chosen, Text)
        if not plain and not was_plain and beats.is_beat(data) and self._is_beat(data):
            return ()
        said = pointers.read(data)
        if said is None and not plain and (rest := beats.without(data)):
            return self.read(Frame(rest, frame.raw, frame.name, frame.id), started)
        if said is None and self._decode is _anybody and data.lstrip()[:1] == b"{":
            data = self._mend(frame)
            said = pointers.read(data)
        if frame.name == "error" and self.dialect not in ("auto", "text"):
            # every dialect may fail so, whatever else its events are called
            return (failure.read(data.decode("utf-8", "replace") if said is None else said),)
        if not plain and not self._unwrap and (unwrap := self._wrapped(data, said)):
            self._unwrap = unwrap
            return self.read(frame, started)
        if said is None and data[:1] == b"{" and len(values := JSONValues.split(data)) > 1:
            return [event for value in values for event in self.read(Frame(value, b"", frame.name), started)]
        # the first that is recognised is rarely here again, and its outline takes 15 us
        later = self._strange or self.dialect != "auto"
        outline = (frame.name, names.outline(said)) if later and isinstance(said, dict | list) else None
        if said == {} or self._strange.get(outline, 0) >= _STRANGE:
            return self._unknown(frame, said, outline)
        events = self._known(frame, said, outline, plain)
        return self._unknown(frame, said, outline) if events is None else events

    def _is_beat(self, data: bytes) -> bool:
        """Whether a word that may be a keep-alive is one; the first frames tell when others have followed."""
        if self.dialect == "auto" and data[:1] != b'"' and len(self._beats) < _BEATS:
            self._beats.append(data.decode("utf-8", "replace"))
            return True
        return self.dialect not in ("auto", "text")

    def _silent(self, frame: Frame, started: bool) -> Iterable[Event]:
        """An event without data."""
        if frame.name == "error":
            return (failure.read(""),)
        ended = started and generic.is_end(frame.name)
        return (End() if self.dialect in dialects.GUESSES else Finish("stop"),) if ended else ()

    def _wrapped(self, data: bytes, said: Any) -> Callable[[Frame], Frame] | None:
        # text that comes as JSON strings does so from its first word; in quotes among plain words it is plain
        if isinstance(said, str) and self.dialect != "text":
            return _unquoted
        if data[:5] == b"data:" and _bared(Frame(data, data)).data != data:
            return _bared
        return _decoded if said is None and _decoded(Frame(data, data)).data != data else None

    def _known(self, frame: Frame, said: Any, outline: Any, plain: bool) -> Iterable[Event] | None:
        """What the first dialect that knows and understands the frame makes of it."""
        among = self._asked(frame, said, outline, plain)
        while name := dialects.recognise(frame, said, among):
            decode = self._decoders.get(name) or self._decoders.setdefault(name, dialects.load(name).decoder())
            events = self._understood(decode, frame)
            if events is None and name not in dialects.GUESSES:
                events = _fitted(decode, frame)
                worth = name == self.dialect or any(isinstance(event, _WORTH) for event in events or ())
                events = events if worth else None
            if events is not None:
                if outline and len(self._names) < _OUTLINES:
                    self._names[outline] = name
                return self._taken(frame, name, decode, events, plain)
            among = among[among.index(name) + 1 :]
        if self._auto:
            return None
        last = text.last_word(frame)
        return [last] if last else _fitted(self._decode, frame)

    def _asked(self, frame: Frame, said: Any, outline: Any, plain: bool) -> tuple[str, ...]:
        """The dialects that are asked about a frame, in their order."""
        if not self._auto:
            return ()
        if plain or (said is None and not frame.name and (frame.data or b"")[:1] not in _JSON):
            return ("text",)
        if name := self._names.get(outline):
            return dialects.ORDER[dialects.ORDER.index(name) :]
        return _SURE if len(self._strange) >= _OUTLINES else dialects.ORDER

    def _taken(
        self, frame: Frame, name: str, decode: Decode, events: Iterable[Event], plain: bool
    ) -> Iterable[Event] | None:
        known = self.dialect not in ("auto", "text")
        if name == "generic" and known and self.dialect not in dialects.GUESSES:
            return generic.beside(events)
        # one plain line between JSON frames does not make the rest plain, nor a guess the rest guessed
        self.plain = name == "text"
        self._named = frame.name if self.plain and self.dialect in ("auto", "text") else None
        if (not self.plain or plain) and not (known and name == "generic"):
            self._decode = decode
        if not known or name not in ("text", "generic"):
            self.dialect = name
        first, self._beats = self._beats, []
        return [*map(TextDelta, first), *events] if first and self.plain else events

    def _unknown(self, frame: Frame, said: Any, outline: Any) -> Iterable[Event]:
        data = frame.data or b""
        if not data.strip() or said == {}:
            return ()
        self.unknown_frames += 1
        if outline in self._strange or len(self._strange) < _OUTLINES:
            self._strange[outline] = self._strange.get(outline, 0) + (outline is not None)
        if is_marked(data):
            said = pointers.read(unmarked(data))
        value = data[:65536].decode("utf-8", "replace") if said is None else said
        return (Extension(frame.name or ("malformed" if said is None else "unknown"), value),)


def _first(dialect: str, shape: Shape | None, auto: bool) -> Decode:
    if shape:
        return shaped(shape)[1]()
    return _anybody if auto else dialects.load(dialect).decoder()


def _anybody(frame: Frame) -> None:
    """The decoder before any dialect is known: every frame is nobody's."""


def _fitted(decode: Decode, frame: Frame) -> Iterable[Event] | None:
    """What the dialect makes of the frame when its values are made of the types that it wants."""
    fit = Frame(frame.data, frame.raw, frame.name, frame.id)
    for _ in range(_MISFITS):
        try:
            return decode(fit)
        except dialects.ODD as odd:
            fit.data = fitted(fit.data or b"", str(odd))
        if not fit.data:
            break
    return None


def _unquoted(frame: Frame) -> Frame:
    """The frame that stands as a JSON string in this one."""
    said = pointers.read(frame.data or b"") if (frame.data or b"")[:1] == b'"' else None
    return Frame(said.encode(), frame.raw, frame.name, frame.id) if isinstance(said, str) else frame


def _bared(frame: Frame) -> Frame:
    """The frame without a second `data:`, which frameworks put before what has one already."""
    data = frame.data or b""
    if data[:5] != b"data:":
        return frame
    inside = data[5:].strip()
    known = inside == b"[DONE]" or (inside[:1] == b"{" and pointers.read(inside) is not None)
    return Frame(inside, frame.raw, frame.name, frame.id) if known else frame


def _decoded(frame: Frame) -> Frame:
    """The frame whose JSON stands in base64 in this one."""
    data = frame.data or b""
    if data[:3] != b"eyJ":  # `{"`
        return frame
    try:
        inside = base64.b64decode(data, validate=True)
    except binascii.Error:
        return frame
    return frame if pointers.read(inside) is None else Frame(inside, frame.raw, frame.name, frame.id)
