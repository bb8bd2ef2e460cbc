"""Reasoning that a model wrote into its answer, between `<think>` and `</think>`, told apart while it comes."""

from sidecar.stream.events import ReasoningDelta, TextDelta

_OPEN, _CLOSE = "<think>", "</think>"
_BLANKS = 4096
"""Characters before the first word that may wait for a tag."""


class Thoughts:
    """One stream's, of all its choices."""

    def __init__(self) -> None:
        self._choices: dict[int, Thinking] = {}

    def split(self, said: TextDelta) -> list[TextDelta | ReasoningDelta]:
        """What can be told of this text, and of what was held back of its choice."""
        thinking = self._choices.setdefault(said.choice, Thinking())
        return _events(thinking.feed(said.text), said.choice)

    def rest(self, choice: int | None = None) -> list[TextDelta | ReasoningDelta]:
        """What was held back of a choice, or of all, because it might have become a tag."""
        held = [(n, thinking) for n, thinking in self._choices.items() if choice in (None, n)]
        return [event for n, thinking in held for event in _events(thinking.flush(), n)]


def _events(told: list[tuple[bool, str]], choice: int) -> list[TextDelta | ReasoningDelta]:
    return [ReasoningDelta(text, choice) if thoughts else TextDelta(text, choice) for thoughts, text in told]


class Thinking:
    """One choice. Only what the answer begins with is taken for thinking; a tag later on is text.

    `feed` gives (is reasoning, text) pairs; a tag that may be half there is held back until it is decided.
    """

    def __init__(self) -> None:
        self._held = ""
        self._tag = _OPEN  # the one that is waited for; empty when all that follows is text
        self._fresh = False  # behind a closing tag, before the first text

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """What can be told of the text so far."""
        if not self._tag and not self._fresh:
            return [(False, text)]
        self._held += text
        return self._opening() if self._tag == _OPEN else self._closing() if self._tag else self._text()

    def flush(self) -> list[tuple[bool, str]]:
        """The rest, when nothing more comes."""
        held, self._held = self._held, ""
        return [(self._tag == _CLOSE, held)] if held else []

    def _opening(self) -> list[tuple[bool, str]]:
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._held = begun[len(_OPEN) :]
            self._tag = _CLOSE
            return self._closing()
        if _OPEN.startswith(begun) and len(self._held) <= _BLANKS:
            return []
        self._tag = ""
        return self.flush()

    def _closing(self) -> list[tuple[bool, str]]:
        thoughts, closed, rest = self._held.partition(_CLOSE)
        if closed:
            self._tag, self._fresh, self._held = "", True, rest
            return ([(True, thoughts)] if thoughts else []) + self._text()
        keep = next((n for n in range(len(_CLOSE) - 1, 0, -1) if self._held.endswith(_CLOSE[:n])), 0)
        thoughts, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return [(True, thoughts)] if thoughts else []

    def _text(self) -> list[tuple[bool, str]]:
        """Models put empty lines behind the closing tag, which belong to neither."""
        text, self._held = self._held.lstrip("\n"), ""
        self._fresh = not text
        return [(False, text)] if text else []
