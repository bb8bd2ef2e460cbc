"""Recorded answers of real servers, in the folder that `SIDECAR_REAL` names: `NAME.req.json` is what was asked (path
and body), `NAME.sse`, `.ndjson` or `.json` the answer, `index.tsv` has status, content type and how each ended.
They belong to others and are not part of this project; without them this skips. What was meant is what SDKs read."""

import json
import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from sidecar.stream.events import End, Error, Event, Finish, ReasoningDelta, TextDelta, ToolCallEnd, Usage
from tests.real.answer import Answer, Choice, Notes
from tests.real.readers import FAILURES, READERS, Where, chat, envelope
from tests.recorded.replay import Body, through
from tests.stream.reading import assert_one_life, by, joined, read

SUFFIXES = (".sse", ".ndjson", ".json")
INCOMPLETE = {
    "lcp-chat-overflow": "the prompt is too long: an empty body under a 200",
}
"""Recordings that say neither an error nor an end, besides those whose server was killed."""


class Recording(NamedTuple):
    name: str
    path: str
    body: Body


def recordings() -> list[Recording]:
    """Those that were answered 200."""
    folder = os.environ.get("SIDECAR_REAL")
    lines = Path(folder, "index.tsv").read_text().splitlines() if folder else []
    rows = [line.split("\t") for line in lines]
    return [recording(Path(folder or "", row[0]), row[2], "CUT" not in row[4]) for row in rows if row[1] == "200"]


def recording(file: Path, content_type: str, whole: bool) -> Recording:
    asked = re.search(r'"path": "([^"]+)"', file.with_name(f"{file.name}.req.json").read_text())
    assert asked
    (answer,) = (path for suffix in SUFFIXES if (path := file.with_name(file.name + suffix)).exists())
    return Recording(file.name, asked[1], Body(answer.read_bytes(), content_type, whole))


RECORDINGS = recordings()
EACH = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


def test_there_are_some() -> None:
    if "SIDECAR_REAL" not in os.environ:
        pytest.skip("SIDECAR_REAL names no folder")
    assert {recording.path for recording in RECORDINGS} >= set(READERS)
    assert {recording.name for recording in RECORDINGS} >= INCOMPLETE.keys()


@EACH
def test_it_ends_as_it_ended(recording: Recording) -> None:
    data = recording.body.data
    whole, *cuts = (
        read(pieces, "auto", recording.body.event_stream, recording.body.whole).events
        for pieces in ([data], by(7, data), by(1, data))
    )
    assert_one_life(whole)
    assert [joined(cut) for cut in cuts] == [joined(whole)] * 2
    failed = "-killed-" in recording.name or recording.name.startswith("llama-err-") or recording.name in INCOMPLETE
    assert isinstance(whole[-1], Error if failed else End)


@EACH
def test_it_says_what_its_sdk_reads(recording: Recording) -> None:
    try:
        read_by_sdk = answer(recording, "", recording.body)
    except FAILURES:
        read_by_sdk = None
    said = heard(read(recording.body.data, "auto", recording.body.event_stream, recording.body.whole).events)
    if not isinstance(said, Answer):
        assert not read_by_sdk or "" in {choice.finish for choice in read_by_sdk.choices.values() or [Choice()]}
    else:
        assert said == read_by_sdk


@EACH
@pytest.mark.parametrize("format", ["passthrough", "openai", "envelope-v2"])
def test_it_is_read_alike_in_every_format(format: str, recording: Recording) -> None:
    events = read(recording.body.data, "auto", recording.body.event_stream, recording.body.whole).events
    said = heard(events)
    body = through(format, recording.body, recording.path, 97)
    if isinstance(said, Answer):
        if format == "openai":
            said = said._replace(usage=inclusive(events))
        assert answer(recording, format, body) == said
    else:
        with pytest.raises(FAILURES):
            answer(recording, format, body)


def inclusive(events: list[Event]) -> tuple[int, int] | None:
    """Tokens as OpenAI counts them: prompts contain what was cached."""
    last = next((event for event in reversed(events) if isinstance(event, Usage)), None)
    if not last:
        return None
    cached = (last.cached_input_tokens or 0) + (last.cache_creation_input_tokens or 0) if last.cache_apart else 0
    return (last.input_tokens or 0) + cached, last.output_tokens or 0


def answer(recording: Recording, format: str, body: Body) -> Answer:
    reader = {"openai": chat, "envelope-v2": envelope}.get(format) or READERS[recording.path]
    asked = {"stream": not body.content_type.startswith("application/json")}
    return reader(Where("http://backend", transport=body.transport), recording.path, asked)


def heard(events: list[Event]) -> Answer | str:
    """What was said as the readers tell it; or the error's message."""
    notes = Notes()
    for event in events:
        match event:
            case TextDelta(text=text, choice=choice):
                notes.hear(text, choice=choice)
            case ReasoningDelta(text=text, choice=choice):
                notes.hear(reasoning=text, choice=choice)
            case ToolCallEnd(index=index, name=name, arguments=arguments, choice=choice):
                notes.call(index, name, event.arguments_text if event.invalid else json.dumps(arguments), choice)
            case Finish(reason=reason, choice=choice):
                notes.hear(finish=reason, choice=choice)
            case Usage():
                notes.count(event.input_tokens, event.output_tokens)
            case Error(message=message):
                return message
    return notes.answer()
