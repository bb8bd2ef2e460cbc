"""Server-sent events by the WHATWG rules, section 9.2.6: what an `EventSource` would dispatch.

Our own vectors, each from a sentence of the standard, and those of the file that `SIDECAR_SSE_VECTORS` names.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sidecar.stream.framing import Frame
from sidecar.stream.sse import SSE
from tests.stream.reading import by, halves

Heard = tuple[str, str, str]
"""Event name, data, last event id."""


class Vector(NamedTuple):
    """A body, and the state of a reader that has read all of it."""

    name: str
    body: bytes
    events: list[Heard]
    last_id: str = ""
    retry_ms: int | None = None
    chunks: tuple[bytes, ...] = ()


LETTERS = "a\u2028b\u0085c\x0bd\x0ce"


def said(*data: str) -> list[Heard]:
    return [("", each, "") for each in data]


OWN = [
    Vector("one line", b"data: a\n\n", said("a")),
    Vector("lines of data are joined by LF", b"data: a\ndata\ndata: b\n\n", said("a\n\nb")),
    Vector("data is all after the colon", b"data: a: b : c\n\n", said("a: b : c")),
    Vector("one space is stripped", b"data:a\n\ndata: a\n\ndata:  a\n\n", said("a", "a", " a")),
    Vector("a tab is not a space", b"data:\ta\n\n", said("\ta")),
    Vector("an empty data line is an event", b"data\n\ndata:\n\ndata: \n\n", said("") * 3),
    Vector("a name alone is no event", b"event: x\n\ndata: a\n\n", said("a")),
    Vector("the last name counts", b"event: x\nevent: y\ndata: a\n\n", [("y", "a", "")]),
    Vector("a name holds for one event", b"data: a\nevent: x\n\ndata: b\n\n", [("x", "a", ""), ("", "b", "")]),
    Vector("an empty name is the default", b"event: x\nevent\ndata: a\n\n", said("a")),
    Vector("an id stays", b"id: 7\ndata: a\n\ndata: b\n\n", [("", "a", "7"), ("", "b", "7")], "7"),
    Vector("an empty id resets", b"id: 7\ndata: a\n\nid\ndata: b\n\n", [("", "a", "7"), ("", "b", "")]),
    Vector("an id needs no data", b"id: 7\n\ndata: b\n\n", [("", "b", "7")], "7"),
    Vector("an id with NUL is ignored", b"id: 7\n\nid: 8\x009\ndata: a\n\n", [("", "a", "7")], "7"),
    Vector("an id is UTF-8", "id: ü\ndata: a\n\n".encode(), [("", "a", "ü")], "ü"),
    Vector("retry is digits", b"retry: 1500\n\nretry: 1e3\n\nretry: -1\n\nretry:\n\n", [], retry_ms=1500),
    Vector("retry is ASCII digits", "retry: ٣\n\n".encode(), []),
    Vector("retry needs no event", b"retry: 10\ndata: a\n\nretry:20\n\n", said("a"), retry_ms=20),
    Vector("comments", b":\n: a\ndata: a\n:b\n\n::\n\n", said("a")),
    Vector("unknown fields", b"foo: 1\ndata: a\n data: b\nData: c\n\n", said("a")),
    Vector("a line without a colon is a name", b"data: a\nnonsense\n\n", said("a")),
    Vector("CRLF", b"event: x\r\ndata: a\r\ndata: b\r\n\r\n", [("x", "a\nb", "")]),
    Vector("CR", b"event: x\rdata: a\rdata: b\r\r", [("x", "a\nb", "")]),
    Vector("every mix", b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\rdata: e\r\n\r", said(*"abcde")),
    Vector("CR LF is one line end", b"data: a\r\ndata: b\n\n", said("a\nb")),
    Vector("a run of line ends", b"\n\r\n\n\rdata: a\n\n\n\r\n\n", said("a")),
    Vector("a mark at the start", b"\xef\xbb\xbfdata: a\n\n", said("a")),
    Vector("one mark and no more", b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n", said("b")),
    Vector("a mark further on is a letter", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", said("a")),
    Vector("a mark in front of a comment", b"\xef\xbb\xbf: x\ndata: a\n\n", said("a")),
    Vector("bad UTF-8 is replaced", b"data: \xff\xe4\xb8\n\n", said("��")),
    Vector("a letter that the network cuts", "data: 世🌿\n\n".encode(), said("世🌿")),
    Vector("other line ends are letters", f"data: {LETTERS}\n\n".encode(), said(LETTERS)),
    Vector("NUL in data stays", b"data: a\0b\n\n", said("a\0b")),
    Vector("an unfinished event is none", b"data: a\n\ndata: b\n", said("a")),
    Vector("an unfinished id is none", b"data: a\n\nid: 9", said("a")),
    Vector("nothing", b"", []),
    Vector("line ends only", b"\n\n\r\n\r\r", []),
]


def recorded() -> list[Vector]:
    path = os.environ.get("SIDECAR_SSE_VECTORS")
    return [vector(told) for told in json.loads(Path(path).read_bytes())["vectors"]] if path else []


def vector(told: dict[str, Any]) -> Vector:
    expected = told["expected"]
    return Vector(
        told["id"],
        base64.b64decode(told["input_b64"]),
        [("" if e["type"] == "message" else e["type"], e["data"], e["lastEventId"]) for e in expected["events"]],
        expected["last_event_id_string"],
        expected["reconnection_time_ms"],
        tuple(base64.b64decode(chunk) for chunk in told["chunks_b64"]),
    )


def ways(vector: Vector) -> Iterator[list[bytes]]:
    yield [vector.body]
    yield list(vector.chunks) or by(3, vector.body)
    yield by(1, vector.body)
    yield from halves(vector.body)


def heard(frame: Frame) -> Heard:
    return "" if frame.name == "message" else frame.name, (frame.data or b"").decode("utf-8", "replace"), frame.id


def check(vector: Vector) -> None:
    for pieces in ways(vector):
        assert b"".join(pieces) == vector.body
        framing = SSE()
        frames = [frame for piece in pieces for frame in framing.feed(piece)]
        state = framing.last_event_id, framing.retry_ms
        assert [heard(frame) for frame in frames if frame.data is not None] == vector.events, pieces
        assert state == (vector.last_id, vector.retry_ms), pieces
        assert b"".join(frame.raw for frame in frames + framing.eof()) == vector.body


@pytest.mark.parametrize("own", OWN, ids=lambda vector: vector.name)
def test_what_the_standard_says(own: Vector) -> None:
    check(own)


def test_the_recorded_vectors() -> None:
    vectors = recorded()
    if not vectors:
        pytest.skip("SIDECAR_SSE_VECTORS names no file")
    for each in vectors:
        check(each)
