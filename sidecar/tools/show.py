"""What the demo prints: 80 columns, colours only on a terminal that wants them."""

import asyncio
import os
import re
import sys
from collections.abc import Iterable
from textwrap import wrap
from typing import TextIO

import msgspec

WIDTH = 80
READING = 2.0
CODES = {"title": "1", "backend": "2", "client": "36", "good": "32", "bad": "1;31", "note": "33", "plain": "0"}


class Verdict(msgspec.Struct, frozen=True):
    """What a scene should have shown and what it did. `state` is ok, FAILED or skipped."""

    scene: str
    expected: str
    seen: str
    state: str

    @classmethod
    def of(cls, scene: str, expected: str, seen: str, ok: bool) -> "Verdict":
        """ok or FAILED."""
        return cls(scene, expected, seen, "ok" if ok else "FAILED")


class Show:
    """The stage's front: lanes of text, with the open line closed before a new one begins."""

    def __init__(self, out: TextIO | None = None):
        self.out = out or sys.stdout
        self.colours = self.out.isatty() and not os.environ.get("NO_COLOR")
        self._column = 0

    async def title(self, number: int, name: str, sentence: str) -> None:
        """A new scene, with time to read what it is about where a person watches."""
        self._print("")
        self._print(self._paint("title", f" {number}  {name}"))
        for line in wrap(sentence, WIDTH - 4):
            self._print(f"    {line}")
        self._print("")
        await asyncio.sleep(READING if self.out.isatty() else 0)

    def line(self, lane: str, text: str, style: str = "plain") -> None:
        """One line, cut to the width: who speaks, and what."""
        self._print(f"    {lane:<9}" + self._paint(style, clip(text, WIDTH - 13)))

    def tell(self, lane: str, text: str, style: str = "plain") -> None:
        """The same uncut: folded beside its lane."""
        for line in fold(text, WIDTH - 13):
            self.line(lane, line, style)
            lane = ""

    def say(self, text: str, style: str = "plain") -> None:
        """A sentence, wrapped."""
        for line in wrap(text, WIDTH - 4, break_long_words=False, break_on_hyphens=False):
            self._print("    " + self._paint(style, line))

    def raw(self, text: str) -> None:
        """Lines to be pasted, untouched."""
        self._print(text)
        self._print("")

    def inline(self, lane: str, text: str, style: str = "plain") -> None:
        """More text on the open line of this lane, wrapped as it comes."""
        text = text.replace("\n", " ")
        if self._column and self._column + len(text) > WIDTH:
            self.end()
            lane = ""
        if not self._column:
            text = text.lstrip()
            self._write(f"    {lane:<9}")
            self._column = 13
        self._column += len(text)
        self._write(self._paint(style, text))

    def end(self) -> None:
        """Closes the open line."""
        if self._column:
            self._write("\n")
        self._column = 0

    def summary(self, verdicts: Iterable[Verdict]) -> None:
        """The table at the end."""
        self._print("")
        self._print(self._paint("title", " What was expected, what was seen"))
        self._print("")
        styles = {"ok": "good", "FAILED": "bad", "skipped": "note"}
        for verdict in verdicts:
            state = self._paint(styles[verdict.state], f"{verdict.state:<8}")
            self._print(f"    {state}{self._paint('title', verdict.scene)}")
            for label, text in (("expected", verdict.expected), ("seen", verdict.seen)):
                first, *more = wrap(text, WIDTH - 22) or [""]
                self._print(f"            {label:<9} {first}")
                for line in more:
                    self._print(" " * 22 + line)

    def _paint(self, style: str, text: str) -> str:
        return f"\x1b[{CODES[style]}m{text}\x1b[0m" if self.colours and style != "plain" else text

    def _print(self, text: str) -> None:
        self.end()
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()


def fold(text: str, width: int) -> list[str]:
    """The text in lines that end at a blank or, as JSON has none, at a comma."""
    lines = [""]
    for piece in re.findall(r"[^ ,]*[ ,]*", text):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def clip(text: str, width: int) -> str:
    """The text on one line of this width."""
    flat = text.replace("\n", " ")
    return flat if len(flat) <= width else flat[: width - 1] + "…"
