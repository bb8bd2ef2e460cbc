"""What only some writers allow in JSON is mended; values of another type are made of the right one, or left out."""

import msgspec
import pytest

from sidecar.stream.events import (
    End,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    Usage,
)
from sidecar.stream.mend import Halves, fitted, is_marked, mended, unmarked

FIRST, SECOND = (mended(half).decode()[1:-1] for half in (rb'"\ud83d"', rb'"\ude00"'))
STOP_1 = Finish("stop", "stop", 1)


class Wanted(msgspec.Struct):
    name: str = ""
    count: int | None = None
    parts: list[dict[str, str]] | None = None


def test_what_is_mended() -> None:
    assert (
        mended(b'{"a": NaN, "b": 1e999, "c": "\xff", "d": "\t"}')
        == '{"a": null, "b": null, "c": "�", "d": "\\t"}'.encode()
    )
    assert mended(b'{"a":') == b'{"a":'


def test_half_a_pair_is_marked() -> None:
    half = mended(rb'{"a": "\ud83d", "b": "\ud83d\ude00"}')
    assert is_marked(half) and unmarked(half) == '{"a": "�", "b": "😀"}'.encode()


@pytest.mark.parametrize(
    ("events", "whole"),
    [
        ([TextDelta("a" + FIRST), TextDelta(SECOND + "b")], [TextDelta("a"), TextDelta("😀b")]),
        ([TextDelta(FIRST), Usage(1), TextDelta(SECOND)], [Usage(1), TextDelta("😀")]),
        ([TextDelta(FIRST), End()], [TextDelta("�"), End()]),
        ([TextDelta(FIRST), ReasoningDelta(SECOND), TextDelta(SECOND)], [ReasoningDelta("�"), TextDelta("😀")]),
        (
            [TextDelta(FIRST), TextDelta(FIRST, 1), TextDelta(SECOND), TextDelta(SECOND, 1)],
            [TextDelta("😀"), TextDelta("😀", 1)],
        ),
        ([TextDelta(FIRST), ToolCallDelta(0), TextDelta(SECOND)], [ToolCallDelta(0), TextDelta("😀")]),
        ([TextDelta(FIRST), STOP_1, TextDelta(SECOND)], [STOP_1, TextDelta("😀")]),
        ([TextDelta(FIRST, 1), STOP_1], [TextDelta("�", 1), STOP_1]),
        ([TextSnapshot("a" + FIRST), TextSnapshot("a" + FIRST + SECOND)], [TextSnapshot("a"), TextSnapshot("a😀")]),
        ([TextSnapshot("a" + FIRST), TextSnapshot(SECOND + "b")], [TextSnapshot("a"), TextSnapshot("😀b")]),
        ([TextSnapshot("a" + FIRST), TextDelta(SECOND + "b")], [TextSnapshot("a"), TextDelta("😀b")]),
        (
            [TextSnapshot("a" + FIRST, reasoning=True), TextSnapshot(SECOND), ReasoningDelta(SECOND)],
            [TextSnapshot("a", reasoning=True), TextSnapshot("�"), ReasoningDelta("😀")],
        ),
        ([TextSnapshot(FIRST), TextSnapshot("a")], [TextSnapshot("a")]),
        ([Extension("x", FIRST)], [Extension("x", FIRST)]),
        ([TextDelta("a" + FIRST)], [TextDelta("a")]),
    ],
)
def test_halves_find_each_other(events: list[Event], whole: list[Event]) -> None:
    assert list(Halves().joined(events)) == whole


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b'{"name":5}', Wanted("5")),
        (b'{"name":null}', Wanted()),
        (b'{"name":{"type":"fen"}}', Wanted("fen")),
        (b'{"count":"12"}', Wanted(count=12)),
        (b'{"count":"many"}', Wanted()),
        (b'{"parts":{"a":"b"}}', Wanted(parts=[{"a": "b"}])),
    ],
)
def test_a_value_is_fitted(data: bytes, wanted: Wanted) -> None:
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.json.decode(data, type=Wanted)
    assert msgspec.json.decode(fitted(data, str(wrong.value)), type=Wanted) == wanted


def test_what_cannot_be_fitted() -> None:
    assert fitted(b"[]", "Expected `object`, got `array`") == b""
    assert fitted(b'{"parts":[{"a":7}]}', "Expected `str`, got `int` - at `$.parts[0][...]`") == b""
    assert fitted(b'{"a":{}}', "Expected `str`, got `int` - at `$.a.b.c`") == b""
    assert fitted(b"{", "Expected `str`, got `int` - at `$.a`") == b""
