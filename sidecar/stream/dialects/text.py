"""Plain text: what is not framed, or framed and not JSON. It ends where the body ends cleanly.

In frames a word in brackets may be the end (`[END]`, `<EOS>`), or an error (`[ERROR] what happened`).
"""

import re
from collections.abc import Iterable
from typing import Any

from sidecar.stream import failure
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, TextDelta
from sidecar.stream.framing import BOM, Frame

_END = re.compile(
    rb"[\[<({_#|]+(?:done|end|eos|eof|stop|finish(?:ed)?|complete[d]?|end_?of_?(?:stream|text|message)|stream_?end|/s)[\]>)}_#|]+",
    re.IGNORECASE,
)
_BRACKETS = (b"[", b"<", b"(", b"_", b"#")
_ERROR = re.compile(rb"[\[<](?:stream[ _])?(?:error|exception)(?:[\]>]:?|:)\s*(.*?)\]?", re.IGNORECASE | re.DOTALL)


def matches(frame: Frame, said: Any) -> bool:
    """All but a JSON object, whole or broken: a cut or garbled frame must not be shown to a reader. Nor a list of
    objects in an event that has a name."""
    listed = bool(frame.name) and isinstance(said, list) and bool(said) and isinstance(said[0], dict)
    return (frame.data or b"").lstrip()[:1] != b"{" and not listed


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    last = last_word(frame)
    if last:
        return [last]
    text = (frame.data or b"").decode("utf-8", "replace")
    return [TextDelta(text)] if text else []


def last_word(frame: Frame) -> Event | None:
    """What a frame of one word in brackets says of the stream's end; None of all others and of what has no frames."""
    data = frame.data or b""
    if data[:1] not in _BRACKETS or len(frame.raw) <= len(data) + len(BOM):
        return None
    if _END.fullmatch(data):
        return End()
    failed = _ERROR.fullmatch(data)
    return failure.read(failed[1].decode("utf-8", "replace")) if failed else None
