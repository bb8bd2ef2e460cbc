"""The parser's promises, one by one, over a dialect that says whatever a test tells it to."""

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sidecar.stream import framing, parser, snapshots, sse
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
from sidecar.stream.parser import StreamParser
from tests.stream import told
from tests.stream.reading import assert_one_life, by, halves, joined, read

EMPTY = Error("truncated", "the backend's answer was empty")
TRUNCATED = Error("truncated", "the backend's answer broke off before its end")
STOP = Finish("stop", "stop")


@pytest.fixture(autouse=True)
def told_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sidecar.stream.dialects.told", told)


def parsed(*frames: list[Event] | Event, parse: Any = msgspec.json.decode) -> list[Event]:
    """What the parser makes of frames of events, once the body is over."""
    stream = StreamParser("told", parse=parse)
    events: list[Event] = []
    for frame in frames:
        events += stream.feed(told.line(*(frame if isinstance(frame, list) else [frame])))[0]
    return events + stream.eof()[0]


def calls(events: list[Event]) -> list[ToolCallEnd]:
    return [event for event in events if isinstance(event, ToolCallEnd)]


# ---- one life


def test_an_empty_body_is_truncated() -> None:
    for body in (b"", b"\n\n", b": comment\n\n", b"\xef\xbb\xbf", b"data:\n\n", b"data: {}\n\n"):
        for event_stream in (False, True):
            assert read(body, event_stream=event_stream).events == [Start(), EMPTY]
            assert read(body, event_stream=event_stream, clean=False).events == [Start(), TRUNCATED]


def test_one_start_first() -> None:
    assert parsed(TextDelta("a"), Start("late"), STOP)[:2] == [Start(), TextDelta("a")]
    events = parsed(Start("m", "1"), Start("n", "2"), Usage(1), Start("m", "1"), STOP)
    assert events == [Start("m", "1"), Usage(1), STOP, End()]


@pytest.mark.parametrize("last", [End(), Error("rejected", "no")])
def test_nothing_after_the_last_word(last: Event) -> None:
    noise: list[Event] = [TextDelta("x"), ToolCallDelta(0, "a", "f"), Usage(9), STOP, End(), Error("rejected", "late")]
    before: list[Event] = [Start(), TextDelta("a")]
    ended = [*before, STOP, last] if isinstance(last, End) else [*before, last]
    assert parsed(*before, STOP, [last, *noise], noise) == ended
    assert parsed([*before, STOP, last, *noise]) == ended


def test_frames_are_passed_on_after_the_last_word() -> None:
    stream = StreamParser()
    stream.feed(b"data: [DONE]\n\n")
    assert stream.done
    events, frames = stream.feed(b"data: more\n\nand")
    assert (events, [frame.raw for frame in frames]) == ([], [b"data: more\n\n"])
    events, frames = stream.eof()
    assert (events, [frame.raw for frame in frames]) == ([], [b"and"])


def test_the_end_of_the_body_counts_once() -> None:
    stream = StreamParser()
    stream.feed(b"data: a\n\n")
    assert stream.eof()[0][-1] == End()
    assert stream.eof() == ([], [])


def test_an_error_of_the_same_frame_ends_it() -> None:
    error = Error("upstream_error", "boom")
    assert parsed([TextDelta("a"), error, TextDelta("b", 1), ReasoningDelta("c")]) == [Start(), TextDelta("a"), error]


# ---- silence is never an end

CHUNK = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
SECOND = b'data: {"choices":[{"index":1,"delta":{"content":"b"}}]}\n\n'
BLOCK = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}\n\n'
DELTA = b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
LINE = b'{"model":"m","message":{"content":"a"},"done":false}\n'
WHOLE = {
    "a finish reason": CHUNK + FINISH,
    "a finish reason without its blank line": CHUNK + FINISH[:-2],
    "[DONE]": CHUNK + b"data: [DONE]\n\n",
    "[DONE] without its blank line": CHUNK + b"data: [DONE]",
    "[DONE] after a choice that never finished": CHUNK + SECOND + FINISH + b"data: [DONE]\n\n",
    "message_delta with a stop reason": BLOCK + DELTA,
    "message_stop": BLOCK + b'data: {"type":"message_stop"}\n\n',
    "done": LINE + b'{"model":"m","message":{"content":""},"done":true}\n',
    "done without its line end": LINE + b'{"model":"m","message":{"content":""},"done":true}',
    "a home-made end": b'data: {"content":"a"}\n\ndata: {"done":true}\n\n',
    "plain text": b"a",
    "plain text in an event stream": b"data: a\n\n",
    "plain text after JSON": b'data: {"content":""}\n\ndata: a\n\n',
    "an empty line after plain text": b"data: a\n\ndata:\n\n",
    "a comment after plain text": b"data: a\n\n: bye\n\n",
}
CUT = {
    "no finish reason": CHUNK,
    "a finish reason of one choice of two": CHUNK + SECOND + FINISH,
    "half a finish reason": CHUNK + FINISH[:-12],
    "half of [DONE]": CHUNK + b"data: [DON",
    "a block that is not ended": BLOCK,
    "a block that is ended": BLOCK + b'data: {"type":"content_block_stop","index":0}\n\n',
    "no done": LINE,
    "half of done": LINE + b'{"model":"m","message":{"content":""},"done":tr',
    "home-made JSON": b'data: a\n\ndata: {"content":"a"}\n\n',
    "an empty line after home-made JSON": b'data: {"content":"a"}\n\ndata:\n\n',
    "a home-made status": b'data: {"content":"a"}\n\ndata: {"chunk":"x","type":"status"}\n\n',
    "plain text and then what nobody knows": b'data: a\n\ndata: {"x":1}\n\n',
    "half a document": b'{\n"model": "m",\n"message": {"content": "a"}',
}


@pytest.mark.parametrize("body", WHOLE.values(), ids=WHOLE)
def test_a_whole_answer(body: bytes) -> None:
    reading = read(body)
    assert_one_life(reading.events)
    assert (reading.text, reading.events[-1], reading.parser.done) == ("a", End(), True)
    assert any(isinstance(event, Finish) for event in reading.events)


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
def test_a_cut_answer(body: bytes) -> None:
    reading = read(body)
    assert_one_life(reading.events)
    assert isinstance(last := reading.events[-1], Error)
    assert (last.outcome, reading.parser.done) == ("truncated", True)


HOME_MADE = b'data: {"content":"a"}\n\n'
HALF = b'data: {"content":"b'
LONG = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"length"}]}\n\n'


@pytest.mark.parametrize(
    ("end", "body", "last"),
    [
        ("auto", HOME_MADE, TRUNCATED),
        ("body", HOME_MADE, End()),
        ("body", b'{"content":"a"}\n', End()),
        ("body", b'data: {"x":1}\n\n', End()),
        ("body", CHUNK, End()),
        ("body", b"", End()),
        ("body", HOME_MADE + HALF, TRUNCATED),
        ("returned", HOME_MADE, End()),
        ("returned", b'data: {"answer":"a"}\n\n', End()),
        ("returned", b'data: {"x":1}\n\n', End()),
        ("returned", b"", End()),
        ("returned", HOME_MADE + HALF, TRUNCATED),
        ("returned", CHUNK, TRUNCATED),
        ("returned", BLOCK, TRUNCATED),
        ("returned", LINE, TRUNCATED),
    ],
)
def test_the_clean_end_of_a_body_means_what_was_said_of_it(end: str, body: bytes, last: Event) -> None:
    """Who sends a known dialect without its mark may have lost it with its own source."""
    stream = StreamParser(event_stream=not body.startswith(b"{"), end=end)
    assert [*stream.feed(body)[0], *stream.eof()[0]][-1] == last


@pytest.mark.parametrize("end", ["auto", "body", "returned"])
def test_a_body_that_broke_ends_no_stream(end: str) -> None:
    for body in (HOME_MADE, CHUNK, b"data: a\n\n"):
        stream = StreamParser(event_stream=True, end=end)
        assert [*stream.feed(body)[0], *stream.eof(clean=False)[0]][-1] == TRUNCATED


@pytest.mark.parametrize("end", ["auto", "body", "returned"])
def test_a_finish_reason_says_more_than_the_end_of_the_body(end: str) -> None:
    stream = StreamParser(event_stream=True, end=end)
    assert [*stream.feed(LONG)[0], *stream.eof()[0]][-2:] == [Finish("length", "length"), End()]


def test_a_broken_connection_ends_no_plain_text() -> None:
    for body in (b"a", b"data: a\n\n"):
        assert read(body, clean=False).events == [Start(), TextDelta("a"), TRUNCATED]


def test_a_connection_may_break_after_the_finish_reason() -> None:
    assert read(CHUNK + FINISH, clean=False).events[-1] == End()


def test_finished_is_when_nothing_but_bookkeeping_is_missing() -> None:
    stream = StreamParser()
    seen = []
    for frame in (CHUNK, SECOND, FINISH, FINISH.replace(b'"delta"', b'"index":1,"delta"'), b"data: [DONE]\n\n"):
        stream.feed(frame)
        seen.append((stream.finished, stream.done, stream.finish_reason))
    assert seen == [
        (False, False, ""),
        (False, False, ""),
        (False, False, ""),
        (True, False, ""),
        (True, True, "stop"),
    ]


def test_every_choice_says_why_it_finished() -> None:
    events = parsed(TextDelta("a"), TextDelta("b", 2), Finish("length", "max", 2), End())
    assert events[3:] == [Finish("stop", ""), Finish("length", "max", 2), End()]
    assert parsed(Usage(1), End()) == [Start(), Usage(1), Finish("stop", ""), End()]


LENGTH = Finish("length", "max")
WORDS: dict[str, tuple[list[list[Event]], Finish | None, Finish | None]] = {
    "one": ([[TextDelta("a")], [LENGTH]], LENGTH, LENGTH),
    "one with the last words": ([[TextDelta("a"), LENGTH]], LENGTH, LENGTH),
    "the last of several": ([[TextDelta("a")], [STOP], [LENGTH]], LENGTH, LENGTH),
    "none of ours": ([[TextDelta("a")], [LENGTH], [Finish("stop")]], LENGTH, LENGTH),
    "not yet": ([[TextDelta("a"), Finish("", "null")]], None, None),
    "before the first word": ([[STOP], [TextDelta("a")], [LENGTH]], LENGTH, LENGTH),
    "only before the first word": ([[STOP], [TextDelta("a")]], None, None),
    "before the thoughts": ([[STOP], [ReasoningDelta("a")]], None, None),
    "before a call": ([[STOP], [ToolCallDelta(0, "a", "f", "{}")]], None, None),
    "the same again, alone": ([[STOP], [TextDelta("a")], [STOP]], STOP, STOP),
    "with each word": ([[TextDelta("a"), STOP], [TextDelta("b"), STOP]], STOP, None),
    "with each word, another with the last": ([[TextDelta("a"), STOP], [TextDelta("b"), LENGTH]], LENGTH, LENGTH),
    "of an entry that is no call": ([[STOP], [ToolCallDelta(0, "", "", "")]], STOP, STOP),
}


@pytest.mark.parametrize(("said", "whole", "cut"), WORDS.values(), ids=WORDS)
def test_the_last_word_of_a_finish_counts(said: list[list[Event]], whole: Finish | None, cut: Finish | None) -> None:
    """`whole` where the body ended well, `cut` where it broke off; None: the answer is truncated."""
    for clean, finish in ((True, whole), (False, cut)):
        reading = read([told.line(*line) for line in said], "told", clean=clean)
        assert reading.events[-1] == (End() if finish else TRUNCATED)
        assert [event for event in reading.events if isinstance(event, Finish)] == ([finish] if finish else [])
    assert parsed(*said, End())[-2:] == [whole or parsed(*said, End())[-2], End()]


@pytest.mark.parametrize(("reason", "outcome"), [("error", "upstream_error"), ("cancelled", "stopped")])
def test_what_the_model_has_not_finished_is_not_whole(reason: str, outcome: str) -> None:
    events = parsed(TextDelta("a"), Finish(reason, "raw", 0, "It broke."), Usage(1), End())
    assert events == [Start(), TextDelta("a"), Usage(1), Error(outcome, "It broke.", type="raw")]
    assert isinstance(parsed(TextDelta("a"), Finish(reason, "raw"), TextDelta("b"), STOP, End())[-1], End)


def test_a_rest_counts_only_when_it_says_all_it_has_to() -> None:
    said = b'data: {"content":"a"}\n\n'
    for rest, text in (
        (b'data: {"content":"b"}', "ab"),
        (b'data: {"content":"b"}\n', "ab"),
        (b'data: {"content":"b', "a"),
    ):
        assert read(said + rest).text == text
    assert read(b'data: {"content":"a"}\n\ndata: b').text == "a"


def test_an_error_is_never_followed_by_an_end() -> None:
    """However it is said: [DONE] after it is no success."""
    for said in (
        b'error: {"code":500,"message":"context shift is disabled"}\n\n',
        b'data: {"error":{"code":500,"message":"context shift is disabled"}}\n\n',
        b"event: error\ndata: context shift is disabled\n\n",
        b'event: error\ndata: {"message":"context shift is disabled"}\n\n',
        b'data: {"error":"context shift is disabled"}\n\n',
    ):
        for before in (b"", CHUNK):
            last = read(before + said + b"data: [DONE]\n\n").events[-1]
            assert isinstance(last, Error)
            assert last.message == "context shift is disabled"


# ---- recognition


def test_what_stands_before_the_first_frame_does_not_matter() -> None:
    for noise in (b": hi\n\n", b"\n\n", b"event: ping\n\n", b"retry: 1\n\n", b"data:\n\n", b'data: {"hello":1}\n\n'):
        reading = read(noise + CHUNK + FINISH, event_stream=True)
        assert (reading.parser.dialect, reading.text, reading.events[-1]) == ("openai-chat", "a", End())


def test_formats_may_alternate_in_one_stream() -> None:
    body = (
        CHUNK
        + b'data: {"content":"b"}\n\ndata: c\n\n'
        + LINE.replace(b"{", b"data: {", 1).replace(b'"a"', b'"d"')
        + b"\n"
    )
    for pieces in ([body + CHUNK + FINISH], by(1, body + CHUNK + FINISH)):
        reading = read(pieces)
        assert (reading.text, reading.events[-1], reading.parser.dialect) == ("abcda", End(), "openai-chat")


def test_a_named_dialect_takes_nothing_for_text() -> None:
    reading = read(CHUNK + b"data: b\n\n" + FINISH, "openai-chat")
    assert reading.text == "a"
    assert Extension("malformed", "b") in reading.events
    assert read(b"Bad gateway", "openai-chat").events == [Start(), EMPTY]
    assert read(b"Bad gateway", "ollama").events == [Start(), EMPTY]


def test_anything_but_an_object_is_plain_text() -> None:
    for word in ("42", "true", "null", "[1]", "a: b", "[DONE", '"a', 'a "b"'):
        reading = read(f"data: {word}\n\n".encode())
        assert (reading.text, reading.parser.dialect, reading.events[-1]) == (word, "text", End())


def test_plain_text_may_come_as_json_strings() -> None:
    reading = read(b'data: "a \\"b\\""\n\ndata: "\\n"\n\ndata: 7\n\n')
    assert (reading.text, reading.parser.dialect, reading.events[-1]) == ('a "b"\n7', "text", End())


def test_a_word_in_quotes_among_plain_words_keeps_them() -> None:
    assert read(b'data: say\n\ndata: "a"\n\n').text == 'say"a"'


def test_json_may_come_as_a_json_string() -> None:
    reading = read(b"".join(b"data: %s\n\n" % json.dumps(line[6:-2].decode()).encode() for line in (CHUNK, FINISH)))
    assert (reading.text, reading.parser.dialect, reading.events[-1]) == ("a", "openai-chat", End())


def test_a_broken_object_is_no_text() -> None:
    for word in ('{"content":"a', '{"content":', "{", '  {"a"'):
        reading = read(f"data: {word}\n\n".encode())
        assert (reading.text, reading.events[-1]) == ("", TRUNCATED)


def test_ids_are_seen() -> None:
    assert not read(CHUNK).parser.has_ids
    assert read(b"id: 1\n\n" + CHUNK).parser.has_ids


# ---- what nobody knows


def test_what_nobody_knows_is_kept_and_counted() -> None:
    reading = read(b'event: hb\ndata: {"n":1}\n\ndata: {"m":[2]}\n\ndata: {"cut":\n\n' + CHUNK + FINISH)
    assert reading.parser.unknown_frames == 3
    assert reading.events[1:4] == [
        Extension("hb", {"n": 1}),
        Extension("unknown", {"m": [2]}),
        Extension("malformed", '{"cut":'),
    ]


def test_what_cannot_be_read_is_kept_within_bounds() -> None:
    (extension,) = (e for e in read(b"data: {" + b"x" * 100_000 + b"\n\n").events if isinstance(e, Extension))
    assert len(extension.value) == 65536


def test_events_that_need_no_order_pass() -> None:
    said: list[Event] = [Status("working", {"progress": 0.5}), Extension("x", [1]), ReasoningDelta("hm"), STOP]
    assert parsed(*said) == [Start(), *said, End()]


# ---- bytes that no JSON writer should send


@pytest.mark.parametrize("dialect", ["auto", "openai-chat"])
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'"\\ud83c"', "�"),
        (b'"\\ud83c\\udf3f"', "🌿"),
        (b'"\\udf3f\\ud83c"', "��"),
        (b'"\\ud83cA"', "�A"),
        (b'"\xff\xfe"', "��"),
        (b'"\xe4\xb8"', "�"),
        (b'"a\tb"', "a\tb"),
        (b'"a\x01b"', "a\x01b"),
        (b'"a","logprob":NaN', "a"),
        (b'"a","logprob":-Infinity', "a"),
        (b'"a","logprob":-1e999,"bad":"\xff"', "a"),
        (b'"a","tokens":' + b"9" * 1000, "a"),
        (b'"a","deep":' + b"[" * 500 + b"]" * 500, "a"),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else "",
)
def test_bad_text_is_mended(dialect: str, content: bytes, text: str) -> None:
    """In the first frame and in a later one; what is beside it is not lost."""
    frame = b'data: {"model":"m","choices":[{"index":0,"delta":{"content":%s}}]}\n\n' % content
    for body, expected in ((frame + FINISH, text), (CHUNK + frame + FINISH, "a" + text)):
        for pieces in ([body], by(1, body)):
            reading = read(pieces, dialect)
            assert (reading.text, reading.events[-1]) == (expected, End())
    assert read(frame, dialect).events[0] == Start("m")


@pytest.mark.parametrize("dialect", ["auto", "openai-chat", "anthropic", "ollama", "homemade"])
@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"choices":' + b"[" * 100_000,
        b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"content":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"content":' + b'{"a":' * 400 + b"1" + b"}" * 401,
        b'{"content":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"choices":[{"index":' + b"9" * 5000 + b"}]}",
        b'{"choices":[{"index":1e999}]}',
        b'{"choices":[{"index":"0","delta":{"content":"x"}}]}',
        b'{"choices":[null]}',
        b'{"choices":{}}',
        b'{"choices":[{"delta":[]}],"model":7}',
        b'{"type":"message_start","message":{"usage":[]}}',
        b'{"type":"content_block_delta","index":null,"delta":{"type":"text_delta","text":"x"}}',
        b'{"type":"message","content":"x"}',
        b'{"model":1,"done":2,"message":3}',
        b'{"model":"m","done":false,"message":{"tool_calls":[{"function":"f"}]}}',
        b'{"error":[[[[]]]]}',
        b'{"type":"tool_call","data":{"done":1,"arguments":[1]}}',
        b'{"type":"complete","data":{"usage":{"input_tokens":"9"},"choices":{},"finish_reason":{}}}',
        b'{"type":"status","data":{"message":["x"],"progress":"9"}}',
        b'{"type":"error","data":{"message":{},"retry_after":-1}}',
        b'{"type":[],"data":{}}',
        b'{"type":{},"chunk":"x"}',
        b"\x00",
        b"\xff" * 100,
    ],
    ids=lambda value: value[:45] if isinstance(value, bytes) else "",
)
def test_no_input_raises(dialect: str, data: bytes) -> None:
    """Whatever it is, framed or not, first or later; and the cut is not seen in it."""
    for body in (
        data,
        b"data: " + data + b"\n\n",
        CHUNK + b"data: " + data + b"\n\n" + CHUNK,
        LINE + data + b"\n" + LINE,
    ):
        whole = read(body, dialect)
        assert_one_life(whole.events)
        assert joined(read(by(4099 if len(body) > 20_000 else 3, body), dialect).events) == joined(whole.events)


def test_a_frame_beyond_the_bound_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "MAX_FRAME", 1000)
    monkeypatch.setattr(sse, "TAIL_BYTES", 1000)
    long = b'data: {"content":"' + b"x" * 2000 + b'"}\n\n'
    for pieces in ([CHUNK + long + CHUNK], by(7, CHUNK + long + CHUNK)):
        reading = read(pieces)
        assert reading.events[-1] == Error(
            "malformed", f"the backend sent a frame of {len(long)} bytes, more than 1000"
        )
        assert b"".join(frame.raw for frame in reading.frames) == CHUNK + long + CHUNK


# ---- tool calls


class Counting:
    """A parse function that remembers what it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> Any:
        self.texts.append(text)
        return json.loads(text)


def test_arguments_are_parsed_exactly_once() -> None:
    parse, text = Counting(), json.dumps({"é": "x" * 500}, ensure_ascii=False)
    fragments = [ToolCallDelta(0, "a" if not n else "", "f" if not n else "", c) for n, c in enumerate(text)]
    events = parsed(*fragments, ToolCallEnd(0), Finish("tool_calls"), End(), parse=parse)
    assert parse.texts == [text]
    (call,) = calls(events)
    size = len(text.encode())
    assert call == ToolCallEnd(0, "a", "f", json.loads(text), text, False, len(text), size, 1)
    assert call.fragments == call.bytes - 1


def test_two_calls_are_parsed_once_each_whenever_they_end() -> None:
    parse = Counting()
    told_so: list[Event] = [
        ToolCallDelta(0, "a", "f", '{"x":'),
        ToolCallDelta(1, "b", "g", "{}"),
        ToolCallDelta(0, arguments="1}"),
    ]
    events = parsed(*told_so, ToolCallEnd(1), ToolCallEnd(1), Finish("tool_calls"), ToolCallEnd(0), End(), parse=parse)
    assert parse.texts == ["{}", '{"x":1}']
    assert [(call.index, call.arguments, call.parses) for call in calls(events)] == [(1, {}, 1), (0, {"x": 1}, 1)]


def test_arguments_of_a_failed_stream_are_not_taken_for_whole() -> None:
    parse = Counting()
    for last in (Usage(1), Error("upstream_error", "x")):
        events = parsed(ToolCallDelta(0, "a", "f", '{"x":1}'), last, parse=parse)
        (call,) = calls(events)
        assert call == ToolCallEnd(0, "a", "f", None, '{"x":1}', True, 1, 7, 0)
        assert events.index(call) == len(events) - 2
    assert parse.texts == []


@pytest.mark.parametrize(("text", "parses"), [("", 0), (" \n", 0), ("null", 0), ('""', 0), ("{}", 1), (" { } ", 1)])
def test_no_arguments_are_an_empty_object(text: str, parses: int) -> None:
    parse = Counting()
    (call,) = calls(parsed([ToolCallDelta(0, "a", "f", text), Finish("tool_calls")], parse=parse))
    assert (call.arguments, call.invalid, call.parses, len(parse.texts)) == ({}, False, parses, parses)


@pytest.mark.parametrize("text", ['{"x"', "[1]", '"{}"', "7", "false", "{}{}", "nul", "[" * 100_000, '{"x":' * 100_000])
def test_arguments_that_are_no_object_are_invalid(text: str) -> None:
    (call,) = calls(parsed([ToolCallDelta(0, "a", "f", text), Finish("tool_calls")]))
    assert (call.arguments, call.invalid, call.parses, call.arguments_text) == (None, True, 1, text)


def test_arguments_may_come_whole_at_the_end() -> None:
    whole = ToolCallEnd(0, arguments_text='{"x":1}')
    (call,) = calls(parsed([ToolCallDelta(0, "a", "f"), whole, STOP]))
    assert (call.arguments, call.fragments, call.bytes, call.parses) == ({"x": 1}, 1, 7, 1)
    (call,) = calls(parsed([ToolCallDelta(0, "a", "f", '{"y":2}'), whole, STOP]))
    assert (call.arguments, call.fragments) == ({"y": 2}, 1)


def test_an_end_of_no_call_is_no_event() -> None:
    assert calls(parsed([ToolCallEnd(), ToolCallEnd(4, arguments_text="{}"), STOP])) == []


def test_calls_are_numbered_as_they_appear() -> None:
    deltas: list[Event] = [
        ToolCallDelta(7, "a", "f"),
        ToolCallDelta(3, "b", "g"),
        ToolCallDelta(7, arguments="{}"),
        STOP,
    ]
    events = parsed(*deltas)
    assert events[1:4] == [ToolCallDelta(0, "a", "f"), ToolCallDelta(1, "b", "g"), ToolCallDelta(0, "a", "f")]
    assert [(call.index, call.id) for call in calls(events)] == [(0, "a"), (1, "b")]


IDENTITIES = {
    "a fragment without id, index or name goes on": ([(None, "a", "f"), (None, "", "")], ["a"]),
    "an id that is empty or null goes on": ([(0, "a", "f"), (0, "", ""), (0, "null", "")], ["a"]),
    "a repeated id and name go on": ([(0, "a", "f"), (0, "a", "f"), (0, "a", "f")], ["a"]),
    "a repeated name goes on": ([(0, "a", "f"), (0, "", "f"), (None, "", "f")], ["a"]),
    "an id may come later": ([(0, "", "f"), (0, "a", "")], ["a"]),
    "a name may come later": ([(0, "a", ""), (0, "", "f")], ["a"]),
    "an index may come first": ([(0, "", ""), (0, "a", "f")], ["a"]),
    "an id that changes is the same call": ([(0, "a", "f"), (0, "b", "f"), (0, "c", ""), (0, "d", "")], ["a"]),
    "another id and name is another call": ([(0, "a", "f"), (0, "b", "g"), (0, "c", "h")], ["a", "b", "c"]),
    "an entry that says nothing is no call": ([(0, "", ""), (1, "a", "f"), (2, "b", "")], ["a"]),
    "another id without an index is another call": ([(None, "a", "f"), (None, "b", "f")], ["a", "b"]),
    "another name without index and id is another call": ([(None, "", "f"), (None, "", "g")], ["call_0", "call_1"]),
    "indexes without ids": ([(0, "", "f"), (1, "", "f"), (0, "", "")], ["call_0", "call_1"]),
    "an id may come back": ([(0, "a", "f"), (1, "b", "g"), (0, "a", ""), (1, "b", "")], ["a", "b"]),
    "an index may begin anywhere": ([(5, "a", "f"), (2, "b", "g")], ["a", "b"]),
}


@pytest.mark.parametrize(("said", "ids"), IDENTITIES.values(), ids=IDENTITIES)
def test_which_call_a_fragment_belongs_to(said: list[tuple[int | None, str, str]], ids: list[str]) -> None:
    events = parsed(*[ToolCallDelta(index, call_id, name) for index, call_id, name in said], STOP)
    assert [call.id for call in calls(events)] == ids
    assert [call.index for call in calls(events)] == list(range(len(ids)))
    told_of = [event for event in events if isinstance(event, ToolCallDelta | ToolCallEnd)]
    assert all(event.id and event.name for event in told_of if event.arguments or isinstance(event, ToolCallEnd))


def test_a_call_after_one_that_ended_is_another() -> None:
    whole: list[Event] = [ToolCallDelta(None, "", "f", "{}"), ToolCallEnd()]
    assert [call.id for call in calls(parsed(whole, whole, STOP))] == ["call_0", "call_1"]


def test_choices_have_calls_of_their_own() -> None:
    events = parsed(
        [ToolCallDelta(0, "a", "f", "{}"), ToolCallDelta(0, "b", "g", "{}", 1)], Finish("stop", "", 1), STOP
    )
    assert [(call.choice, call.index, call.id) for call in calls(events)] == [(0, 0, "a"), (1, 0, "b")]
    assert [e.reason for e in events if isinstance(e, Finish)] == ["tool_calls", "tool_calls"]


@pytest.mark.parametrize(
    ("said", "heard"), [("stop", "tool_calls"), ("tool_calls", "tool_calls"), ("length", "length")]
)
def test_stop_with_calls_is_tool_calls(said: str, heard: str) -> None:
    stream = StreamParser("told")
    events, _ = stream.feed(told.line(ToolCallDelta(0, "a", "f"), Finish(said, "raw"), End()))
    assert events[-2] == Finish(heard, "raw")
    assert stream.finish_reason == heard


def test_a_call_that_comes_late_still_ends() -> None:
    events = parsed(STOP, ToolCallDelta(0, "a", "f", "{}"), End())
    call = ToolCallEnd(0, "a", "f", {}, "{}", False, 1, 2, 1)
    assert events[-3:] == [call, Finish("tool_calls", "stop"), End()]


def test_arguments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_ARGUMENTS", 100)
    fragment = ToolCallDelta(0, "a", "f", "é" * 10)
    events = parsed(*[fragment] * 9, ToolCallDelta(0, "b", "g", "x", 1))
    assert events[-1] == Error("malformed", "tool arguments of more than 100 bytes")
    assert [(call.choice, call.bytes, call.invalid) for call in calls(events)] == [(0, 120, True)]


def test_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MAX_CALLS", 3)
    events = parsed(*[ToolCallDelta(n, f"c{n}", "f", "{}", n % 2) for n in range(5)], End())
    assert events[-1] == Error("malformed", "more than 3 tool calls")
    assert [(call.id, call.invalid) for call in calls(events)] == [
        ("c0", True),
        ("c2", True),
        ("c1", True),
        ("c3", True),
    ]


@pytest.mark.parametrize(
    "say",
    [
        lambda choice: TextDelta("a", choice),
        lambda choice: ReasoningDelta("a", choice),
        lambda choice: TextSnapshot("a", choice),
        lambda choice: ToolCallDelta(0, "a", "f", "{}", choice),
        lambda choice: Finish("stop", "stop", choice),
    ],
)
def test_choices_are_bounded(say: Callable[[int], Event]) -> None:
    within = [say(0), *[say(choice) for choice in range(parser.MAX_CHOICES)]]
    assert parsed(*within, say(5), End())[-1] == End()
    beyond = parsed(*within, say(5), say(parser.MAX_CHOICES), say(0), End())
    assert beyond[-1] == Error("malformed", "more than 128 choices")


def test_the_end_of_a_call_of_no_choice_is_nothing() -> None:
    events = parsed(TextDelta("a"), *[ToolCallEnd(0, choice=choice) for choice in range(1, 1000)], STOP)
    assert events == [Start(), TextDelta("a"), STOP, End()]


# ---- text so far, and counts so far


def test_text_so_far_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_SNAPSHOTS", 10)
    said = [TextSnapshot("abcd"), TextSnapshot("abcdef"), TextSnapshot("wxyz", 1)]
    assert parsed(*said, End())[-1] == End()
    assert parsed(*said, TextSnapshot("wxyz!", 1), End())[-1] == Error(
        "malformed", "text so far of more than 10 characters"
    )
    # of what is not cumulative nothing is kept
    fresh = [TextSnapshot("abcdefgh"), *[TextSnapshot(f"{word}fgh") for word in "uvwxyz"]]
    assert parsed(*fresh, End())[-1] == End()


def test_snapshots_become_deltas() -> None:
    said = [
        TextSnapshot(text, choice)
        for text, choice in (("a", 0), ("ab", 0), ("x", 1), ("ab", 0), ("abcd", 0), ("xy", 1))
    ]
    heard = [e for e in parsed(*said, STOP, Finish("stop", "", 1)) if isinstance(e, TextDelta)]
    assert [(e.text, e.choice) for e in heard] == [("a", 0), ("x", 1), ("bcd", 0), ("y", 1)]


def test_a_snapshot_that_does_not_go_on_is_new_text() -> None:
    assert [e.text for e in parsed(*map(TextSnapshot, ("ab", "cd")), STOP) if isinstance(e, TextDelta)] == ["ab", "cd"]


def test_an_empty_snapshot_says_nothing() -> None:
    assert parsed(TextSnapshot(""), STOP) == [Start(), STOP, End()]


def test_the_last_count_wins_and_the_known_stays_known() -> None:
    events = parsed(Usage(9, 1), Usage(None, 5, reasoning_tokens=2), Usage(10, source="estimated"), STOP)
    assert events[1:4] == [Usage(9, 1), Usage(9, 5, reasoning_tokens=2), Usage(10, 5, None, None, 2, "estimated")]


# ---- the cut


def test_events_come_with_the_frame_that_says_them() -> None:
    """No event waits for a byte that its frame does not need."""
    second = CHUNK.replace(b'"a"', b'"b"')
    body = CHUNK + second + FINISH
    for pieces in halves(body):
        stream = StreamParser()
        first = [event for event in stream.feed(pieces[0])[0] if isinstance(event, TextDelta)]
        assert len(first) == (len(pieces[0]) >= len(CHUNK)) + (len(pieces[0]) >= len(CHUNK + second))
