"""JSON that is not quite what it should be, made readable: what only some writers allow, and values of other types."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from sidecar.stream.events import End, Event, Finish, ReasoningDelta, TextDelta, TextSnapshot

_HALF = re.compile("[\ud800-\udfff]")
_MARKED = re.compile("[\U0010f000-\U0010f7ff]")  # half a pair cannot be written in UTF-8: a private character is it
_PAIR = re.compile("([\U0010f000-\U0010f3ff])([\U0010f400-\U0010f7ff])")
_FIRST = re.compile("[\U0010f000-\U0010f3ff]$")
_SECOND = re.compile("[\U0010f400-\U0010f7ff]")
_MARKS = b"\xf4\x8f"
_WRONG = re.compile(r"Expected `(.+)`, got `.+` - at `\$\.(.+)`")
_WORDS = ("text", "content", "reason", "type")


def mended(data: bytes) -> bytes:
    """The same JSON without bad UTF-8, control characters, NaN and infinite numbers; half a surrogate pair is marked.
    The data as it was where that is not its fault."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=_null, parse_float=_finite)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return data
    return _HALF.sub(lambda half: chr(ord(half[0]) - 0xD800 + 0x10F000), text).encode()


def fitted(data: bytes, wrong: str) -> bytes:
    """The same JSON with what the decoder said is of the `wrong` type made of the right one, or left out;
    nothing where it is not that."""
    found = _WRONG.fullmatch(wrong)
    if not found or "[...]" in wrong:  # a value of a dict: whose, it does not say
        return b""
    *way, last = (int(step) if step.isdecimal() else step for step in re.findall(r"[^.\[\]]+", found[2]))
    right = found[1].split(" | ")
    try:
        said = holder = msgspec.json.decode(data)
        for step in way:
            holder = holder[step]
        holder[last] = _of_type(holder[last], right)
        if holder[last] is None and "null" not in right:
            del holder[last]
        return msgspec.json.encode(said)
    except (ValueError, LookupError, TypeError, RecursionError):  # said of another form of the data, or too deep
        return b""


def is_marked(data: bytes | None) -> bool:
    """Whether half a pair may be in this."""
    return bool(data) and _MARKS in (data or b"")


def unmarked(data: bytes) -> bytes:
    """The data without marks, for those that do not join halves."""
    return _whole(data.decode("utf-8", "replace")).encode()


class Halves:
    """Characters that were cut in two between frames, as some writers of UTF-16 do, made whole again."""

    def __init__(self) -> None:
        self._held: dict[tuple[type, int], TextDelta | ReasoningDelta] = {}  # voice and choice -> a half

    def joined(self, events: Iterable[Event]) -> Iterable[Event]:
        """The same events; a half at a delta's end waits for the next of its kind, and is lost where none comes."""
        for event in events:
            if type(event) is TextDelta or type(event) is ReasoningDelta:
                yield from self._joined(event)
                continue
            if type(event) is TextSnapshot:
                yield from self._grown(event)
                continue
            if self._held and isinstance(event, Finish | End):
                yield from self._rest(event)
            yield event

    def _rest(self, end: Finish | End) -> Iterable[Event]:
        """Halves that stay alone, of the choice that has finished or of all."""
        for voice, held in tuple(self._held.items()):
            if isinstance(end, End) or (end.reason and held.choice == end.choice):
                yield replace(self._held.pop(voice), text=_whole(held.text))

    def _grown(self, event: TextSnapshot) -> Iterable[Event]:
        """What is new begins with the other half; a text so far has both by now."""
        half = ReasoningDelta if event.reasoning else TextDelta
        held, text = self._held.pop((half, event.choice), None), event.text
        if held and _SECOND.match(text):
            text = held.text + text
        if _FIRST.search(text):
            self._held[half, event.choice] = half(text[-1], event.choice)
            text = text[:-1]
        return [replace(event, text=_whole(text))] if text else []

    def _joined(self, event: TextDelta | ReasoningDelta) -> Iterable[Event]:
        voice, text = (type(event), event.choice), event.text
        if held := self._held.pop(voice, None):
            text = held.text + text
        if _FIRST.search(text):
            self._held[voice] = replace(event, text=text[-1])
            text = text[:-1]
        if text:
            yield replace(event, text=_whole(text))


def _whole(text: str) -> str:
    text = _PAIR.sub(lambda two: chr((ord(two[1]) - 0x10F000 << 10) + ord(two[2]) - 0x10F400 + 0x10000), text)
    return _MARKED.sub("\ufffd", text)


def _of_type(value: Any, right: list[str]) -> Any:
    """As text, a number or a list where it can be; None where it cannot."""
    if isinstance(value, bool) or value is None:
        return None
    if "str" in right:
        value = next((value[key] for key in _WORDS if key in value), None) if isinstance(value, dict) else value
        return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None
    if "int" in right and isinstance(value, str) and value.isdecimal() and len(value) < 16:
        return int(value)
    return [value] if "array" in right and isinstance(value, dict) else None


def _null(constant: str) -> None:
    """Python's own JSON writer says NaN and -Infinity, which are none in JSON: logprobs hold them."""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
