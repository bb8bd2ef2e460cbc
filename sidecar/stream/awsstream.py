"""AWS event-stream framing: binary messages with two checksums, as Bedrock and SageMaker send them.

Prelude of 12 bytes (total length, headers' length, CRC-32 of both), headers, payload, CRC-32 of all before it.
Described at smithy.io/2.0/aws/amazon-eventstream.html
"""

import json
import struct
import zlib

from sidecar.stream.framing import MAX_FRAME, TAIL_BYTES, Frame

_PRELUDE = struct.Struct(">III")
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # header value type -> its bytes
_STRING = 7
_BYTES = 6


class EventStream:
    """The framing. After a checksum that does not fit nothing can be told apart: the rest is only passed on."""

    limit = 0  # bytes of a message; 0: MAX_FRAME

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._handed = 0
        self._broken = False
        self._block = b""  # headers, which hardly differ from message to message
        self._said: dict[str, str] = {}

    def feed(self, chunk: bytes) -> list[Frame]:
        if self._broken:
            return [Frame(None, chunk)]
        self._buffer += chunk
        frames: list[Frame] = []
        while not self._broken and (size := self._size(frames)) and len(self._buffer) >= size:
            frames.append(self._cut(size))
        if len(self._buffer) - self._handed > TAIL_BYTES or (self._handed and self._handed < len(self._buffer)):
            frames.append(Frame(None, bytes(self._buffer[self._handed :]), whole=False))
            self._handed = len(self._buffer)
        return frames

    def eof(self) -> list[Frame]:
        rest = bytes(self._buffer[self._handed :])
        self._buffer.clear()
        return [Frame(b"", rest, partial=True)] if rest else []  # no message, and more than nothing: it was cut

    def _size(self, frames: list[Frame]) -> int:
        """The length of the message at the buffer's start; 0 while it is not known, or cannot be."""
        if len(self._buffer) < _PRELUDE.size:
            return 0
        total, headers, checksum = _PRELUDE.unpack_from(self._buffer)
        if zlib.crc32(self._buffer[:8]) != checksum:
            frames.append(self._fault("a message whose prelude has a wrong checksum"))
        elif not 16 + headers <= total <= (self.limit or MAX_FRAME):
            frames.append(self._fault(f"a message of {total} bytes with {headers} bytes of headers"))
        else:
            return int(total)
        return 0

    def _cut(self, size: int) -> Frame:
        message = bytes(self._buffer[:size])
        if zlib.crc32(message[:-4]) != int.from_bytes(message[-4:], "big"):
            return self._fault("a message with a wrong checksum")
        raw = message[self._handed :]
        del self._buffer[:size]
        self._handed = 0
        end = 12 + int.from_bytes(message[4:8], "big")
        if message[12:end] != self._block:
            self._block = message[12:end]
            self._said = _headers(self._block)  # 2.5 us
        said = self._said
        name = said.get(":event-type") or said.get(":exception-type") or said.get(":error-code", "")
        if said.get(":message-type") in ("exception", "error") and not name.endswith("Exception"):
            name += "Exception"
        # an error without a payload says in a header what went wrong
        told = b'{"message":%s}' % json.dumps(said.get(":error-message", "")).encode()
        return Frame(message[end:-4] or (told if ":error-message" in said else b"{}"), raw, name)

    def _fault(self, what: str) -> Frame:
        self._broken = True
        rest = bytes(self._buffer[self._handed :])
        self._buffer.clear()
        self._handed = 0
        return Frame(None, rest, fault=what)


def _headers(block: bytes) -> dict[str, str]:
    """The string headers; a block that lies about its lengths gives what could be read."""
    found: dict[str, str] = {}
    at = 0
    while at < len(block):
        name_end = at + 1 + block[at]
        name = block[at + 1 : name_end].decode("utf-8", "replace")
        kind = block[name_end] if name_end < len(block) else 0
        at = name_end + 1
        if kind in (_STRING, _BYTES):
            size = int.from_bytes(block[at : at + 2], "big")
            value = block[at + 2 : at + 2 + size]
            at += 2 + size
            if kind == _STRING:
                found[name] = value.decode("utf-8", "replace")
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            break
    return found
