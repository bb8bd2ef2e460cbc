"""The frame that comes again and again with other words in it: most of an answer, as most servers send it.

Two frames that differ in the one JSON string that they say teach what stands around it. What fits is then read by
comparing bytes, and only its string is decoded: a token of openai-chat takes 0.8 us, against 4 in full.
"""

import msgspec

from sidecar.stream.events import Event, ReasoningDelta, TextDelta
from sidecar.stream.framing import Frame

PATIENCE = 32
"""Frames in a row without a refrain, after which a stream has none: counters, times or padding stand in each."""

_string = msgspec.json.Decoder(str).decode


class Refrain:
    """One stream's. `known` says that `read` may be asked, `hopeless` that there is none."""

    def __init__(self) -> None:
        self.known = self.hopeless = False
        self._others = 0
        self._said: Event | None = None  # by the frame that is remembered
        self._kind: type[TextDelta | ReasoningDelta] = TextDelta
        self._choice = 0
        self._name = ""
        self._head = self._tail = b""  # the quotes of the string included, since JSON may have blanks around it
        self._words = self._data = slice(0)

    def read(self, chunk: bytes) -> tuple[Event, Frame] | None:
        """The refrain with other words in it; None where the chunk must be read in full."""
        if not chunk.startswith(self._head) or not chunk.endswith(self._tail):
            return None
        try:
            text = _string(chunk[self._words])
        except ValueError:
            return None
        # what begins with a bracket may mean more than itself
        if not text or text[0] == "[":
            return None
        return self._kind(text, self._choice), Frame(chunk[self._data], chunk, self._name)

    def learn(self, chunk: bytes, frames: list[Frame], events: list[Event]) -> bool:
        """Look at a chunk that was read in full; whether the refrain has become known by it."""
        alone = len(frames) == len(events) == 1 and frames[0].raw is chunk  # so that no byte waits for the next chunk
        if self._head and chunk.startswith(self._head) and chunk.endswith(self._tail):
            if self.known:
                self.known = b"\\u" not in chunk  # behind half a character the other half may come
                return False
            if alone and events[0] != self._said and self.read(chunk) == (events[0], frames[0]):
                self._others = 0
                self.known = True
                return True
        self.known = False
        self._others += 1
        self.hopeless = self._others > PATIENCE
        self._head = b""
        if alone:
            self._remember(chunk, frames[0], events[0])
        return False

    def _remember(self, chunk: bytes, frame: Frame, event: Event) -> None:
        if not isinstance(event, TextDelta | ReasoningDelta) or frame.id:
            return
        quoted = b'"%b"' % event.text.encode()
        head, _, tail = chunk.partition(quoted)
        begin = chunk.find(frame.data or chunk)
        # where nothing is escaped a string stands as it is, and where it stands once it is the one that was read
        if tail and quoted not in tail and b"\\" not in chunk and begin >= 0:
            self._said, self._kind, self._choice, self._name = event, type(event), event.choice, frame.name
            self._head, self._tail = head + b'"', b'"' + tail
            self._words = slice(len(head), -len(tail))
            self._data = slice(begin, begin + len(frame.data or b"") - len(chunk) or None)
