"""A shape is a whole dialect: every pointer of it, every way a value may be there."""

from typing import Any

import msgspec
import pytest

from sidecar.stream.events import (
    End,
    Error,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.shapes import Shape, shaped

SHAPE = Shape(
    marks=("/t",),
    text=("/t", "/else/0"),
    reasoning=("/r",),
    tool_calls=("/calls",),
    finish=("/why",),
    unfinished=("not yet",),
    done=("/last",),
    skip=("/hidden",),
    input_tokens=("/in",),
    output_tokens=("/out",),
    total_tokens=("/all",),
    cached_input_tokens=("/cached",),
    reasoning_tokens=("/thought",),
)


def decoded(said: Any, *shapes: Shape) -> list[Event] | None:
    data = said if isinstance(said, bytes) else msgspec.json.encode(said)
    events = shaped(*(shapes or (SHAPE,)))[1]()(Frame(data, data))
    return None if events is None else list(events)


@pytest.mark.parametrize(
    "said, events",
    [
        ({"t": "a"}, [TextDelta("a")]),
        ({"t": ""}, []),
        ({"t": None, "else": ["b"]}, [TextDelta("b")]),
        ({"t": 4}, [TextDelta("4")]),
        ({"t": 0.5}, [TextDelta("0.5")]),
        ({"t": True}, []),
        ({"t": {}}, []),
        ({"t": "a", "hidden": True}, []),
        ({"t": "a", "hidden": False}, [TextDelta("a")]),
        ({"t": "a", "r": "b"}, [ReasoningDelta("b"), TextDelta("a")]),
        ({"t": "", "model": "m", "id": "i"}, [Start("m", "i")]),
        ({"t": "", "why": "stop"}, [Finish("stop", "stop")]),
        ({"t": "", "why": "MAX_TOKENS"}, [Finish("length", "MAX_TOKENS")]),
        ({"t": "", "why": "not yet"}, []),
        ({"t": "", "why": None}, []),
        ({"t": "", "last": True}, [End()]),
        ({"t": "", "last": "all of it"}, [End()]),
        ({"t": "", "last": False}, []),
        ({"t": "", "last": ""}, []),
        ({"t": "", "in": 3}, [Usage(3)]),
        ({"t": "", "in": 3, "out": 0, "all": 3, "cached": 1, "thought": 2}, [Usage(3, 0, 3, 1, 2)]),
        ({"t": "", "in": None, "out": -1}, []),
        ({"t": "", "calls": []}, []),
        ({"error": "it broke"}, [Error("upstream_error", "it broke")]),
        ({"t": "", "error": None}, []),
        (b"[DONE]", [End()]),
        (b' {"t": "a"} ', [TextDelta("a")]),
        (b"plain", None),
        ({"other": 1}, None),
    ],
)
def test_a_frame(said: Any, events: list[Event] | None) -> None:
    assert decoded(said) == events


def test_the_order_of_one_frame() -> None:
    """What it says, what it cost, why it finished, the end: a last word before the counts would lose them."""
    events = decoded({"model": "m", "r": "b", "t": "a", "calls": [{"id": "1"}], "in": 1, "why": "stop", "last": 1})
    assert [type(event) for event in events or ()] == [
        Start,
        ReasoningDelta,
        TextDelta,
        ToolCallDelta,
        ToolCallEnd,
        Usage,
        Finish,
        End,
    ]


def test_an_error_is_the_last_word_of_its_frame() -> None:
    said = {"t": "a", "error": {"message": "it broke"}, "why": "stop", "last": True}
    assert decoded(said) == [TextDelta("a"), Error("upstream_error", "it broke")]


@pytest.mark.parametrize(
    "call, events",
    [
        ({"id": "1", "function": {"name": "f", "arguments": '{"a":1}'}}, [ToolCallDelta(None, "1", "f", '{"a":1}')]),
        ({"function": {"arguments": ""}}, [ToolCallDelta()]),
        ({"name": "f", "arguments": {"a": 1}}, [ToolCallDelta(None, "", "f", '{"a":1}'), ToolCallEnd()]),
        ({"name": "f", "input": {}}, [ToolCallDelta(None, "", "f"), ToolCallEnd()]),
        ({"name": "f"}, [ToolCallDelta(None, "", "f"), ToolCallEnd()]),
    ],
)
def test_a_tool_call(call: dict[str, Any], events: list[Event]) -> None:
    assert decoded({"t": "", "calls": [call]}) == events
    assert decoded({"t": "", "calls": call}) == events


def test_cumulative_text_is_a_snapshot() -> None:
    assert decoded({"text": "a b"}, Shape(whole=("/text",))) == [TextSnapshot("a b")]


def test_marks() -> None:
    matches, _ = shaped(Shape(marks=("/a", "/b/0")))
    frame = Frame(b"", b"")
    assert matches(frame, {"a": "", "b": [False]})
    assert not matches(frame, {"a": 1})
    assert not matches(frame, {"a": None, "b": [1]})
    assert not matches(frame, ["a"]) and not matches(frame, None)


def test_a_second_shape_is_of_the_frames_that_are_not_the_first_s() -> None:
    shapes = (Shape(marks=("/t",), text=("/t",)), Shape(marks=("/body",), text=("/body/t",), done=("/body",)))
    assert decoded({"t": "a"}, *shapes) == [TextDelta("a")]
    assert decoded({"body": {"t": "b"}}, *shapes) == [TextDelta("b"), End()]
    assert decoded({"error": "it broke"}, *shapes) == [Error("upstream_error", "it broke")]
    assert decoded({"other": 1}, *shapes) is None
