"""What we write is one line to every reader of lines, whatever was said."""

import json
from collections.abc import Iterator

import pytest

from sidecar.stream import dialects, lines
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
)
from sidecar.stream.sofar import SoFar
from sidecar.stream.wires import make

ODD = 'one\u2028two\u2029three\u0085four \\\u2028 "\u2029" \x0b\x0c\x1c\x1d\x1e “…” 世 \U0001f33f'
SAID: list[Event] = [
    Start(ODD),
    ReasoningDelta(ODD),
    TextDelta(ODD),
    TextDelta(ODD, 1),
    Status(ODD, {"step": ODD}),
    Extension(ODD, {ODD: [ODD]}),
    ToolCallDelta(0, "call_1", ODD, json.dumps({ODD: ODD}, ensure_ascii=False)),
    ToolCallEnd(0, "call_1", ODD, {ODD: ODD}, json.dumps({ODD: ODD}, ensure_ascii=False)),
    Finish("stop"),
    Finish("stop", "", 1),
    End(),
]
FAILED = Error("upstream_error", ODD, "SERVER", type=ODD)


def test_json_stays_the_same() -> None:
    for value in (ODD, {ODD: [ODD, 1, None]}, "plain", 1):
        written = lines.encoded(value)
        assert json.loads(written) == value
        assert len(written.decode().splitlines()) == 1


@pytest.mark.parametrize("last", [None, FAILED])
@pytest.mark.parametrize("name", ["envelope-v1", "envelope-v2", "openai"])
def test_every_frame_is_one_line(name: str, last: Error | None) -> None:
    wire = make(name, stream="s_1")
    said = [wire.encode([event], []) for event in (SAID[:-1] if last else SAID)]
    told = b"".join([*said, wire.failed(last) if last else b""]).decode()
    told = told.removesuffix(":")  # the comment that never ends
    assert told.splitlines() == told.split("\n")[:-1]
    found = [json.loads(line[6:]) for line in told.splitlines() if line.startswith("data: {")]
    assert len(found) >= 4 and all(ODD in strings(frame) for frame in found)


@pytest.mark.parametrize("name", [name for name in dialects.ORDER if dialects.error_frame(name, FAILED, SoFar())])
def test_an_error_in_the_words_of_a_dialect_is_so_too(name: str) -> None:
    wire = make("passthrough", name)
    wire.event_stream = not dialects.error_frame(name, FAILED, SoFar()).startswith(b"{")
    told = wire.failed(FAILED).decode()
    assert told.splitlines() == told.removesuffix("\n").replace("\r", "").split("\n")
    for line in (line for line in told.splitlines() if "{" in line):
        assert ODD in strings(json.loads(line.removeprefix("data: ")))


def strings(value: object) -> Iterator[str]:
    """All of them, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from strings(pair)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)
