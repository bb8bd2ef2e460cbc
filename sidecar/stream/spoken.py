"""What a stream of no known dialect said: pieces of its text, and all of it told again."""

from sidecar.stream.events import Event, TextDelta
from sidecar.stream.growth import Growth
from sidecar.stream.names import Path

_KEPT = 1 << 20


class Spoken:
    """The text of one stream. `presumed` says whether its pieces are likelier to be cumulative."""

    def __init__(self) -> None:
        self.text = ""  # of pieces that are what is new
        self.pieces = 0
        self._growth = Growth(False)
        self._first: tuple[str, Path] = "", ()  # event name and place of the first piece
        self._again = ""  # pieces that were all of the text, and may have been all of it told again

    def presume(self, cumulative: bool) -> None:
        """Before the first piece: what its shape makes likely."""
        self._growth = Growth(cumulative)

    def add(self, text: str) -> None:
        """A piece that a dialect within the frame said."""
        self.pieces += 1
        self.text += text

    def piece(self, words: str, name: str, path: Path) -> list[Event]:
        """The events of a piece that stands there in an event of this name."""
        if words[-1:] == "\0":  # with which Hugging Face's chat pads its tokens
            words = words.rstrip("\0")
        self.pieces += 1
        if not self._growth.incremental:
            self._first = self._first if self.pieces > 1 else (name, path)
            self.text = words if self._growth.cumulative else self.text + words
            return [self._growth.event(words)]
        if words == self.text and len(words) > 3:
            # from another place it is all of the answer again; from the same it is, unless more follows
            self._again += words if (name, path) == self._first else ""
            return []
        if self._again:
            words, self._again = self._again + words, ""
        if len(self.text) < _KEPT:
            self.text += words
        return [TextDelta(words)]
