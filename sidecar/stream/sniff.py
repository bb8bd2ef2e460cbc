"""Which framing a body has, told from its first bytes."""

import re

from sidecar.stream.awsstream import EventStream
from sidecar.stream.framing import BOM, NDJSON, TAIL_BYTES, Frame, Framing, Text
from sidecar.stream.jsonarray import CodeLines, JSONArray, JSONValues
from sidecar.stream.sse import SSE

_NEXT = (b"{", b"[", b",", b"\x1e", b"\0")
_WORDS = 200
"""Bytes of a quotation at the beginning that may wait for its line to end."""


class Sniff:
    """The framing that the first bytes show, whatever the headers said. Waits for as few bytes as decide it.

    `event_stream` is what the content type says; `text` whether the body may have no framing at all.
    """

    _FIELDS = (b"data", b"event", b"id", b"retry", b"error")
    _FIELD = re.compile(rb"[A-Za-z_-]{1,63}:")
    _EVENT = re.compile(rb"[A-Za-z_-]{1,63}:\r?\n(?:data|event|id):")  # Flowise begins its events with `message:`
    _BEGUN = re.compile(rb"[A-Za-z_-]{1,63}:\r?(?:\n[a-z]{0,5})?")
    _STRINGS = re.compile(rb'(?:"(?:[^"\\\n]|\\.)*"\r?\n){2}')  # two lines, since a text may begin with a quotation
    _STRINGS_BEGUN = re.compile(rb'"(?:[^"\\\n]|\\.)*(?:\\|"\r?(?:\n(?:"(?:[^"\\\n]|\\.)*(?:\\|"\r?)?)?)?)?')

    def __init__(self, event_stream: bool = False, text: bool = True) -> None:
        self._event_stream = event_stream
        self._unframed: type[SSE | Text] = Text if text else SSE
        self._head = b""
        self.chosen: Framing | None = None
        self.limit = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        if self.chosen:
            return self.chosen.feed(chunk)
        self._head += chunk
        self.chosen = self._choose(self._head)
        if not self.chosen:
            return []
        self.chosen.limit = self.limit
        head, self._head = self._head, b""
        return self.chosen.feed(head)

    def eof(self) -> list[Frame]:
        frames: list[Frame] = []
        if not self.chosen:
            self.chosen = self._cut_short(self._head)
            self.chosen.limit = self.limit
            frames = self.chosen.feed(self._head)
        return frames + self.chosen.eof()

    def _empty(self, head: bytes) -> bool:
        return BOM.startswith(head) or not head.removeprefix(BOM).strip()

    def _cut_short(self, head: bytes) -> Framing:
        body = head.removeprefix(BOM).strip()
        if self._empty(head) or self._event_stream and any(name.startswith(body) for name in self._FIELDS):
            return SSE()
        return JSONArray() if body == b"[" else NDJSON() if body[:1] == b"{" else self._unframed()

    def _choose(self, head: bytes) -> Framing | None:
        if (chosen := self._look(head[:TAIL_BYTES])) or len(head) < TAIL_BYTES:
            return chosen
        return NDJSON() if head[:TAIL_BYTES].removeprefix(BOM).lstrip()[:1] == b"{" else self._unframed()

    def _look(self, head: bytes) -> Framing | None:
        if head.startswith((b"data:", b"event:")):
            return SSE()  # nearly always: 0.3 us against 3 us
        if self._empty(head):
            return None
        body = head.removeprefix(BOM).lstrip()
        if body[:1] == b"{":
            return self._objects(body)
        if body[:1] == b"[":
            return self._array(body)
        if head[:1] == b"\0":
            # a length of four bytes, and no message is so long that the first is not zero
            return EventStream()
        if CodeLines.FIRST.match(body):
            return CodeLines()
        if len(body) < 3 and CodeLines.FIRST.match(body + b':"'[len(body) - 1 :]):
            return None
        if body[:1] == b":":
            return SSE()
        if body[:1] == b"\x1e" or body.startswith(JSONValues.GUARD) or JSONValues.LENGTH.match(body):
            return JSONValues()
        if JSONValues.GUARD.startswith(body) or JSONValues.BEGUN.fullmatch(body):
            return None
        if body[:1] == b'"' and len(body) < _WORDS:
            if self._STRINGS.match(body):
                return NDJSON()
            if self._STRINGS_BEGUN.fullmatch(body):
                return None
        field = re.split(rb"[:\r\n]", body, maxsplit=1)[0]
        ended = len(field) < len(body)
        if ended and (field in self._FIELDS or self._event_stream and self._FIELD.match(body)):
            return SSE()
        if self._EVENT.match(body):
            return SSE()
        if self._BEGUN.fullmatch(body):
            return None
        waiting = not ended and (
            any(name.startswith(field) for name in self._FIELDS) or self._event_stream and len(field) < 64
        )
        return None if waiting else self._unframed()

    def _objects(self, body: bytes) -> Framing | None:
        """Lines of them, or one behind the other without an end of line."""
        line, ended, _ = body.partition(b"\n")
        if ended and b"}" not in line[:-1]:
            return NDJSON()
        end = JSONValues.end(line)
        rest = line[end:].strip() if end > 0 else b""
        if rest:
            return JSONValues() if rest[:1] in _NEXT else NDJSON()
        return NDJSON() if ended else None

    def _array(self, body: bytes) -> Framing | None:
        """An array of objects, or text that happens to begin with a bracket."""
        first = body[1:].lstrip()[:1]
        return None if not first else JSONArray() if first in (b"{", b"]") else self._unframed()


def framing(dialect: str, event_stream: bool) -> Framing:
    """The framing of a body in this dialect, or in any; `event_stream` is what the content type says."""
    if dialect == "text":  # any of it is text, JSON too, so nothing can be told from its first bytes
        return SSE() if event_stream else Text()
    return Sniff(event_stream, dialect in ("auto", "homemade"))
