"""One array over a whole body, and lines of CODE:JSON: every cut, everything that JSON allows, and bounds."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.stream import framing
from sidecar.stream.framing import Frame, Framing
from sidecar.stream.jsonarray import CodeLines, JSONArray, JSONValues
from tests.stream.reading import by, halves

KIB = 1024
ELEMENTS: list[Any] = [
    {"a": 1},
    {"brackets": "]}[{", "quotes": '"', "escapes": '\\" \\\\', "end": "\\"},
    {"deep": [[{"x": [{}, [], "[", {"]": "}"}]}]]},
    {"text": "é 世 🌿 \n\t"},
    {},
]
ARRAYS = {
    "compact": json.dumps(ELEMENTS, separators=(",", ":")).encode(),
    "one a line": b"[" + b"\n,\r\n".join(json.dumps(e).encode() for e in ELEMENTS) + b"\n]",
    "pretty": b"\xef\xbb\xbf" + json.dumps(ELEMENTS, indent=2, ensure_ascii=False).encode() + b"\n",
    "escaped": json.dumps([{"u": "\U0001f33f\u2028\\"}, {"s": '\\"\\\\"]'}]).encode(),
    "empty": b"[]",
    "empty with blanks": b" [ \n ] ",
    "one": b'[{"a":1}]',
    "cut in an element": b'[{"a":1},{"b":"]"',
    "cut after a comma": b'[{"a":1},\n',
    "cut in an escape": b'[{"a":"\\',
}
LINES = {
    "words": b'0:"a"\n0:" b"\nd:{"finishReason":"stop"}\n',
    "crlf and blank lines": b'f:{}\r\n\r\n0:"a"\r\n',
    "unterminated": b'0:"a"\n0:" b"',
    "a code alone": b'0:"a"\n0',
    "without a code": b'0:"a"\nplain words\n',
    "empty": b"",
}
VALUES = {
    "touching": b"".join(json.dumps(e).encode() for e in ELEMENTS),
    "one a line": b"\n".join(json.dumps(e).encode() for e in ELEMENTS) + b"\n",
    "with record separators": b"".join(b"\x1e" + json.dumps(e).encode() + b"\n" for e in ELEMENTS),
    "with NUL": b"".join(json.dumps(e).encode() + b"\0" for e in ELEMENTS),
    "with lengths": b"".join(b"%d\r\n%s\r\n" % (len(json.dumps(e)), json.dumps(e).encode()) for e in ELEMENTS),
    "with a guard": b")]}'\n\n" + b"\n".join(json.dumps(e).encode() for e in ELEMENTS),
    "pretty": b",\n".join(json.dumps(e, indent=1).encode() for e in ELEMENTS),
    "cut": b'{"a":1}{"b":',
}
FRAMINGS: list[tuple[Callable[[], Framing], bytes]] = [
    *((JSONArray, body) for body in ARRAYS.values()),
    *((JSONValues, body) for body in VALUES.values()),
    *((CodeLines, body) for body in LINES.values()),
]


def cut(make: Callable[[], Framing], pieces: list[bytes]) -> list[Frame]:
    framer = make()
    return [frame for piece in pieces for frame in framer.feed(piece)] + framer.eof()


def meant(frames: list[Frame]) -> list[tuple[bytes, str, bool]]:
    return [(f.data, f.name, f.partial) for f in frames if f.data is not None]


def read(body: bytes) -> list[Any]:
    return [json.loads(data) for data, _, partial in meant(cut(JSONArray, [body])) if not partial]


@pytest.mark.parametrize(
    "make, body",
    FRAMINGS,
    ids=[*ARRAYS, *(f"values: {name}" for name in VALUES), *(f"lines: {name}" for name in LINES)],
)
def test_the_cut_is_unseen_and_every_byte_is_kept(make: Callable[[], Framing], body: bytes) -> None:
    whole = meant(cut(make, [body]))
    for pieces in (by(1, body), by(7, body), *halves(body)):
        frames = cut(make, pieces)
        assert meant(frames) == whole, f"cut at {len(pieces[0])}"
        assert b"".join(frame.raw for frame in frames) == body


@pytest.mark.parametrize("name", ["compact", "one a line", "pretty"])
def test_the_elements(name: str) -> None:
    assert read(ARRAYS[name]) == ELEMENTS


@pytest.mark.parametrize("name", [name for name in VALUES if name != "cut"])
def test_the_values(name: str) -> None:
    assert [json.loads(data) for data, _, _ in meant(cut(JSONValues, [VALUES[name]]))] == ELEMENTS


@pytest.mark.parametrize("name", ["empty", "empty with blanks"])
def test_no_elements(name: str) -> None:
    assert read(ARRAYS[name]) == []


def test_an_element_is_a_frame_as_soon_as_it_is_complete() -> None:
    framer = JSONArray()
    assert meant(framer.feed(b'[{"a":1')) == []
    assert meant(framer.feed(b"}")) == [(b'{"a":1}', "", False)]
    assert meant(framer.feed(b',{"b":2},{"c"')) == [(b'{"b":2}', "", False)]
    assert meant(framer.eof()) == [(b'{"c"', "", True)]


def test_whatever_json_is_in_it_comes_out() -> None:
    rng = random.Random(7)
    for _ in range(200):
        elements = [_any_object(rng, 3) for _ in range(rng.randrange(4))]
        body = json.dumps(elements, indent=rng.choice([None, 1]), ensure_ascii=rng.random() < 0.5).encode()
        assert read(body) == elements
        at = rng.randrange(len(body))
        assert meant(cut(JSONArray, [body[:at], body[at:]])) == meant(cut(JSONArray, [body]))


def _any_object(rng: random.Random, depth: int) -> dict[str, Any]:
    return {_any_text(rng): _any_value(rng, depth) for _ in range(rng.randrange(4))}


def _any_value(rng: random.Random, depth: int) -> Any:
    if not depth or rng.random() < 0.4:
        return rng.choice([None, True, 1.5, _any_text(rng)])
    if rng.random() < 0.5:
        return _any_object(rng, depth - 1)
    return [_any_value(rng, depth - 1) for _ in range(rng.randrange(4))]


def _any_text(rng: random.Random) -> str:
    return "".join(rng.choice('ab"\\[]{}:,\n é🌿') for _ in range(rng.randrange(6)))


def test_an_element_beyond_the_bound_is_a_fault_and_the_next_one_is_read() -> None:
    framer = JSONArray()
    frames = framer.feed(b'[{"a":"')
    for _ in range(framing.MAX_FRAME // (256 * KIB) + 1):
        frames += framer.feed(b"x" * (256 * KIB))
        assert len(framer._tail) <= framing.MAX_FRAME + 256 * KIB
    frames += framer.feed(b'"},{"b":2}]')
    faults = [frame.fault for frame in frames if frame.fault]
    assert len(faults) == 1 and faults[0].endswith(f"more than {framing.MAX_FRAME}")
    assert [frame.data for frame in frames if frame.data] == [b'{"b":2}']


def test_a_code_line() -> None:
    assert meant(cut(CodeLines, [LINES["words"]])) == [
        (b'"a"', "0:", False),
        (b'" b"', "0:", False),
        (b'{"finishReason":"stop"}', "d:", False),
    ]


def test_a_line_without_a_code_is_kept_as_it_is() -> None:
    assert meant(cut(CodeLines, [LINES["without a code"]]))[1] == (b"plain words", "", False)


def test_a_code_alone_is_a_line_that_was_cut() -> None:
    assert meant(cut(CodeLines, [LINES["a code alone"]])) == [(b'"a"', "0:", False)]
    assert meant(cut(CodeLines, [b'0:"a"\n0:']))[1] == (b"", "0:", True)


@pytest.mark.parametrize("between", [",", "\n,\r\n", ", "])
@pytest.mark.parametrize("place", ["before", "behind", "both"])
def test_elements_come_singly_as_they_come_together(between: str, place: str) -> None:
    texts = [json.dumps(element, ensure_ascii=False) for element in ELEMENTS]
    before, behind = {"before": (between, ""), "behind": ("", between), "both": (",", "\n")}[place]
    pieces = ["[" + texts[0] + behind, *(before + text + behind for text in texts[1:]), "]"]
    frames = cut(JSONArray, [piece.encode() for piece in pieces])
    assert [json.loads(data) for data, _, _ in meant(frames)] == ELEMENTS
    assert b"".join(frame.raw for frame in frames) == "".join(pieces).encode()


@pytest.mark.parametrize("piece", [b',{"a":1}]', b',{"a":1},{"b":2}', b',{"a":1', b',"{}"', b',{"a":}', b',{"a":"}"'])
def test_what_is_not_one_element_is_scanned(piece: bytes) -> None:
    body = [b"[{}", piece, b',{"c":3}]']
    assert (
        meant(cut(JSONArray, body))
        == meant(cut(JSONArray, [b"".join(body)]))
        == meant(cut(JSONArray, by(1, b"".join(body))))
    )
