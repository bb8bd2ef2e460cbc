"""The two framings of a request's body, taken apart without I/O.

A framing is fed bytes and gives those of the body. `over` is whether its end was seen, `rest` what came after it.

llhttp does not frame here: httptools cannot say at which byte a message ended, and all that follows a request must be
left alone while the request runs. It also bounds neither chunk extensions nor trailers.
"""

import re
from collections.abc import Callable

MAX_LINE = 1024
"""Bytes of a chunk's size line, extension included."""
MAX_TRAILERS = 8 << 10

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_HALF_SIZE = re.compile(rb"(?:[0-9A-Fa-f]{1,16}(?:;[\t\x20-\x7e\x80-\xff]*)?\r?)?")
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_HALF_TRAILER = re.compile(rb"\r|[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?::[\t\x20-\x7e\x80-\xff]*\r?)?")


class Malformed(Exception):
    """The body is not framed as HTTP says; what was read of it cannot be trusted to be whole."""


class Counted:
    """A body of `length` bytes."""

    __slots__ = ("_left", "over", "rest")

    def __init__(self, length: int) -> None:
        self._left = length
        self.over = not length
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        if len(data) > self._left:
            data, self.rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self.over = not self._left
        return data


class Chunked:
    """A chunked body (RFC 9112, 7.1), to the letter: no bare LF, no white space, bounded; trailers are dropped."""

    __slots__ = ("_held", "_left", "_step", "_trailers", "over", "rest")

    def __init__(self) -> None:
        self.over = False
        self.rest = b""
        self._held = b""  # the beginning of a line
        self._left = 0
        self._trailers = 0
        self._step: Callable[[Chunked, bytes, int, list[bytes]], int] = Chunked._size

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body among these. Raises Malformed."""
        self._held, data = b"", self._held + data
        at = 0
        out: list[bytes] = []
        while at < len(data) and not self.over:
            taken = self._step(self, data, at, out)
            if not taken:
                self._held = data[at:]
                break
            at += taken
        if self.over:
            self.rest = data[at:]
        return out[0] if len(out) == 1 else b"".join(out)

    def _size(self, data: bytes, at: int, out: list[bytes]) -> int:
        line = _SIZE.match(data, at, at + MAX_LINE)
        if line:
            self._left = int(line[1], 16)
            self._step = Chunked._data if self._left else Chunked._trailer
            return line.end() - at
        if len(data) - at >= MAX_LINE or not _HALF_SIZE.fullmatch(data, at):
            raise Malformed("a chunk's size")
        return 0

    def _data(self, data: bytes, at: int, out: list[bytes]) -> int:
        piece = data[at : at + self._left]
        out.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = Chunked._end_of_data
        return len(piece)

    def _end_of_data(self, data: bytes, at: int, out: list[bytes]) -> int:
        if data.startswith(b"\r\n", at):
            self._step = Chunked._size
            return 2
        if data[at:] != b"\r":
            raise Malformed("the end of a chunk")
        return 0

    def _trailer(self, data: bytes, at: int, out: list[bytes]) -> int:
        if data.startswith(b"\r\n", at):
            self.over = True
            return 2
        line = _TRAILER.match(data, at)
        if not line and not _HALF_TRAILER.fullmatch(data, at):
            raise Malformed("a trailer")
        size = line.end() - at if line else 0
        self._trailers += size
        if self._trailers + (0 if line else len(data) - at) > MAX_TRAILERS:
            raise Malformed("the size of the trailers")
        return size
