"""Whatever becomes of a recorded body, it is read to one last word, and what came before the damage is as it was.

`SIDECAR_MUTATIONS` says how often each body is damaged. The damage is the same in every run.
"""

import json
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from sidecar.policy import outcome
from sidecar.stream.events import AnyEvent, Error, Event, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.stream.wires.envelope import EnvelopeV1
from tests.stream.reading import FIXTURES, Fixture, Reading, assert_one_life, by, read
from tests.stream.test_envelope import SCHEMA

COUNT = int(os.environ.get("SIDECAR_MUTATIONS", "200"))
SECONDS = 5
PIECES = (
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xe4\xb8", b"\xef\xbb\xbf", b" ", b":", b",", b'"', b"\\"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"{}",
        b"null",
        b"data:",
        b"data: [DONE]\n\n",
        b"id: 7\n",
        b"event: error\n",
        b": hi\n\n",
    ),
    *(b"\\ud83c", b"1e999", b"NaN", b"9" * 400, b"[" * 2000, b'{"error":"x"}', b'data: {"done":true}\n\n'),
)
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 2**70, "", "x", "[1]", [], [None], ["x"], [[]], [{}], {}, {"x": 1}),
    *({"text": [1]}, {"type": 7}, {"error": {"code": []}}),
)

every_fixture = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)


@every_fixture
def test_a_damaged_body_has_one_last_word(fixture: Fixture) -> None:
    chance, body = random.Random(fixture.name), fixture.body
    for _ in range(COUNT):
        at, damaged = damage(body, chance)
        dialect = chance.choice(("auto", "auto", fixture.dialect))
        whole = timed(damaged, [damaged], dialect, fixture)
        other = timed(damaged, cut(damaged, chance), dialect, fixture)
        assert spelled(other.events) == spelled(whole.events), (dialect, damaged)
        before = spelled(StreamParser(dialect, fixture.event_stream).feed(body[:at])[0])
        assert spelled(whole.events)[: len(before)] == before, (dialect, at, damaged)
        EnvelopeV1().encode(completed(whole.events), [])


def damage(body: bytes, chance: random.Random) -> tuple[int, bytes]:
    """The body with one byte or slice that is not as it was, and where that begins."""
    at = chance.randrange(len(body))
    to = min(len(body), at + chance.choice((1, 2, 9, 80, 700)))
    match chance.randrange(7):
        case 0:
            return at, body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
        case 1:
            return at, body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return at, body[:at] + body[to:]
        case 3:
            return at, body[:at] + bytes([chance.randrange(256)]) + body[at:]
        case 4:
            return at, body[:at] + chance.choice(PIECES) + body[at:]
        case 5:
            return to, body[:to] + body[at:]
    return at, body[:at]


def cut(body: bytes, chance: random.Random) -> list[bytes]:
    at = chance.randrange(len(body) + 1)
    return chance.choice((by(1, body), by(7, body), [body[:at], body[at:]], [body[:at], body[at:]]))


def timed(body: bytes, pieces: list[bytes], dialect: str, fixture: Fixture) -> Reading:
    began = time.perf_counter()
    reading = read(pieces, dialect, fixture.event_stream)
    assert time.perf_counter() - began < SECONDS, (dialect, body)
    assert_one_life(reading.events)
    assert b"".join(frame.raw for frame in reading.frames) == body
    return reading


def spelled(events: list[Event]) -> list[Any]:
    """The events with every text taken apart, for how many deltas make it may depend on the cut."""
    return [
        piece
        for event in events
        for piece in (
            [(letter, event.choice, event.refusal) for letter in event.text]
            if isinstance(event, TextDelta)
            else [event]
        )
    ]


def completed(events: list[Event]) -> list[Event]:
    return [outcome.complete(event) if isinstance(event, Error) else event for event in events]


@every_fixture
def test_values_of_other_types_are_not_passed_on(fixture: Fixture) -> None:
    """Every event keeps its own types, and every frame of the envelope its schema."""
    if fixture.path.suffix == ".bin":
        pytest.skip("its frames have checksums")
    chance, seen = random.Random(fixture.name), set[bytes]()
    for damaged in retyped(fixture, chance):
        events = timed(damaged, [damaged], "auto", fixture).events
        for event in events:
            assert msgspec.json.decode(msgspec.json.encode(event), type=AnyEvent) == event, damaged
        lines = EnvelopeV1().encode(completed(events), []).split(b"\n\n")[:-1]
        for line in set(lines) - seen:
            SCHEMA.validate(json.loads(line.removeprefix(b"id: end\n").removeprefix(b"data: ")))
        seen |= set(lines)


def retyped(fixture: Fixture, chance: random.Random) -> Iterator[bytes]:
    """The body with one value of one frame's JSON replaced by one that nobody expects."""
    frames = read(fixture.body, event_stream=fixture.event_stream).frames
    objects = [(number, said) for number, frame in enumerate(frames) if (said := decoded(frame))]
    for _ in range(COUNT // 4 if objects else 0):
        number, said = chance.choice(objects)
        odd = replaced(said, chance.choice(list(paths(said))), chance.choice(ODD))
        raws = [frame.raw for frame in frames]
        raws[number] = raws[number].replace(frames[number].data or b"", json.dumps(odd).encode())
        yield b"".join(raws)


def decoded(frame: Frame) -> Any:
    """The JSON of a frame that holds it in one piece."""
    try:
        return json.loads(frame.data or b"") if (frame.data or b"") in frame.raw else None
    except ValueError:
        return None


def paths(said: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key in said if isinstance(said, dict) else range(len(said)) if isinstance(said, list) else ():
        yield from paths(said[key], (*path, key))


def replaced(said: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = said.copy()
    copy[path[0]] = replaced(said[path[0]], path[1:], value)
    return copy
