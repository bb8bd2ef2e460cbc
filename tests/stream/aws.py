"""AWS event-stream messages, built as smithy.io describes them."""

import struct
import zlib


def header(name: str, value: str) -> bytes:
    """One string header."""
    key, text = name.encode(), value.encode()
    return bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(text)) + text


def message(name: str, payload: bytes, kind: str = "event", headers: bytes = b"") -> bytes:
    """An `event` or `exception` of that name; `headers` are further ones, in bytes."""
    block = header(f":{kind}-type", name) + header(":content-type", "application/json") + header(":message-type", kind)
    return framed(block + headers, payload)


def framed(headers: bytes, payload: bytes) -> bytes:
    """The message of this block of headers and this payload, with both checksums."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))
