"""What was told, part by part, so that who says a whole text tells only what is missing of it.

Servers say a text up to five times: in deltas, and whole at the end of the text, of its part, of its item and of the
answer; each of them may be left out. The indexes that tell parts apart are missing, constant or rotating on some, so
words decide first: a whole that stands in what was told was told, and one that goes on where that ends is its rest;
only then do indexes decide, and the order. Where a whole says something else than its deltas did, the deltas stand.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

MAX_SAID = 4 << 20
"""Characters that are kept of one stream; beyond it nothing is completed any more."""

MAX_PARTS = 1024
"""Parts that are kept of one stream; beyond it nothing is completed any more."""

MAX_THINGS = 1 << 16
"""Things besides words that are known of one stream; beyond it none is told any more."""

PENDING = 512
"""Pieces that wait to be joined: one by one they take 16 times their length."""

TEXT, PART, ITEM, ANSWER = range(4)
"""The levels: what ends where a whole is said."""

Key = tuple[str, int | None, int | None]
"""The voice (`reasoning.summary` is one of `reasoning`), and two indexes, None where they are not told."""


class _Part:
    __slots__ = ("key", "open", "read", "texts")

    def __init__(self, key: Key, text: str = "") -> None:
        self.key = key
        self.open = True  # deltas may go on with it
        self.texts = [text]
        self.read = [0, 0, 0, 0]  # how much of it the wholes of each level have said

    @property
    def text(self) -> str:
        if len(self.texts) > 1:
            self.texts = ["".join(self.texts)]
        return self.texts[0]

    def left(self, level: int) -> str:
        """What no whole of this level has said yet."""
        return self.text[self.read[level] :]

    def fits(self, key: Key) -> bool:
        """Whether nothing tells this part from the one of `key`."""
        voice, *mine = self.key
        return voice == key[0] and all(a == b or a is None or b is None for a, b in zip(mine, key[1:], strict=True))


class Said:
    """One stream's. Pieces of the part that was told last may also be put into `heard`, up to `PENDING` of them."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.lost = False  # whether it is unknown what was told
        self._parts: list[_Part] = []
        self._open: dict[Key, _Part] = {}
        self._key: Key | None = None  # whose pieces are in `heard`
        self._size = 0

    def add(self, key: Key, text: str) -> None:
        """A piece of a text is told."""
        if key != self._key or len(self.heard) >= PENDING:
            self._turn(key)
        self.heard.append(text)

    def begin(self, output: int | None) -> None:
        """An item or a part of it begins: deltas of the same index belong to another text than those before."""
        self._settle()
        for key in [key for key in self._open if output is None or key[1] in (None, output)]:
            self._open.pop(key).open = False

    def missing(self, wholes: list[tuple[Key, str]], level: int) -> list[str]:
        """What was not told of each of these, and is now: all the texts of a part, an item or the answer."""
        self._settle()
        rests = [""] * len(wholes)
        waiting = [] if self.lost else [place for place, (_, text) in enumerate(wholes) if text]
        for finds in _OF_ANSWER if level == ANSWER else _WAYS:
            for place in waiting[:]:
                key, text = wholes[place]
                parts = [part for part in self._parts if _family(part.key) == _family(key)]
                rest = finds(parts, key, text, level)
                if rest is not None:
                    waiting.remove(place)
                    rests[place] = rest
        for place in waiting:
            rests[place] = self._new(*wholes[place], level)
        for key, text in wholes:
            if text and (part := self._open.pop(key, None)):
                part.open = False
        self._size += sum(map(len, rests))
        return rests

    def _new(self, key: Key, text: str, level: int) -> str:
        part = _Part(key, text)
        part.read[level] = len(text)
        part.open = False
        self._parts.append(part)
        return text

    def _turn(self, key: Key) -> None:
        self._settle()
        self._key = key
        if key not in self._open and not self.lost:
            self._open[key] = _Part(key)
            self._parts.append(self._open[key])

    def _settle(self) -> None:
        """What waits is of the part that was told last."""
        if self.heard and not self.lost and self._key:
            text = "".join(self.heard)
            self._open[self._key].texts.append(text)
            self._size += len(text)
        self.heard.clear()
        self._key = None
        if self._size > MAX_SAID or len(self._parts) > MAX_PARTS:
            self.lost = True
            self._parts, self._open = [], {}


class Once:
    """What one stream told besides words: a thing that comes again is known by its id, or else by all that it says."""

    def __init__(self) -> None:
        self._marks: set[int] = set()

    def new(self, thing: Any) -> bool:
        """Whether it was not told yet."""
        said: list[Any] = [thing]
        if isinstance(thing, dict):
            said = [{key: value for key, value in thing.items() if key not in ("id", "status")}]
            said += [(thing["id"], thing.get("type"))] if thing.get("id") else []
        marks = {hash(msgspec.json.encode(one, order="sorted")) for one in said}
        if marks & self._marks or len(self._marks) > MAX_THINGS:
            return False
        self._marks |= marks
        return True


def _family(key: Key) -> str:
    return key[0].partition(".")[0]


def _same(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told, as the part of this key."""
    return _equal([part for part in parts if part.fits(key)], key, text, level)


def _equal(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told, whatever its key was."""
    return next((_read([part], text, level) for part in parts if part.left(level) == text), None)


def _within(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told, as the beginning of a part or in several: where a part ends was not seen, or a key changed within it."""
    for run in _runs(parts, text, level):
        sure = len(run) > 1 or level == ANSWER or run[0].fits(key)
        if sure and sum(len(part.left(level)) for part in run) >= len(text):
            return _read(run, text, level)
    return None


def _begun(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told but for its end."""
    for run in _runs(parts, text, level):
        told = sum(len(part.left(level)) for part in run)
        last = run[-1] is parts[-1]
        fresh = last and run[-1].open and not any(run[-1].read)
        sure = (last and len(run) > 1) or level == ANSWER or fresh or run[0].fits(key)
        if sure and told < len(text):
            run[-1].texts.append(text[told:])
            _read(run, text, level)
            return text[told:]
    return None


def _otherwise(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told in other words, as the part of this key."""
    return _anyhow([part for part in parts if part.fits(key)], key, text, level)


def _anyhow(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told in other words: something was told that no other whole of this level has said."""
    return next((_read([part], part.left(level), level) for part in parts if part.left(level)), None)


def _again(parts: list[_Part], key: Key, text: str, level: int) -> str | None:
    """Told by this level already: the frame came twice."""
    return "" if any(part.fits(key) and part.text == text for part in parts) else None


_WAYS = (_same, _equal, _within, _begun, _otherwise, _again)
_OF_ANSWER = (_same, _equal, _within, _begun, _otherwise, _anyhow)


def _read(run: list[_Part], text: str, level: int) -> str:
    """The whole is accounted for; nothing of it is missing."""
    size = len(text)
    for part in run:
        size -= (of_it := min(size, len(part.left(level))))
        part.read[level] += of_it
    return ""


def _runs(parts: list[_Part], text: str, level: int) -> Iterator[list[_Part]]:
    """Parts in a row whose text is as this one as far as both go, the longer row first."""
    unread = [part for part in parts if part.left(level)]
    for at in range(len(unread)):
        run, told = [], ""
        for part in unread[at:]:
            told += part.left(level)
            if not text.startswith(told[: len(text)]):
                break
            run.append(part)
            if len(told) >= len(text):
                break
        yield from (run[:size] for size in range(len(run), 0, -1))
