"""Whatever comes between the frames of a refrain, and whatever stands in them, it is read as in full.

A chunk that holds no whole frame is read in full, so the same bytes are read twice: as chunks of frames, and with every
chunk in halves. `SIDECAR_MUTATIONS` says how often, `SIDECAR_TRANSCRIPTS` names a folder of more recordings.
"""

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.stream.parser import StreamParser
from tests.stream.reading import BODIES, FIXTURES, by, read
from tests.stream.test_mutations import spelled

COUNT = int(os.environ.get("SIDECAR_MUTATIONS", "200")) // 10
RECORDED = [
    path
    for path in sorted(Path(os.environ.get("SIDECAR_TRANSCRIPTS", "/nowhere")).glob("*/*.*"))
    if path.suffix in BODIES and not path.name.endswith((".expected.json", ".events.jsonl"))
]
STRING, NUMBER = re.compile(rb'"[^"\\\n]*"(?!\s*:)'), re.compile(rb"(?<=:)\s?[0-9]+(?=[,}])")
WORDS = ("a", " b", "[x]", "", "\n", '"', "\\", "世🌿", "obfuscation", '"obfuscation":"x"', "data: x", "<think>")
STRINGS = (b'"\\ud83d"', b'"\\ude00"', b'"\t"', b'"\n"', b'"\xff"')
LITERALS = (*STRINGS, b"7", b"007", b"1.5", b"-1", b"9" * 30, b"null", b"{}")
ODD = (*STRINGS, b'"a\\"b"', b'"a', b'"a""b"', b"", b"[]", b"1.5", b"007", b"1e3", b"-")


@pytest.mark.parametrize("path", [*(fixture.path for fixture in FIXTURES), *RECORDED], ids=lambda path: path.name)
def test_it_is_read_as_in_full(path: Path) -> None:
    chance, event_stream = random.Random(path.name), path.suffix == ".sse"
    frames = [frame.raw for frame in read(path.read_bytes(), event_stream=event_stream).frames if frame.raw]
    for _ in range(COUNT if frames else 0):
        chunks = list(disturbed(frames[:200], chance))
        in_frames = read(chunks, event_stream=event_stream)
        assert spelled(in_frames.events) == spelled(read(halved(chunks), event_stream=event_stream).events), chunks
        assert b"".join(frame.raw for frame in in_frames.frames) == b"".join(chunks)


def halved(chunks: list[bytes]) -> list[bytes]:
    return [piece for chunk in chunks for piece in by(max(1, len(chunk) - 1), chunk)]


def disturbed(frames: list[bytes], chance: random.Random) -> Iterator[bytes]:
    """The beginning as it was, and then every frame again and again with other values, merged, cut and damaged."""
    begun = chance.randrange(len(frames)) + 1
    yield from frames[:begun]
    for _ in range(chance.randrange(8)):
        frame = chance.choice(frames)
        for _ in range(chance.randrange(8)):
            chunk = varied(frame, chance)
            at = chance.randrange(len(chunk))
            match chance.randrange(12):
                case 0:
                    yield chunk + varied(frame, chance)
                case 1:
                    yield from (piece for piece in (chunk[:at], chunk[at:]) if piece)
                case 2:
                    yield chunk[:at] + bytes([chunk[at] ^ 1 << chance.randrange(8)]) + chunk[at + 1 :]
                case 3:
                    yield chunk[:at] or chunk
                case _:
                    yield chunk


def varied(frame: bytes, chance: random.Random) -> bytes:
    """The frame with up to three values of its JSON replaced."""
    for _ in range(chance.randrange(4)):
        places = list(chance.choice((STRING, STRING, NUMBER)).finditer(frame))
        if places:
            place = chance.choice(places)
            word = json.dumps(chance.choice(WORDS), ensure_ascii=chance.random() < 0.5).encode()
            value = chance.choice(LITERALS) if chance.random() < 0.2 else word if chance.random() < 0.8 else b"%d" % 77
            frame = frame[: place.start()] + value + frame[place.end() :]
    return frame


CHAT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}],"obfuscation":%b}\n\n'
DELTA = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"%b","obfuscation":"x%b",'
    b'"output_index":0,"sequence_number":%b}\n\n'
)
LINE = b'{"model":"m","created_at":"2025-11-20T12:00:00.%bZ","message":{"content":"%b"},"done":false}\n'
STREAMS = {
    "openai-chat": [CHAT % (b"w%d" % n, b'"' + b"x7Yq" * (n % 5) + b'"') for n in range(60)],
    "openai-responses": [DELTA % (b"w%d" % n, b"y" * (n % 7), b"%d" % (n + 1)) for n in range(60)],
    "ollama": [LINE % (b"%d" % (n * n), b"w%d" % n) for n in range(60)],
}


@pytest.mark.parametrize("dialect", STREAMS)
def test_values_that_mean_nothing_are_stepped_over(dialect: str) -> None:
    parser = StreamParser(event_stream=dialect != "ollama")
    told = [parser.feed(chunk) for chunk in STREAMS[dialect]]
    assert parser.dialect == dialect and vars(parser)["_refrain"].known
    assert [events[-1].text for events, _ in told if hasattr(events[-1], "text")] == [f"w{n}" for n in range(60)]
    assert [frame.raw for _, frames in told for frame in frames] == STREAMS[dialect]
    in_full = read(halved(STREAMS[dialect]))
    assert [frame.data for _, frames in told for frame in frames] == [f.data for f in in_full.frames if f.data]


@pytest.mark.parametrize("value", ODD)
def test_only_a_word_or_a_number_means_nothing(value: bytes) -> None:
    assert_read_in_full(CHAT % (b"d", value))


def test_a_field_is_no_nothing() -> None:
    assert_read_in_full((CHAT % (b"d", b"")).replace(b'"obfuscation":', b""))


def assert_read_in_full(chunk: bytes) -> None:
    chunks = [CHAT % (b"a", b'"x"'), CHAT % (b"b", b'"y"'), CHAT % (b"c", b'"z"'), chunk]
    assert spelled(read(chunks).events) == spelled(read(halved(chunks)).events)
