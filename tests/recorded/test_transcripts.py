"""Recorded streams of real backends, in the folder that `SIDECAR_TRANSCRIPTS` names: `<dialect>/<name>.<ext>` and,
beside it, `<name>.expected.json`. They belong to others and are not part of this project; without them this skips."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.stream import failure
from sidecar.stream.events import End, Error, Event, Finish, ReasoningDelta, TextDelta, ToolCallEnd, Usage
from tests.stream.reading import assert_one_life, by, read

BODIES = (".sse", ".ndjson", ".json", ".txt", ".bin")
NAMED = {"openai_chat": "openai-chat", "anthropic": "anthropic", "ollama": "ollama"}
OPEN_ENDED = ("triton", "writer_completions")
"""Wire families without an end mark: the clean end of the body is theirs."""


class Transcript(NamedTuple):
    name: str
    path: Path
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.path.read_bytes())
        return told

    @property
    def status(self) -> int:
        return int(self.told["http_status"] or 200)


def transcripts() -> list[Transcript]:
    folder = os.environ.get("SIDECAR_TRANSCRIPTS")
    return [transcript(path) for path in sorted(Path(folder).glob("*/*.expected.json"))] if folder else []


def transcript(path: Path) -> Transcript:
    name = path.name.removesuffix(".expected.json")
    bodies = [path.with_name(name + suffix) for suffix in BODIES]
    body = next((body.read_bytes() for body in bodies if body.exists()), b"")
    return Transcript(f"{path.parent.name}/{name}", path, body)


STREAMS = [each for each in transcripts() if each.status < 400]
REFUSALS = [each for each in transcripts() if each.status >= 400]


def test_there_are_some() -> None:
    if "SIDECAR_TRANSCRIPTS" not in os.environ:
        pytest.skip("SIDECAR_TRANSCRIPTS names no folder")
    names = {each.name.split("/")[0] for each in STREAMS}
    assert names >= {"openai-chat", "anthropic", "ollama-ndjson", "sse-framing"}


@pytest.mark.parametrize("cut", ["whole", 7, 1])
@pytest.mark.parametrize("transcript", STREAMS, ids=lambda transcript: transcript.name)
def test_a_stream_says_what_it_said_to_others(transcript: Transcript, cut: int | str) -> None:
    told = transcript.told
    pieces = by(cut, transcript.body) if isinstance(cut, int) else [transcript.body]
    for dialect in {"auto", NAMED.get(told["wire_family"], "auto")}:
        reading = read(pieces, dialect, "event-stream" in (told["content_type"] or ""))
        assert_one_life(reading.events)
        assert b"".join(frame.raw for frame in reading.frames) == transcript.body
        wrong = differences(told, heard(reading.events))
        assert not wrong.keys() - excused(told), wrong


@pytest.mark.parametrize("transcript", REFUSALS, ids=lambda transcript: transcript.name)
def test_an_http_error_is_told_in_the_backends_words(transcript: Transcript) -> None:
    error = failure.read_body(transcript.body, transcript.status)
    assert error.status == transcript.status
    assert error.message == transcript.told["expected"]["error"]["message"]


def heard(events: list[Event]) -> dict[str, Any]:
    """What the first choice said."""
    last, counts = events[-1], [e for e in events if isinstance(e, Usage)]
    first = [e for e in events if not getattr(e, "choice", 0)]
    return {
        "end": "whole" if isinstance(last, End) else "failed",
        "text": "".join(e.text for e in first if isinstance(e, TextDelta) and not e.refusal),
        "refusal": "".join(e.text for e in first if isinstance(e, TextDelta) and e.refusal),
        "reasoning": "".join(e.text for e in first if isinstance(e, ReasoningDelta)),
        "tool_calls": [(e.id, e.name, e.arguments) for e in first if isinstance(e, ToolCallEnd)],
        "finish_reason": next((e.reason for e in first if isinstance(e, Finish)), None),
        "input_tokens": counts[-1].input_tokens if counts else None,
        "output_tokens": counts[-1].output_tokens if counts else None,
        "error": last.message if isinstance(last, Error) else "",
    }


def differences(told: dict[str, Any], said: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Field by field, what was said and what should have been; only what was recorded is compared."""
    expected = told["expected"]
    ended = expected["terminal"] != "eof_without_finish" or told["wire_family"] in OPEN_ENDED
    # an answer that was cancelled, or that the model could not finish, is none
    failed = bool(expected["error"]) or not ended or expected["finish_reason"] in ("error", "cancelled")
    should = {key: expected[key] or "" for key in ("text", "refusal", "reasoning")}
    should["end"] = "failed" if failed else "whole"
    if expected["error"]:
        should["error"] = expected["error"]["message"]
    if not failed:
        should["tool_calls"] = calls(expected["tool_calls"], said["tool_calls"])
        should |= {key: value for key, value in (expected["usage"] or {}).items() if key in said and value is not None}
        should |= {"finish_reason": expected["finish_reason"]} if expected["finish_reason"] else {}
    return {key: (said[key], value) for key, value in should.items() if said[key] != value}


def calls(expected: list[dict[str, Any]], said: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    """The expected calls; an id that the backend did not give is ours to make, and what was cut is not compared."""
    ours = said + [("", "", None)] * len(expected)
    return [
        (call["id"] or our[0], call["name"], our[2] if call["arguments"] is None else call["arguments"])
        for call, our in zip(expected, ours, strict=False)
    ]


def excused(told: dict[str, Any]) -> set[str]:
    """The fields that have another defensible reading."""
    alternatives = told.get("alternatives") or told["expected"].get("alternatives") or []
    fields = {key.split("[")[0] for other in alternatives for key in other.get("overlay", {})}
    return fields | ({"end", "refusal", "finish_reason"} if fields & {"terminal", "text", "tool_calls"} else set())
