"""Whether the pieces of a text are each the whole of it so far or what is new: told by what grows, and by counts.

While it is in doubt, what both readings have in common is delivered, which is all of the first piece. The rest waits
until a piece does not begin with the one before, until several have grown out of one another, or until the counts say
it, for `PATIENCE` pieces at most. So a cumulative text has its second piece one frame late, and a text in pieces
waits only while these repeat themselves.
"""

from sidecar.stream.events import Event, ReasoningDelta, TextDelta, TextSnapshot

PATIENCE = 8
"""Pieces after which the likelier reading is taken."""

LOST = "\ufffd"
"""What a server that cuts between tokens puts for a character whose other bytes are still to come."""

UNFINISHED = 3
"""Tokens that may stand behind a text and not be seen in it yet: those of a character without its last byte."""

_PROOF = 3
_LONG = 1 << 16  # characters beyond which a text is not compared letter by letter


class Growth:
    """One text. `incremental` is True when its pieces are known to be what is new, `cumulative` when each is all of it.

    `presumed` says whether it is cumulative where it ends in doubt.
    """

    def __init__(self, presumed: bool, cumulative: bool = False) -> None:
        self.incremental = False
        self.cumulative = self._proven = cumulative
        self.waits = False  # whether a part of what came is not delivered
        self._presumed = presumed
        self._said = ""  # what was delivered
        self._whole = ""  # the last piece
        self._joined = ""  # all pieces, while it is in doubt
        self._pieces = self._evidence = self._peak = 0
        self._within = self._blank = False
        self._tokens: int | None = None
        self._first = (0, 0)  # tokens and bytes at the first piece
        self._longest = 0

    @property
    def size(self) -> int:
        """Characters that are kept."""
        return max(len(self._said), len(self._whole))

    def event(
        self, text: str, choice: int = 0, reasoning: bool = False, tokens: int | None = None, unseen: int = 0
    ) -> Event:
        """The piece as what it is known to be."""
        if self.incremental:
            return ReasoningDelta(text, choice) if reasoning else TextDelta(text, choice)
        return TextSnapshot(text, choice, reasoning, tokens, unseen, self)

    def fresh(self, text: str, tokens: int | None = None, unseen: int = 0) -> str:
        """What may be delivered now that this piece came. `tokens` are those so far; in all of the text so far, at most
        so many of them are `unseen`."""
        if self.incremental:
            return text
        if self.cumulative:
            return self._next(text)
        self._blank = not text
        if text:
            self._weigh(text, tokens)
        if tokens is not None:
            self._count(text, tokens, unseen)
        self._joined += text
        if self._evidence >= _PROOF:
            self.cumulative = self._proven = not self.incremental
        elif self._pieces >= PATIENCE and not self.incremental and not self._is_harmless():
            self._settle()
        return self._delivered()

    def rest(self) -> str:
        """What waits, when nothing more comes or something else does."""
        if not self.waits:
            return ""
        if not self.cumulative:
            self._settle()
        fresh = self._delivered()
        if not self.incremental and self._whole.rstrip(LOST) == self._said:
            fresh += self._whole[len(self._said) :]
            self._said = self._whole
        self.waits = False
        return fresh

    def _weigh(self, text: str, tokens: int | None) -> None:
        """What a piece tells that comes behind others."""
        before, after = self._whole.rstrip(LOST), text.rstrip(LOST)
        self._whole = text
        self._pieces += 1
        if not text.startswith(before):
            self.incremental = not before.startswith(after)  # a stop string may have been taken off
        elif before and len(after) > max(len(before), self._peak):
            self._evidence += _weight(before, after)
            if self._pieces == 2:
                self._within = _is_within_a_word(before[-1] + after[len(before)])
        elif before and tokens is not None and tokens == self._tokens:
            self._evidence = _PROOF  # said again, and no token was added
        self._peak = max(self._peak, len(after))

    def _count(self, text: str, tokens: int, unseen: int) -> None:
        """A token is a byte at least: what grows by fewer is not the text so far."""
        self._longest = max(self._longest, len(text.encode("utf-8", "replace")))
        if self._tokens is None:
            self._first = tokens, self._longest
        self._tokens = tokens
        self.incremental |= tokens - unseen - self._first[0] > self._longest - self._first[1]

    def _is_harmless(self) -> bool:
        """Whether a doubt keeps nothing back of what the text likely is."""
        return self._presumed and self._said.startswith(self._whole) and len(self._joined) < _LONG

    def _settle(self) -> None:
        # a word rarely begins with the whole of the word before it
        likely = self._presumed or (self._within and self._evidence > 1)
        self.cumulative = likely and not self._blank
        self.incremental = not self.cumulative

    def _delivered(self) -> str:
        said = len(self._said)
        if self.incremental:
            fresh = self._joined[said:]
            self._forget()
            return fresh
        if self.cumulative:
            self._joined = ""
            return self._next(self._whole)
        both = _shared(self._whole.rstrip(LOST), self._joined)
        self._said = self._joined[: max(both, said)]
        self.waits = len(self._joined) > len(self._said)
        return self._said[said:]

    def _forget(self) -> None:
        self.waits = False
        self._said = self._whole = self._joined = ""

    def _next(self, text: str) -> str:
        """What is new in the text so far."""
        self._whole, so_far, said = text, text.rstrip(LOST), self._said
        self.waits = len(so_far) < len(text)
        if so_far.startswith(said):
            self._said = so_far
            return so_far[len(said) :]
        if said.startswith(so_far):
            return ""
        if self._proven:
            self._said = so_far
            return _rewritten(said, so_far)
        self.incremental = True
        self._forget()
        return text


def _weight(before: str, after: str) -> int:
    """How much it tells that one piece begins with another: less where that is one letter, a word over and over, or no
    word."""
    letters = any(map(str.isalnum, before))
    if _repeats(before) or _repeats(after):
        return int(letters)
    return letters + (len(before) > 1 and not before.isspace())


def _repeats(text: str) -> bool:
    """Whether it is one word over and over."""
    return (text + text).find(text, 1) < len(text)


def _is_within_a_word(pair: str) -> bool:
    return pair.isascii() and pair.isalnum()


def _shared(one: str, other: str) -> int:
    """How many characters they begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _rewritten(said: str, text: str) -> str:
    """What to say of a text so far that does not begin with what was said."""
    same = _shared(said, text)
    if said[same:].strip() and len(said) < _LONG:
        rest = iter(text[same:])
        if all(character in rest for character in said[same:]):
            return "".join(rest)  # RAGFlow puts its citations between the words at the end
    return text[same:] if 2 * same >= len(said) else text
