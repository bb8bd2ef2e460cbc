"""Cumulative or not, in the dialects: text, reasoning and arguments come out whole and in their order."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.stream.events import End, Event, ReasoningDelta, TextDelta, ToolCallEnd
from sidecar.stream.growth import LOST
from tests.stream.reading import by, read


def dashscope(pieces: list[str], key: str = "content", counts: list[int] | None = None, last: str = "stop") -> bytes:
    counts = counts or list(range(1, len(pieces) + 1))
    told = b""
    for at, piece in enumerate(pieces):
        more = {"content": ""} if key != "content" else {}
        choice = {"message": {**more, key: piece}, "finish_reason": last if at == len(pieces) - 1 else "null"}
        said = {"output": {"choices": [choice]}, "usage": {"output_tokens": counts[at]}, "request_id": "r"}
        told += b"data:" + json.dumps(said).encode() + b"\n\n"
    return told


def sglang(pieces: list[str], counts: list[int] | None = None, last: Any = None) -> bytes:
    counts = counts or list(range(1, len(pieces) + 1))
    told = b""
    for at, piece in enumerate(pieces):
        reason = (last or {"type": "stop", "matched": 2}) if at == len(pieces) - 1 else None
        meta = {"id": "r", "finish_reason": reason, "prompt_tokens": 1, "completion_tokens": counts[at]}
        told += b"data: " + json.dumps({"text": piece, "meta_info": meta}).encode() + b"\n\n"
    return told + b"data: [DONE]\n\n"


def generic(pieces: list[str]) -> bytes:
    said: list[Any] = [{"answer": piece} for piece in pieces]
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in [*said, {"done": True}])


def reka(pieces: list[str]) -> bytes:
    said = [{"responses": [{"chunk": {"content": piece}, "finish_reason": None}]} for piece in pieces]
    said[-1]["responses"][0]["finish_reason"] = "stop"
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said)


def triton(pieces: list[str]) -> bytes:
    said = [{"model_name": "m", "text_output": piece} for piece in pieces]
    return b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said)


def text_of(body: bytes, kind: type[Event] = TextDelta) -> str:
    reading = read(body, event_stream=True)
    assert isinstance(reading.events[-1], End)
    assert [e for e in read(by(7, body), event_stream=True).events if isinstance(e, kind)] == [
        e for e in reading.events if isinstance(e, kind)
    ]
    return "".join(e.text for e in reading.events if isinstance(e, kind) and isinstance(e, TextDelta | ReasoningDelta))


TELLERS: list[Callable[[list[str]], bytes]] = [dashscope, sglang, generic, reka, triton]


@pytest.mark.parametrize("tell", TELLERS)
@pytest.mark.parametrize("pieces", ["no|no|no|!", "哈|哈|哈|好", "1|1|5", "wet| |wet", "a|a|a|a|a|a|a|a|a|a|b"])
def test_pieces_that_repeat_are_all_said(tell: Callable[[list[str]], bytes], pieces: str) -> None:
    assert text_of(tell(pieces.split("|"))) == pieces.replace("|", "")


@pytest.mark.parametrize("tell", TELLERS)
@pytest.mark.parametrize(
    "pieces",
    [
        "I|I am|I am so|I am so.",
        f"潮|潮水|潮水{LOST}|潮水高了",
        "Low\n|Low\nand|Low\nand high",
        f"A: {LOST}|A: 潮|A: 潮水",
        "I|I\n|I\nam|I\nam so.",
        "a|ab|ab|abc|abcd|abc",
    ],
)
def test_a_text_so_far_is_said_once(tell: Callable[[list[str]], bytes], pieces: str) -> None:
    assert text_of(tell(pieces.split("|"))) == max(pieces.split("|"), key=len)


@pytest.mark.parametrize("tell", [dashscope, sglang])
def test_what_repeats_to_the_end_is_counted(tell: Callable[..., bytes]) -> None:
    assert text_of(tell(["ha"] * 5)) == "ha" * 5
    assert text_of(tell(["ha"] * 5, counts=[1, 2, 2, 2, 2])) == "ha"


def test_a_stop_string_that_was_cut_off_was_counted() -> None:
    assert text_of(sglang(["ha", "ha"], [1, 4], {"type": "stop", "matched": "\n\n\n"})) == "ha"
    assert text_of(sglang(["ha", "ha"], [1, 4], {"type": "length", "length": 4})) == "haha"


def test_reasoning_is_judged_as_text_is() -> None:
    assert text_of(dashscope(["no", "no", "!"], "reasoning_content"), ReasoningDelta) == "nono!"
    assert text_of(dashscope(["a", "ab", f"ab{LOST}", "ab水"], "reasoning_content"), ReasoningDelta) == "ab水"
    said = [{"thinking": "I"}, {"thinking": "I see"}, {"thinking": "I see it"}, {"answer": "Yes"}, {"done": True}]
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said)
    assert text_of(body, ReasoningDelta) == "I see it"


def test_what_waits_comes_before_what_is_said_next() -> None:
    thoughts, words = dashscope(["Tall", "Tall grass"], "reasoning_content", last="null"), dashscope(["Yes"])
    events = [e for e in read(thoughts + words).events if isinstance(e, TextDelta | ReasoningDelta)]
    assert events == [ReasoningDelta("Tall"), ReasoningDelta(" grass"), TextDelta("Yes")]


@pytest.mark.parametrize(
    "fragments",
    [
        '{"n": |{"n": "潮|{"n": "潮水"}|{"n": "潮水"}',
        '{"n": |"潮|水|"}',
        f'{{"n": "{LOST}|{{"n": "潮|{{"n": "潮水"}}',
        '||{|"n": "潮水"}|',
    ],
)
def test_arguments_so_far_are_said_once(fragments: str) -> None:
    body = b""
    for fragment in fragments.split("|"):
        call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": fragment}}
        message = {"message": {"content": "", "tool_calls": [call]}, "finish_reason": "null"}
        body += b"data:" + json.dumps({"output": {"choices": [message]}, "request_id": "r"}).encode() + b"\n\n"
    events = read(body + dashscope([""], last="tool_calls")).events
    assert [event.arguments for event in events if isinstance(event, ToolCallEnd)] == [{"n": "潮水"}]


def test_a_stream_that_breaks_in_doubt_says_the_likelier() -> None:
    assert read(sglang(["Low", "Low tide"])[:-70], clean=False).text in ("Low", "Low tide")
    assert read(generic(["no", "no"])[:-18], clean=False).text == "nono"


def test_a_reason_with_each_piece_ends_no_doubt() -> None:
    said = [{"answer": text, "finish_reason": "stop"} for text in ("I", "I am", "I am so")]
    assert text_of(b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in said)) == "I am so"


def test_all_of_the_text_again_is_text_when_more_follows() -> None:
    assert text_of(generic(["Fen", "land", "Fenland"])) == "Fenland"
    assert text_of(generic(["ha", "hm", "hahm", "!"])) == "hahmhahm!"
