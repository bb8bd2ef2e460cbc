"""One JSON object in pieces of text: whether its brackets have closed, which parses nothing and looks once at each."""

import re

_OUTSIDE = re.compile(r'["{}]')
_INSIDE = re.compile(r'["\\]')


class Brackets:
    """What was fed, as one text. `whole` is whether an object's brackets close at its end and not before."""

    def __init__(self, text: str = "") -> None:
        self._begun = self._closed = self._failed = False
        self._depth = 0
        self._inside = False  # a string
        self._escaped = False
        self.feed(text)

    @property
    def whole(self) -> bool:
        return self._closed and not self._failed

    def feed(self, text: str) -> None:
        """More of the text."""
        at = 0
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
            self._failed = self._begun and text[0] != "{"
        elif self._escaped and text:
            self._escaped, at = False, 1
        while not self._failed and not self._closed and (found := self._next(text, at)):
            at = found.end()
            self._take(found[0])
            if self._inside and found[0] == "\\":
                self._escaped = at == len(text)
                at += 1
        self._failed = self._failed or (self._closed and bool(text[at:].strip()))

    def _next(self, text: str, at: int) -> re.Match[str] | None:
        return (_INSIDE if self._inside else _OUTSIDE).search(text, at)

    def _take(self, mark: str) -> None:
        if mark == '"':
            self._inside = not self._inside
        elif mark in "{}":
            self._depth += 1 if mark == "{" else -1
            self._closed = self._depth == 0
