"""What is told of a call in pieces is what is told of it whole, in every format out of every dialect."""

import json
from typing import Any

import pytest

from sidecar.policy import outcome
from sidecar.stream.events import Error, Event, ToolCallDelta, ToolCallEnd
from sidecar.stream.wires import make
from tests.stream.reading import FIXTURES, Fixture, by, read

every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
Calls = dict[tuple[int, int], list[str]]  # choice and number -> id, name, arguments


def encoded(name: str, events: list[Event]) -> list[dict[str, Any]]:
    """The JSON of each frame of that format."""
    wire = make(name, stream="s1")
    told = [outcome.complete(event) if isinstance(event, Error) else event for event in events]
    lines = b"".join(wire.encode([event], []) for event in told).decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def whole(events: list[Event]) -> Calls:
    ends = [event for event in events if isinstance(event, ToolCallEnd)]
    return {(end.choice, end.index or 0): [end.id, end.name, end.arguments_text] for end in ends}


@every_fixture
def test_fragments_are_the_arguments(fixture: Fixture) -> None:
    for pieces in (fixture.body, by(7, fixture.body)):
        events = read(pieces, event_stream=fixture.event_stream).events
        calls: Calls = {}
        for event in events:
            if isinstance(event, ToolCallDelta) and event.id:
                call = calls.setdefault((event.choice, event.index or 0), [event.id, "", ""])
                call[1], call[2] = event.name, call[2] + event.arguments
        assert calls == whole(events)


@every_fixture
def test_openai_s_readers_put_the_same_call_together(fixture: Fixture) -> None:
    calls: Calls = {}
    for choice in (choice for chunk in encoded("openai", fixture.events) for choice in chunk.get("choices", ())):
        for part in choice["delta"].get("tool_calls", ()):
            call = calls.setdefault((choice["index"], part["index"]), ["", "", ""])
            said = part["function"]
            for place, words in enumerate((part.get("id", ""), said.get("name", ""), said["arguments"])):
                call[place] += words
    assert calls == whole(fixture.events)


@every_fixture
def test_the_envelope_s_fragments_are_its_arguments(fixture: Fixture) -> None:
    """Told apart by their order: several calls may have one id."""
    frames = [frame for frame in encoded("envelope-v2", fixture.events) if frame["type"] == "tool_call"]
    spoken = [frame["data"] for frame in frames if "done" not in frame["data"]]
    said: dict[tuple[int, str], str] = {}
    for data in spoken:
        key = (data.get("choice", 0), data["id"])
        said[key] = said.get(key, "") + data["arguments_delta"]
    ended: dict[tuple[int, str], str] = {}
    for end in (event for event in fixture.events if isinstance(event, ToolCallEnd)):
        ended[end.choice, end.id] = ended.get((end.choice, end.id), "") + end.arguments_text
    assert {key: sorted(text) for key, text in said.items()} == {key: sorted(text) for key, text in ended.items()}
