"""The standard envelope: the bytes that the contract shows, the schema, and that it reads back as what it said."""

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from sidecar.policy import outcome
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.wires import EVENT_STREAM, envelope, make, padding
from sidecar.stream.wires.envelope import EnvelopeV1
from tests.stream.reading import FIXTURES, Fixture, counts, read

SCHEMA = jsonschema.Draft7Validator(
    json.loads(files("sidecar.stream.wires").joinpath("envelope-v1.schema.json").read_bytes())
)
STOP = Finish("stop", "end_turn")
CALL = ToolCallEnd(0, "call_1", "get_weather", {"city": "Paris"}, '{"city":"Paris"}', False, 2, 16, 1)
LIMIT = Error("rate_limited", "slow down", "RATE_LIMIT", retry_after=2.0, recoverable=True)


def encoded(*events: Event) -> bytes:
    return EnvelopeV1().encode(list(events), [])


def frames(body: bytes) -> list[dict[str, Any]]:
    """The frames of an envelope; each is one line of JSON, and the last word alone has an id."""
    assert body.endswith(b"\n\n") and b"\r" not in body
    blocks = body.split(b"\n\n")[:-1]
    said = [json.loads(block.removeprefix(b"id: end\n").removeprefix(b"data: ")) for block in blocks]
    for block, frame in zip(blocks, said, strict=True):
        assert block.startswith(b"id: end\ndata: {") == (frame["type"] in ("complete", "error"))
        assert block.removeprefix(b"id: end\n").startswith(b'data: {"type":')
        assert block.count(b"\n") == block.startswith(b"id: end\n")
        SCHEMA.validate(frame)
    return said


def last(*events: Event) -> dict[str, Any]:
    data: dict[str, Any] = frames(encoded(*events))[-1]["data"]
    return data


def completed(events: list[Event]) -> list[Event]:
    """With the code that the outcome table gives to an error."""
    return [outcome.complete(event) if isinstance(event, Error) else event for event in events]


# ---- exact bytes


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (TextDelta("Hello"), '{"type":"chunk","data":{"content":"Hello","index":0}}'),
        (TextDelta("B", 2), '{"type":"chunk","data":{"content":"B","index":0,"choice":2}}'),
        (TextDelta("No", refusal=True), '{"type":"chunk","data":{"content":"No","index":0,"refusal":true}}'),
        (TextDelta("No", 1, True), '{"type":"chunk","data":{"content":"No","index":0,"choice":1,"refusal":true}}'),
        (ReasoningDelta("Let me see"), '{"type":"status","data":{"message":"reasoning","content":"Let me see"}}'),
        (ReasoningDelta("Hm", 1), '{"type":"status","data":{"message":"reasoning","content":"Hm","choice":1}}'),
        (
            CALL,
            '{"type":"status","data":{"message":"tool_call",'
            '"tool_call":{"id":"call_1","name":"get_weather","arguments":{"city":"Paris"}}}}',
        ),
        (
            ToolCallEnd(0, "c", "f", None, '{"x', True, choice=1),
            '{"type":"status","data":{"message":"tool_call","tool_call":'
            '{"id":"c","name":"f","arguments":null,"arguments_text":"{\\"x","invalid":true},"choice":1}}',
        ),
        (Status("waiting"), '{"type":"status","data":{"message":"waiting"}}'),
        (Status("Searching", {"progress": 0.5}), '{"type":"status","data":{"progress":0.5,"message":"Searching"}}'),
        (
            Status("server_tool", {"id": "s1", "name": "web_search"}),
            '{"type":"status","data":{"id":"s1","name":"web_search","message":"server_tool"}}',
        ),
        (
            Extension("vendor", {"x": [1]}),
            '{"type":"status","data":{"message":"extension","name":"vendor","value":{"x":[1]}}}',
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_a_frame(event: Event, line: str) -> None:
    assert encoded(event).decode() == f"data: {line}\n\n"
    frames(encoded(event))


@pytest.mark.parametrize(
    ("events", "line"),
    [
        (
            [LIMIT],
            '{"type":"error","data":{"code":"RATE_LIMIT","message":"slow down","recoverable":true,"retry_after":2}}',
        ),
        (
            [Error("rejected", "no", "AUTH", "auth_error", 401, 0.5)],
            '{"type":"error","data":{"code":"AUTH","message":"no","recoverable":false,"retry_after":0.5}}',
        ),
        (
            [Start("m"), TextDelta("Hello"), STOP, Usage(9, 1), End()],
            '{"type":"complete","data":{"final_response":"Hello","finish_reason":"stop","model":"m",'
            '"usage":{"input_tokens":9,"output_tokens":1,"source":"reported"},"tool_calls":[]}}',
        ),
        (
            [CALL, Finish("tool_calls"), End()],
            '{"type":"complete","data":{"final_response":"","finish_reason":"tool_calls",'
            '"tool_calls":[{"id":"call_1","name":"get_weather","arguments":{"city":"Paris"}}]}}',
        ),
        (
            [End()],
            '{"type":"complete","data":{"final_response":"","finish_reason":"stop","tool_calls":[]}}',
        ),
    ],
)  # fmt: skip
def test_a_last_word(events: list[Event], line: str) -> None:
    assert encoded(*events).decode().endswith(f"id: end\ndata: {line}\n\n")
    frames(encoded(*events))


def test_calls_are_in_their_order_whichever_ended_first() -> None:
    said = last(*(ToolCallEnd(n, f"c{n}", "f", {}, "{}") for n in (2, 0, 1)), STOP, End())
    assert [call["id"] for call in said["tool_calls"]] == ["c0", "c1", "c2"]


@pytest.mark.parametrize("event", [Start("m", "1"), ToolCallDelta(0, "c", "f", "{"), Usage(1), STOP, TextSnapshot("a")])
def test_what_is_told_later_says_nothing_now(event: Event) -> None:
    assert encoded(event) == b""


def test_every_kind_of_event_is_known() -> None:
    told = [TextDelta("a"), ReasoningDelta("a"), CALL, Status("a"), Extension("a"), LIMIT, End()]
    later = [Start(), ToolCallDelta(), Usage(), STOP, TextSnapshot("a")]
    assert {type(event) for event in told + later} == set(Event.__subclasses__())
    assert all(encoded(event) for event in told)


def test_one_chunk_is_one_bytes_object_in_order() -> None:
    whole = encoded(Start("m"), TextDelta("a"), ReasoningDelta("b"), TextDelta("c"), STOP, End())
    wire = EnvelopeV1()
    events: list[Event] = [Start("m"), TextDelta("a"), ReasoningDelta("b"), TextDelta("c"), STOP, End()]
    assert b"".join(wire.encode([event], []) for event in events) == whole
    assert [frame["type"] for frame in frames(whole)] == ["chunk", "status", "chunk", "complete"]
    assert EnvelopeV1().encode([], [Frame(b"x", b"data: x\n\n")]) == b""


def test_nothing_in_a_text_breaks_its_line() -> None:
    text = 'a\nb\rc\r\nd\u2028\u2029\u0085\x00\x0b"\\/data: x\n\nid: end\n\n世🌿'
    for event in (
        TextDelta(text),
        ReasoningDelta(text),
        Status(text),
        Extension(text, text),
        Error("x", text, "SERVER"),
    ):
        (frame,) = frames(encoded(event))
        assert text in frame["data"].values()


# ---- what counts and what adds up


def test_index_counts_the_chunks_of_a_choice() -> None:
    said = [
        TextDelta("a"),
        TextDelta("x", 1),
        TextDelta("no", refusal=True),
        ReasoningDelta("r"),
        TextDelta("b"),
        TextDelta("y", 1),
    ]
    chunks = [frame["data"] for frame in frames(encoded(*said)) if frame["type"] == "chunk"]
    assert [(c.get("choice", 0), c["index"]) for c in chunks] == [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1)]


def test_a_refusal_is_no_part_of_the_response() -> None:
    data = last(TextDelta("I "), TextDelta("cannot", refusal=True), TextDelta("am."), Finish("refusal"), End())
    assert (data["final_response"], data["finish_reason"]) == ("I am.", "refusal")


def test_other_choices_stand_apart() -> None:
    call = ToolCallEnd(0, "c", "f", {}, choice=2)
    data = last(TextDelta("a"), TextDelta("x", 2), call, Finish("tool_calls", "", 2), TextDelta("y", 1), STOP, End())
    assert (data["final_response"], data["finish_reason"], data["tool_calls"]) == ("a", "stop", [])
    assert data["choices"] == [
        {"choice": 1, "final_response": "y", "finish_reason": "stop", "tool_calls": []},
        {
            "choice": 2,
            "final_response": "x",
            "finish_reason": "tool_calls",
            "tool_calls": [{"id": "c", "name": "f", "arguments": {}}],
        },
    ]


def test_a_long_response_is_left_out_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert envelope.MAX_FINAL == 1 << 20
    exact = [TextDelta("x" * 1024)] * 1024
    assert len(last(*exact, STOP, End())["final_response"]) == 1 << 20
    for more in (TextDelta("y"), TextDelta("y" * (1 << 20))):
        data = last(*exact, more, TextDelta("z"), TextDelta("z", 1), STOP, End())
        assert "final_response" not in data
        assert data["final_response_omitted"] is True
        assert data["choices"][0]["final_response"] == "z"
    assert last(TextDelta("x" * (1 << 20), refusal=True), TextDelta("a"), STOP, End())["final_response"] == "a"


def test_the_last_usage_is_told_and_what_is_unknown_is_absent() -> None:
    assert last(Usage(1), Usage(2, 0, source="estimated"), STOP, End())["usage"] == {
        "input_tokens": 2,
        "output_tokens": 0,
        "source": "estimated",
    }
    assert "usage" not in last(STOP, End())
    assert "model" not in last(Start(), STOP, End())


# ---- what is not made of events


def test_what_it_says_by_itself() -> None:
    wire = EnvelopeV1()
    assert wire.opening() == b'data: {"type":"status","data":{"message":"waiting"}}\n\n'
    assert wire.failed(LIMIT) == encoded(LIMIT)
    assert [wire.ping(shape) for shape in ("auto", "comment", "event")] == [b": ping\n\n"] * 3
    assert wire.ping("comment-no-blank") == b": ping\n"
    assert (wire.normalises, wire.event_stream, wire.at_boundary, wire.content_type) == (True, True, True, EVENT_STREAM)
    assert EVENT_STREAM == b"text/event-stream; charset=utf-8"
    assert isinstance(make("envelope-v1"), EnvelopeV1)


def test_padding_is_one_comment_of_that_size() -> None:
    for size in (3, 4, 256, 4096):
        for noise in (b"", bytes(n % 256 for n in range(size))):
            comment = padding(size, noise)
            assert len(comment) == size
            assert read(comment + b'data: {"content":"a"}\n\n').text == "a"
            assert comment.startswith(b":") and comment.endswith(b"\n\n") and comment.count(b"\n") == 2


# ---- all that is recorded


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_recorded_stream_keeps_the_schema_and_reads_back(fixture: Fixture) -> None:
    """Text, reasoning, calls, finish reasons, usage and the last word survive a second sidecar."""
    events = completed(fixture.events)
    body = encoded(*events)
    said = frames(body)
    assert [frame["type"] in ("complete", "error") for frame in said] == [False] * (len(said) - 1) + [True]
    again = read(body, event_stream=True)
    assert again.parser.dialect == "homemade"
    assert heard(again.events) == heard(events)
    assert encoded(*completed(again.events)).count(b"\n\n") == body.count(b"\n\n")


def heard(events: list[Event]) -> dict[str, Any]:
    """What must not be lost."""
    failed = isinstance(events[-1], Error)
    calling = {e.choice for e in events if isinstance(e, ToolCallEnd)}
    texts: dict[Any, str] = {}
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta):
            key = (type(event), event.choice, getattr(event, "refusal", False))
            texts[key] = texts.get(key, "") + event.text
    return {
        "texts": texts,
        "calls": [
            # the text of a call that was cut may be whole by chance, and the envelope does not tell these apart
            (e.choice, e.id, e.name, None if failed else e.arguments, None if failed else e.invalid)
            for e in events
            if isinstance(e, ToolCallEnd)
        ],
        "finished": None
        if failed
        else {
            e.choice: "tool_calls" if e.reason == "stop" and e.choice in calling else e.reason
            for e in events
            if isinstance(e, Finish)
        },
        "usage": None if failed else next((counts(e) for e in reversed(events) if isinstance(e, Usage)), None),
        "extensions": [(e.name, e.value) for e in events if isinstance(e, Extension)],
        "last": events[-1].message if isinstance(events[-1], Error) else "end",
    }
