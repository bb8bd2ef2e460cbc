"""Bytes in, frames out: where one message ends and the next begins. Nothing here knows what a message means.

Every framing keeps all bytes: the `raw` of its frames, joined, is the input. No framing decodes text, so a
frame's meaning cannot depend on how the network cut it. Every buffer is bounded by `MAX_FRAME`; a frame beyond
it is handed on undecoded, with its `fault` said.
"""

from typing import Protocol

import msgspec

MAX_FRAME = 64 << 20
"""Bytes of one frame that are kept to be decoded, unless a framing is told otherwise by its `limit`. Images arrive as
one `data:` line of up to 40 megabytes."""

TAIL_BYTES = 64 << 10
"""An unfinished frame is handed on in pieces beyond this, so that passing bytes through never waits for its end."""

BOM = b"\xef\xbb\xbf"


class Frame(msgspec.Struct, gc=False):
    """One message of any framing.

    `data` is the payload (None: nothing to decode, only bytes to pass on), `name` the event name if the framing
    has one, `raw` the exact bytes not handed out before, comments and blank lines before the frame included.
    `whole` is False for a piece of an unfinished frame; `partial` marks the unterminated rest at the end.
    """

    data: bytes | None
    raw: bytes
    name: str = ""
    id: str = ""
    whole: bool = True
    partial: bool = False
    fault: str = ""


class Framing(Protocol):
    """What a framing can do. Neither method raises: a fault is a frame's."""

    limit: int

    def feed(self, chunk: bytes) -> list[Frame]: ...

    def eof(self) -> list[Frame]: ...


class Delimited:
    """Frames that end at a delimiter: the buffer, its bound, and the pieces of an unfinished frame."""

    limit = 0  # bytes of a frame; 0: MAX_FRAME
    _overlap = 0  # how far a delimiter may reach back over a cut

    def __init__(self) -> None:
        self._tail = bytearray()
        self._handed = 0  # bytes of the tail that went out as pieces
        self._scanned = 0  # no delimiter ends in the tail before here
        self._lost = 0  # bytes of the unfinished frame that are no longer kept

    def feed(self, chunk: bytes) -> list[Frame]:
        if self._tail or self._lost:
            self._tail += chunk
            end = self._end(self._tail, self._scanned)
            if end < 0:
                return self._wait()
            chunk = bytes(self._tail)
            self._tail.clear()
        else:
            end = self._end(chunk, 0)
        frames = []
        start = 0
        while end >= 0:
            frames.append(self._cut(chunk[start:end] if start or end < len(chunk) else chunk))
            start = end
            end = self._end(chunk, start) if start < len(chunk) else -1
        if start < len(chunk):
            self._tail += chunk[start:]
            frames += self._wait()
        return frames

    def eof(self) -> list[Frame]:
        if not self._tail and not self._lost:
            return []
        frame = self._cut(bytes(self._tail))
        frame.partial = True
        self._tail.clear()
        return [frame]

    def _cut(self, block: bytes) -> Frame:
        handed, lost = self._handed, self._lost
        self._handed = self._scanned = self._lost = 0
        most = self.limit or MAX_FRAME
        if lost or len(block) > most:
            return Frame(None, block[handed:], fault=f"a frame of {lost + len(block)} bytes, more than {most}")
        frame = self._frame(block)
        if handed:
            frame.raw = block[handed:]
        return frame

    def _wait(self) -> list[Frame]:
        size = len(self._tail)
        self._scanned = max(0, size - self._overlap)
        if size - self._handed <= TAIL_BYTES and not self._handed:
            return []
        piece = Frame(None, bytes(self._tail[self._handed :]), whole=False)
        self._handed = size
        if size > (self.limit or MAX_FRAME):
            keep = self._tail[-self._overlap :] if self._overlap else b""
            self._lost += size - len(keep)
            self._tail[:] = keep
            self._handed = len(keep)
            self._scanned = 0
        return [piece]

    def _end(self, buffer: bytes | bytearray, start: int) -> int:
        raise NotImplementedError

    def _frame(self, block: bytes) -> Frame:
        raise NotImplementedError


class NDJSON(Delimited):
    """One JSON value a line. A body whose first line is a bracket alone is one document, printed over many lines."""

    def __init__(self) -> None:
        super().__init__()
        self._document: bool | None = None

    def _end(self, buffer: bytes | bytearray, start: int) -> int:
        while not self._document:
            end = buffer.find(b"\n", start) + 1
            if not end:
                return -1
            line = buffer[buffer.rfind(b"\n", 0, end - 1) + 1 : end] if self._document is None else b""
            if line := bytes(line).removeprefix(BOM).strip():
                self._document = line in (b"{", b"[")
                continue
            return end
        return -1

    def _frame(self, block: bytes) -> Frame:
        return Frame(block.removeprefix(BOM).strip() or None, block)


class Text:
    """No framing at all: every piece of bytes is a frame, cut where UTF-8 allows."""

    limit = 0

    def __init__(self) -> None:
        self._rest = b""
        self._first = True

    def feed(self, chunk: bytes) -> list[Frame]:
        block = self._rest + chunk
        cut = len(block) - _unfinished_utf8(block)
        self._rest = block[cut:]
        return [self._frame(block[:cut])] if cut else []

    def eof(self) -> list[Frame]:
        rest, self._rest = self._rest, b""
        return [self._frame(rest)] if rest else []

    def _frame(self, block: bytes) -> Frame:
        first, self._first = self._first, False
        return Frame(block.removeprefix(BOM) if first else block, block)


def _unfinished_utf8(block: bytes) -> int:
    """How many bytes at the end begin a character that is not there yet (0 to 3)."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte & 0xC0 != 0x80:
            need = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
            return back if back < need else 0
    return 0
