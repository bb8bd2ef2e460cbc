"""The envelope's version 2: what it adds to version 1, its schema, and that it reads back as what it said."""

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
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.wires import make
from sidecar.stream.wires.envelope import EnvelopeV1, EnvelopeV2
from tests.stream.reading import FIXTURES, Fixture, counts, read

TEXT = files("sidecar.stream.wires").joinpath("envelope-v2.schema.json").read_text()
SCHEMA = jsonschema.Draft7Validator(json.loads(TEXT))
STREAM = "s_0123456789abcdef"
CALL = ToolCallEnd(0, "call_1", "tide", {"port": "Brest"}, '{"port":"Brest"}', False, 2, 16, 1)
BROKEN = ToolCallEnd(0, "call_1", "tide", None, '{"po', True, 1, 4, 1, choice=1)


def encoded(events: list[Event], said: str = "completed") -> bytes:
    """The whole stream, the outcome known before its last word, as the relay does it."""
    wire = EnvelopeV2(STREAM)
    body = b""
    for event in events:
        if isinstance(event, End):
            wire.outcome = said
        body += wire.encode([event], [])
    return body


def frames(body: bytes) -> list[dict[str, Any]]:
    """Its frames, each valid, numbered from 0, and the last word alone with an id and an outcome."""
    blocks = body.split(b"\n\n")[:-1]
    said = [json.loads(block.removeprefix(b"id: end\n").removeprefix(b"data: ")) for block in blocks]
    for number, (block, frame) in enumerate(zip(blocks, said, strict=True)):
        SCHEMA.validate(frame)
        last = frame["type"] in ("complete", "error")
        assert block.startswith(b"id: end\n") == last == (number == len(blocks) - 1)
        assert (frame["meta"]["stream"], frame["meta"]["sequence"]) == (STREAM, number)
    return said


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(TEXT))
    assert set(json.loads(TEXT)["definitions"]["outcome"]["enum"]) == set(outcome.OUTCOMES)


def test_make() -> None:
    assert isinstance(make("envelope-v2", stream=STREAM), EnvelopeV2)


def test_the_bytes_of_a_stream() -> None:
    events: list[Event] = [
        Start("fern-1", "id"),
        ReasoningDelta("Hm"),
        TextDelta("He"),
        ToolCallDelta(0, "call_1", "tide", '{"port":'),
        ToolCallDelta(0, "call_1", "tide", '"Brest"}'),
        CALL,
        Usage(9, 3),
        Finish("tool_calls", "tool_use"),
        End(),
    ]
    meta = '"meta":{"schema":"v2","stream":"s_0123456789abcdef","sequence":'
    call = '"id":"call_1","name":"tide"'
    assert encoded(events).decode() == (
        f'data: {{"type":"reasoning","data":{{"content":"Hm","index":0}},{meta}0}}}}\n\n'
        f'data: {{"type":"chunk","data":{{"content":"He","index":0}},{meta}1}}}}\n\n'
        f'data: {{"type":"tool_call","data":{{{call},"arguments_delta":"{{\\"port\\":"}},{meta}2}}}}\n\n'
        f'data: {{"type":"tool_call","data":{{{call},"arguments_delta":"\\"Brest\\"}}"}},{meta}3}}}}\n\n'
        f'data: {{"type":"tool_call","data":{{{call},"arguments":{{"port":"Brest"}},"done":true}},{meta}4}}}}\n\n'
        'id: end\ndata: {"type":"complete","data":{"final_response":"He","finish_reason":"tool_calls","model":"fern-1",'
        '"usage":{"input_tokens":9,"output_tokens":3,"source":"reported"},"tool_calls":['
        f'{{{call},"arguments":{{"port":"Brest"}}}}]}},{meta}5,"totalChunks":1,"outcome":"completed"}}}}\n\n'
    )


def test_indexes_count_a_choice_s_frames_of_one_type() -> None:
    said = frames(
        encoded(
            [
                ReasoningDelta("a"),
                TextDelta("b"),
                TextDelta("c", 1),
                ReasoningDelta("d"),
                ReasoningDelta("e", 1),
                TextDelta("f"),
                TextDelta("g", refusal=True),
                End(),
            ]
        )
    )
    assert [(f["data"].get("choice", 0), f["data"]["index"]) for f in said[:-1]] == [
        *((0, 0), (0, 0), (1, 0), (0, 1), (1, 0), (0, 1), (0, 2)),
    ]
    assert said[-1]["meta"]["totalChunks"] == 4
    assert said[-1]["data"]["final_response"] == "bf"


@pytest.mark.parametrize("name", sorted(outcome.OUTCOMES))
def test_the_last_word_says_the_outcome(name: str) -> None:
    failed = outcome.complete(Error(name, "no", "SERVER"))
    assert frames(encoded([TextDelta("a"), failed]))[-1]["meta"]["outcome"] == name
    assert frames(encoded([TextDelta("a"), End()], name))[-1]["meta"]["outcome"] == name


def test_a_failure_of_ours_says_the_outcome() -> None:
    wire = EnvelopeV2(STREAM)
    body = wire.opening() + wire.encode([TextDelta("a")], []) + wire.failed(Error("stalled", "silence", "TIMEOUT"))
    opened, _, failed = frames(body)
    assert opened["data"] == {"message": "waiting"}
    assert (failed["type"], failed["meta"]["outcome"], failed["meta"]["totalChunks"]) == ("error", "stalled", 1)


def test_what_was_survived() -> None:
    broken = Extension("malformed", '{"a":')
    said = frames(encoded([TextDelta("a"), broken, TextDelta("b"), TextDelta("c"), broken, End()]))
    assert said[-1]["errors"] == [
        {"code": "PARSE", "chunk": 1, "recoverable": True},
        {"code": "PARSE", "chunk": 3, "recoverable": True},
    ]
    assert [f["type"] for f in said[:-1]] == ["chunk", "status", "chunk", "chunk", "status"]


def test_no_more_than_a_hundred_of_them_are_told() -> None:
    said = frames(encoded([*[Extension("malformed", "{")] * 150, Error("upstream_error", "no", "SERVER")]))
    assert len(said[-1]["errors"]) == 100


def test_a_call_that_does_not_parse() -> None:
    said = frames(encoded([BROKEN, End()]))
    assert said[0]["data"] == {
        **{"id": "call_1", "name": "tide", "arguments": None, "arguments_text": '{"po', "invalid": True},
        **{"done": True, "choice": 1},
    }
    assert said[1]["data"]["choices"][0]["tool_calls"][0]["invalid"]


def test_a_status_stays_one() -> None:
    said = frames(encoded([Status("server_tool", {"id": "s1", "name": "search"}), Extension("vendor", [1]), End()]))
    assert [f["data"] for f in said[:2]] == [
        {"message": "server_tool", "id": "s1", "name": "search"},
        {"message": "extension", "name": "vendor", "value": [1]},
    ]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_body_leaves_as_valid_frames_and_reads_back(fixture: Fixture) -> None:
    events = [outcome.complete(event) if isinstance(event, Error) else event for event in fixture.events]
    reason = next((e.reason for e in events if isinstance(e, Finish) and not e.choice), "")
    body = encoded(events, outcome.of_finish(reason))
    said = frames(body)
    assert said[-1]["type"] == ("error" if isinstance(events[-1], Error) else "complete")
    back = read(body, "homemade", True)
    assert spoken(back.events) == spoken(events)
    older = b"".join(EnvelopeV1().encode([event], []) for event in events)
    assert spoken(read(older, "homemade", True).events)[:2] == spoken(events)[:2]


def spoken(events: list[Event]) -> list[Any]:
    """What a reader makes of a stream, whatever the frames were."""
    whole, last = isinstance(events[-1], End), events[-1]
    texts: dict[Any, str] = {}
    for event in events:
        if isinstance(event, TextDelta | ReasoningDelta):
            voice = (type(event), event.choice, isinstance(event, TextDelta) and event.refusal)
            texts[voice] = texts.get(voice, "") + event.text
    calls = [(e.id, e.name, e.arguments, e.invalid, e.choice) for e in events if isinstance(e, ToolCallEnd)]
    # a call after the choice had finished came before it to who reads the envelope
    called = {(choice, "stop"): (choice, "tool_calls") for *_, choice in calls}
    reasons = {(e.choice, e.reason) for e in events if isinstance(e, Finish)}
    return [
        texts,
        calls,
        {called.get(reason, reason) for reason in reasons} if whole else None,
        ([counts(e) for e in events if isinstance(e, Usage)] or [None])[-1] if whole else None,
        (last.message, last.recoverable) if isinstance(last, Error) else None,
    ]


def test_every_outcome_of_a_failure_is_read_back() -> None:
    """By its own word in version 2; in version 1 by its code, which may be that of several."""
    for name, row in outcome.OUTCOMES.items():
        if row.code:
            error = outcome.complete(Error(name, "it broke"))
            assert read(EnvelopeV2(STREAM).encode([error], [])).events[-1] == error
            told = read(EnvelopeV1().encode([error], [])).events[-1]
            assert isinstance(told, Error)
            assert (told.code, told.recoverable) == (error.code, error.recoverable)
            assert outcome.complete(told) == told
