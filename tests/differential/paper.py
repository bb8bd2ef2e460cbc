"""Server-sent events as servers write them, and how the connection may fail them."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.differential.answer import Answer
from tests.differential.dice import Dice

COMMENTS = {"plain": b": keep-alive", "empty": b":", "OpenRouter": b": OPENROUTER PROCESSING", "tight": b":ping"}
ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


class Stream(NamedTuple):
    """A body in the pieces that are written, whether the connection then ends well, and what is true of it.

    `misled` names what the SDK is known to read otherwise: there the truth alone decides.
    """

    path: str
    pieces: list[bytes]
    whole: bool
    truth: Answer
    strange: set[str]
    misled: set[str]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class Paper:
    """The events of one stream; `ends_at` is the first of them that may be the answer's end, `escapes` whether its JSON
    is ASCII. A cut before `cut_from` would look like an end."""

    def __init__(self, dice: Dice, named: bool = False) -> None:
        self.frames: list[bytes] = []
        self.ends_at: int | None = None
        self.cut_from = 0
        self._says = 0
        self._dice = dice
        self._chance = dice.of("paper")
        self._named = named
        self._end = ENDS[dice.way("line end", "lf", "crlf", "cr")]
        self._colon = b":" if dice.maybe("no blank behind the colon") else b": "
        self.escapes = dice.way("letters", "escaped", "as they are") == "escaped"
        self._blanks = dice.way("JSON", "with blanks", "without blanks", "over several lines", "other order")
        self._ids = dice.maybe("ids of events")
        self._comment = COMMENTS.get(dice.way("comments", "none", *COMMENTS))
        self._bare = dice.maybe("comments without a blank line") and not self._ids
        self._alive = dice.way("keep-alive as data", "none", "ping", "keepalive", "null", "{}", "empty")
        self._name = dice.way("event name", "none", "message") if not named else "none"
        self._apart = named and dice.maybe("a comment splits events")
        if dice.maybe("byte order mark"):
            self.frames.append(b"\xef\xbb\xbf")

    def say(self, said: Mapping[str, Any], name: str = "") -> None:
        self._between()
        self.frames.append(self.block(self.json(said), name))
        self._says += 1
        if self._alive != "none" and self._says == 2:
            self.cut_from = max(self.cut_from, len(self.frames))  # before, its words could be an answer in plain text

    def json(self, said: Mapping[str, Any]) -> str:
        if self._blanks == "over several lines":
            return json.dumps(said, ensure_ascii=self.escapes, indent=1)
        if self._blanks == "other order":
            said = dict(self._chance.sample(list(said.items()), len(said)))
        tight = (",", ":") if self._blanks == "without blanks" else None
        return json.dumps(said, ensure_ascii=self.escapes, separators=tight)

    def block(self, data: str, name: str = "") -> bytes:
        """One event."""
        name = name or ("message" if self._name == "message" else "")
        lines = [b"id%s%d" % (self._colon, len(self.frames))] if self._ids else []
        lines += [b"event" + self._colon + name.encode()] if name else []
        lines += [b": keep-alive", b""] if name and self._apart and self._chance.random() < 0.3 else []
        lines += [b"data" + self._colon + line.encode() for line in data.split("\n")]
        return self._end.join([*lines, b"", b""])

    def _between(self) -> None:
        """What keeps the connection alive."""
        if self._comment and self._chance.random() < 0.4:
            self.frames.append(self._comment + self._end * (1 if self._bare else 2))
        if self._alive != "none" and self._chance.random() < 0.3:
            self.frames.append(self.block("" if self._alive == "empty" else self._alive))

    def ends(self) -> None:
        """The next event may be the answer's end."""
        if self.ends_at is None:
            self.ends_at = len(self.frames)

    def stream(self, path: str, truth: Answer, misleads: Mapping[str, str], errors: Mapping[str, Any]) -> Stream:
        """What is sent of it; `errors` are the ways to fail in-band, with the message that each tells."""
        fate = self._dice.way("fate", "whole", "cut", "cut", "cut well", "error", "error")
        ends_at = len(self.frames) if self.ends_at is None else self.ends_at
        if fate.startswith("cut") and self.cut_from >= ends_at > 0:
            fate = "whole"
        whole = fate != "cut" and (fate != "cut well" or self.cut_from == 0)
        if fate.startswith("cut"):
            body, least = b"".join(self.frames[:ends_at]), len(b"".join(self.frames[: self.cut_from]))
            self.frames = [body[: self._chance.randrange(least, len(body))]] if body else []
            truth = truth._replace(failed="")
        elif fate == "error":
            self.frames = self.frames[: self._chance.randrange(min(self.cut_from, ends_at), ends_at + 1)]
            kind = self._dice.of("error").choice(list(errors))
            for each in errors[kind]:
                self.frames.append(each if isinstance(each, bytes) else self.block(self.json(each[1]), each[0]))
            self._dice.strange.add(f"error: {kind}")
            truth = truth._replace(failed=MESSAGE)
        strange = self._dice.strange
        return Stream(path, self._pieces(), whole, truth, strange, strange & {*misleads, *MISLEADS})

    def _pieces(self) -> list[bytes]:
        way = self._dice.way("writes", "an event each", "all at once", "bits")
        body = b"".join(self.frames)
        if way == "all at once":
            return [body]
        if way == "an event each":
            return [frame for frame in self.frames if frame]
        pieces, at = [], 0
        while at < len(body):
            size = self._chance.choice((1, 2, 7, 40, 300))
            pieces.append(body[at : at + size])
            at += size
        return pieces


MESSAGE = "the model fell asleep"
"""What every in-band error tells."""

MISLEADS = {
    "byte order mark: yes": "the first line has another name",
    "fate: cut well": "a body that ends well is whole to the SDK, whatever it lacks",
    "a comment splits events: yes": "the blank line behind the comment parts an event's name from its data",
}
"""What SDKs read otherwise in every dialect."""
