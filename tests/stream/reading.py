"""How these tests read a body: the fixtures, the ways to cut one, and what a parser made of it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from sidecar.stream.events import AnyEvent, End, Error, Event, Start, TextDelta, Usage
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser

FOLDER = Path(__file__).parents[1] / "fixtures"
BODIES = {".sse", ".ndjson", ".json", ".txt", ".bin"}


class Fixture(NamedTuple):
    """One recorded body, and the events that it means."""

    dialect: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.dialect}/{self.path.name}"

    @property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @property
    def event_stream(self) -> bool:
        return self.path.suffix == ".sse"

    @property
    def events(self) -> list[Event]:
        lines = self.path.with_suffix(".events.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line, type=AnyEvent) for line in lines]


FIXTURES = [
    Fixture(path.parent.name, path)
    for path in sorted(FOLDER.glob("*/*"))
    if path.suffix in BODIES and not path.name.endswith(".events.jsonl")
]


class Reading(NamedTuple):
    """What came out of a parser."""

    events: list[Event]
    frames: list[Frame]
    parser: StreamParser

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, TextDelta) and not e.choice and not e.refusal)


def read(
    pieces: bytes | Iterable[bytes], dialect: str = "auto", event_stream: bool = False, clean: bool = True
) -> Reading:
    """The whole life of a parser."""
    reading = Reading([], [], StreamParser(dialect, event_stream))
    for piece in [pieces] if isinstance(pieces, bytes) else pieces:
        add(reading, *reading.parser.feed(piece))
    add(reading, *reading.parser.eof(clean))
    return reading


def add(reading: Reading, events: list[Event], frames: list[Frame]) -> None:
    reading.events.extend(events)
    reading.frames.extend(frames)


def by(size: int, body: bytes) -> list[bytes]:
    """The body in pieces of `size` bytes."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def halves(body: bytes, step: int = 1) -> Iterator[list[bytes]]:
    """Every way to cut the body in two, or every `step`th."""
    for at in range(1, len(body), step):
        yield [body[:at], body[at:]]


def joined(events: Iterable[Event]) -> list[Event]:
    """The events with neighbouring text deltas of one choice made one: their number may depend on the cut."""
    whole: list[Event] = []
    for event in events:
        last = whole[-1] if whole else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta) and same_voice(event, last):
            whole[-1] = msgspec.structs.replace(last, text=last.text + event.text)
        else:
            whole.append(event)
    return whole


def same_voice(one: TextDelta, other: TextDelta) -> bool:
    return one.choice == other.choice and one.refusal == other.refusal


def counts(usage: Usage) -> Usage:
    """What the envelope tells of it: the provider's numbers, not which of them contain which."""
    return msgspec.structs.replace(usage, cache_apart=False, reasoning_apart=False)


def assert_one_life(events: list[Event]) -> None:
    """One `Start`, first; one last word, last."""
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], End | Error)
    assert sum(isinstance(event, Start) for event in events) == 1
    assert sum(isinstance(event, End | Error) for event in events) == 1
