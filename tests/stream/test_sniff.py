"""The first bytes choose the framing, however they are cut, and as few as decide it."""

from collections.abc import Iterator

import pytest

from sidecar.stream.awsstream import EventStream
from sidecar.stream.framing import NDJSON, Framing, Text
from sidecar.stream.jsonarray import CodeLines, JSONArray, JSONValues
from sidecar.stream.sniff import Sniff
from sidecar.stream.sse import SSE
from tests.stream.reading import by, halves
from tests.stream.test_framing import cut, data, meant, raw

KIB = 1024

CHOICES = [
    (b"data: a\n\n", SSE, SSE),
    (b"data:a\n\n", SSE, SSE),
    (b"data\n\n", SSE, SSE),
    (b"event: x\ndata: a\n\n", SSE, SSE),
    (b"id: 1\n\n", SSE, SSE),
    (b"retry: 1\r\n\r\n", SSE, SSE),
    (b"error: x\n\n", SSE, SSE),
    (b": a comment\n\n", SSE, SSE),
    (b":\n\n", SSE, SSE),
    (b"\xef\xbb\xbfdata: a\n\n", SSE, SSE),
    (b"\r\n\n  data: a\n\n", SSE, SSE),
    (b'{"a":1}\n', NDJSON, NDJSON),
    (b'\xef\xbb\xbf \r\n{"a":1}\n', NDJSON, NDJSON),
    (b"{", NDJSON, NDJSON),
    (b'{"a":"}{"}\n{}', NDJSON, NDJSON),
    (b'{"a":1} junk\n{}', NDJSON, NDJSON),
    (b'{"a":1}', NDJSON, NDJSON),
    (b'{"a":{}}{"b":1}', JSONValues, JSONValues),
    (b'{"a":1}, {"b":1}\n', JSONValues, JSONValues),
    (b'{"a":1}\0{"b":1}\0', JSONValues, JSONValues),
    (b'\x1e{"a":1}\n\x1e{"b":1}\n', JSONValues, JSONValues),
    (b'7\r\n{"a":1}9\r\n[{"b":1}]', JSONValues, JSONValues),
    (b")]}'\n\n7\n{}", JSONValues, JSONValues),
    (b'"Fen"\n"l\\"and"\r\n', NDJSON, NDJSON),
    (b'"Fen"\nland\n', Text, Text),
    (b'"Fen," she said', Text, Text),
    (b'"' + b"a" * 200 + b'"\n"b"\n', Text, Text),
    (b"42", Text, Text),
    (b"42\n43\n", Text, Text),
    (b"vendor: x\ndata: a\n\n", Text, SSE),
    (b"x" * 63 + b": x\n\n", Text, SSE),
    (b"x" * 64 + b": x\n\n", Text, Text),
    (b"Hello, world: data\n", Text, Text),
    (b"datum: a\n", Text, SSE),
    (b"database", Text, Text),
    (b"Hello", Text, Text),
    (b"dat", Text, SSE),
    (b"[1, 2]", Text, Text),
    (b'[{"a":1}]', JSONArray, JSONArray),
    (b"[", JSONArray, JSONArray),
    (b"[ \r\n", JSONArray, JSONArray),
    (b'0:"a"\n', CodeLines, CodeLines),
    (b'e:{"a":1}\n', CodeLines, CodeLines),
    (b"e: a field\n\n", Text, SSE),
    (b"e:", Text, Text),
    (b"0:30 is half past midnight", Text, Text),
    (b"0: zero", Text, Text),
    (b"\x00\x00\x00\x10", EventStream, EventStream),
    (b"<html>", Text, Text),
    (b"\xef\xbb\xbfHello", Text, Text),
    (b"\xef\xbbx", Text, Text),
    (b"\xef\xbb", SSE, SSE),
    (b"", SSE, SSE),
    (b" \n ", SSE, SSE),
    (b" " * 64 * KIB + b"{}", Text, Text),
    (b" " * (64 * KIB - 1) + b"{}", NDJSON, NDJSON),
    (b" " * (64 * KIB - 2) + b"data: a", Text, Text),
]


@pytest.mark.parametrize(("body", "unhinted", "hinted"), CHOICES, ids=lambda value: repr(value)[-40:])
def test_the_first_bytes_choose(body: bytes, unhinted: type[Framing], hinted: type[Framing]) -> None:
    for event_stream, choice in ((False, unhinted), (True, hinted)):
        for pieces in cuts(body):
            sniff = Sniff(event_stream)
            frames = [frame for piece in pieces for frame in sniff.feed(piece)] + sniff.eof()
            assert type(sniff.chosen) is choice, (event_stream, len(pieces[0]) if pieces else 0)
            assert raw(frames) == body
            assert meant(frames) == meant(cut(choice, [body])) or choice is Text


def cuts(body: bytes) -> Iterator[list[bytes]]:
    yield [body]
    if len(body) < KIB:
        yield by(1, body)
        yield from halves(body)
    else:
        yield by(KIB - 1, body)
        yield from ([body[:at], body[at:]] for at in range(len(body) - 9, len(body)))


def test_what_cannot_be_text_is_read_as_an_event_stream() -> None:
    body = b"dxta: broken\n\ndata: a\n\n"
    assert data(cut(lambda: Sniff(text=False), [body])) == [b"a"]
    assert data(cut(lambda: Sniff(text=True), [body])) == [body]


def test_as_few_bytes_as_decide_are_held_back() -> None:
    for body, needed in (
        (b'{"a":{}}\n', 9),
        (b'{"a":{}}{', 9),
        (b"{\n", 2),
        (b"\x1e", 1),
        (b"12\n{", 4),
        (b"12:", 3),
        (b'"Fen"\n"l"\n', 10),
        (b'"Fen" ', 6),
        (b":", 1),
        (b"data:", 5),
        (b"Hello", 1),
        (b"dx", 2),
        (b"\xef\xbb\xbf[{", 5),
    ):
        sniff = Sniff()
        for size, byte in enumerate(by(1, body), 1):
            sniff.feed(byte)
            assert (sniff.chosen is not None) == (size >= needed), body[:size]
