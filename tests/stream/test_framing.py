"""Frames do not depend on the cut, keep every byte, and are bounded."""

import json
from collections.abc import Callable, Iterable

import pytest

from sidecar.stream import framing, sse
from sidecar.stream.framing import NDJSON, Frame, Framing, Text
from sidecar.stream.sse import SSE
from tests.stream.reading import by, halves

KIB = 1024
Meaning = tuple[bytes | None, str, str, str]


def cut(make: Callable[[], Framing], pieces: Iterable[bytes]) -> list[Frame]:
    framer = make()
    return [frame for piece in pieces for frame in framer.feed(piece)] + framer.eof()


def meant(frames: Iterable[Frame]) -> list[Meaning]:
    """What there is to decode, or what is wrong."""
    return [(f.data, f.name, f.id, f.fault) for f in frames if f.data is not None or f.fault]


def data(frames: Iterable[Frame]) -> list[bytes]:
    return [f.data for f in frames if f.data is not None]


def raw(frames: Iterable[Frame]) -> bytes:
    return b"".join(frame.raw for frame in frames)


SSE_BODIES = {
    "plain": b"data: a\n\ndata: b\n\n",
    "named": b"event: x\nid: 1\ndata: a\ndata: b\n\n: ping\n\nid\ndata: c\n\n",
    "mark": b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n",
    "crlf": b"event: x\r\ndata: a\r\n\r\n\r\ndata: b\r\n\r\n",
    "cr": b"data: a\r\rdata: b\r\r\r",
    "mixed": b"data: a\r\n\ndata: b\n\r\n: c\r\rid: 7\rdata: d\n\nretry: 5\n\r",
    "id with NUL": b"id: 1\n\nid: 2\x00\ndata: a\n\n",
    "unterminated": b"data: a\n\ndata: b",
    "one line end short": b"data: a\n\nevent: x\ndata: b\n",
    "comments only": b": a\n\n:\n\n",
    "bytes that are no text": b"data: \xff\xfe\n\n\x00\x01\n\n",
    "empty": b"",
}
NDJSON_BODIES = {
    "lines": b'{"a":1}\n{"b":2}\n',
    "no final newline": b'{"a":1}\n{"b":2}',
    "crlf and blank lines": b'\r\n{"a":1}\r\n\r\n  \r\n{"b":2}\r\n',
    "blank lines first": b'\n\n \n{"a":1}\n{"b":2}\n',
    "mark": b'\xef\xbb\xbf{"a":1}\n{"b":2}\n',
    "mark on a line of its own": b'\xef\xbb\xbf\n{"a":1}\n{"b":2}\n',
    "document": b'{\n  "a": 1,\n  "b": [\n 2]\n}\n',
    "document after blank lines": b'\n\r\n{\n"a": 1}\n\n',
    "document in one line": b'{"a": [1]}',
    "a bad line first": b'{"a":\x00}\n{"b":2}\n',
    "a cut line first": b'{"a\n\n{"b":2}\n',
    "a bad line further on": b'{"a":1}\n{"b":\n{"c":3}\n',
    "bad text inside": b'{"a":"\xff"}\n{"b":2}\n',
    "empty": b"",
}
TEXTS = {
    "ascii": b"one\ntwo",
    "letters": "é世🌿é世🌿".encode(),
    "mark": b"\xef\xbb\xbfone",
    "bad": b"\xff\xe4\xb8 \xf0\x9f\x8c\xc3\x28\xe2\x82\x80\x80\x80\x80\x80\xf8\x88\x80",
    "cut short": "世".encode()[:2],
    "empty": b"",
}


@pytest.mark.parametrize("body", SSE_BODIES.values(), ids=SSE_BODIES)
def test_sse_does_not_depend_on_the_cut(body: bytes) -> None:
    assert_cut_is_unseen(SSE, body)


@pytest.mark.parametrize("body", NDJSON_BODIES.values(), ids=NDJSON_BODIES)
def test_ndjson_does_not_depend_on_the_cut(body: bytes) -> None:
    assert_cut_is_unseen(NDJSON, body)


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_text_does_not_depend_on_the_cut(body: bytes) -> None:
    whole = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    for pieces in ([body], by(1, body), *halves(body)):
        frames = cut(Text, pieces)
        assert "".join(piece.decode("utf-8", "replace") for piece in data(frames)) == whole
        assert raw(frames) == body


def assert_cut_is_unseen(make: Callable[[], Framing], body: bytes) -> None:
    whole = cut(make, [body])
    assert raw(whole) == body
    for pieces in (by(1, body), by(3, body), *halves(body)):
        frames = cut(make, pieces)
        assert meant(frames) == meant(whole), pieces
        assert raw(frames) == body, pieces


def test_a_frame_goes_out_with_its_last_byte() -> None:
    for make, body in ((SSE, b"data: a\n\n"), (SSE, b"data: a\r\r"), (NDJSON, b'{"a":1}\n'), (Text, b"a")):
        framer = make()
        early = [frame for byte in by(1, body[:-1]) for frame in framer.feed(byte)]
        (frame,) = framer.feed(body[-1:])
        assert (early, frame.raw, frame.whole, frame.partial) == ([], body, True, False)


def test_a_frame_owns_the_comments_before_it() -> None:
    frames = cut(SSE, [b": a\n\n\n: b\ndata: 1\n\n"])
    assert [frame.raw for frame in frames] == [b": a\n\n", b"\n: b\ndata: 1\n\n"]
    assert [frame.data for frame in frames] == [None, b"1"]


SPLIT = {
    "a name": (b"event: error\n: ping\n\ndata: {}\n\ndata: b\n\n", [("error", b"{}"), ("", b"b")]),
    "a name, with CRLF": (b"event: error\r\n:\r\n\r\ndata: {}\r\n\r\ndata: b\r\n\r\n", [("error", b"{}"), ("", b"b")]),
    "a name, twice": (b"event: x\n: a\n\n: b\n\n\n: c\n\ndata: {}\n\n", [("x", b"{}")]),
    "a name, for the id": (b"event: x\n: a\n\nid: 7\ndata: {}\n\n", [("x", b"{}")]),
    "a name, by a ping": (
        b'event: error\nevent: ping\ndata: {"type":"ping"}\n\ndata: {}\n\n',
        [("ping", b'{"type":"ping"}'), ("error", b"{}")],
    ),
    "a name, by a comment and a ping": (
        b"event: x\n: a\n\nevent: ping\ndata: 1\n\ndata: {}\n\n",
        [("ping", b"1"), ("x", b"{}")],
    ),
    "an object": (b'data: {"a":\n: ping\n\ndata: 1}\n\ndata: b\n\n', [("", b'{"a":\n1}'), ("", b"b")]),
    "a name and an object": (b'event: x\ndata: {"a":\n: a\n\n: b\n\ndata: 1}\n\n', [("x", b'{"a":\n1}')]),
    "none: it has a name of its own": (b"event: x\n: a\n\nevent: y\ndata: 1\n\n", [("y", b"1")]),
    "none: it is whole": (b"event: x\ndata: {}\n: a\n\ndata: 1\n\n", [("x", b"{}"), ("", b"1")]),
    "none: it is text": (b"data: a\n: a\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
    "none: no comment": (b"event: x\n\ndata: 1\n\n", [("", b"1")]),
    "none: the comment ends no block": (b"event: x\n: a\ndata: 1\n\ndata: 2\n\n", [("x", b"1"), ("", b"2")]),
}


@pytest.mark.parametrize(("body", "events"), SPLIT.values(), ids=SPLIT)
def test_a_keep_alive_within_an_event_does_not_end_it(body: bytes, events: list[tuple[str, bytes]]) -> None:
    assert [(frame.name, frame.data) for frame in cut(SSE, [body]) if frame.data is not None] == events
    assert_cut_is_unseen(SSE, body)


def test_a_split_event_that_never_goes_on_is_told_at_the_end() -> None:
    for body, told in (
        (b"event: done\n: a\n\n", ("done", None, False)),
        (b'data: {"a":\n: a\n\n', ("", b'{"a":', True)),
    ):
        *_, last = cut(SSE, [body])
        assert (last.name, last.data, last.partial) == told


def test_the_rest_at_the_end_is_partial() -> None:
    for make, body in ((SSE, b"data: a"), (NDJSON, b'{"a":')):
        assert [(frame.raw, frame.partial) for frame in cut(make, [body])] == [(body, True)]
        assert cut(make, [body])[0].data == body.removeprefix(b"data: ")
    assert not any(frame.partial for frame in cut(Text, [b"\xe4\xb8"]))


def test_the_state_of_an_event_stream() -> None:
    framer = SSE()
    framer.feed(b"id: 7\nretry: 2500\n\n")
    assert (framer.last_event_id, framer.retry_ms) == ("7", 2500)


@pytest.mark.parametrize(("make", "end"), [(SSE, b"\n\n"), (SSE, b"\r\n\r\n"), (NDJSON, b"\n")])
def test_a_long_frame_is_handed_on_in_pieces(make: Callable[[], Framing], end: bytes) -> None:
    """Nothing of it is held back beyond TAIL_BYTES, and what it means is the same."""
    opening = b"data: " if make is SSE else b""
    body = opening + json.dumps({"image": "x" * 300 * KIB}).encode() + end + opening + b'{"next":1}' + end
    framer, held = make(), 0
    frames: list[Frame] = []
    for piece in by(10_000, body):
        fresh = framer.feed(piece)
        held += len(piece) - len(raw(fresh))
        assert 0 <= held <= framing.TAIL_BYTES
        frames += fresh
    frames += framer.eof()
    assert len([frame for frame in frames if not frame.whole]) > 10
    assert all(frame.data is None for frame in frames if not frame.whole)
    assert raw(frames) == body
    assert meant(frames) == meant(cut(make, [body]))
    assert [json.loads(piece).keys() for piece in data(frames)] == [{"image"}, {"next"}]


@pytest.mark.parametrize("make", [SSE, NDJSON])
def test_a_frame_beyond_the_bound_is_passed_on_undecoded(
    make: Callable[[], Framing], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (framing, sse):
        monkeypatch.setattr(module, "TAIL_BYTES", 20)
    monkeypatch.setattr(framing, "MAX_FRAME", 60)
    opening, end = (b"data: ", b"\n\n") if make is SSE else (b"", b"\n")
    ok, long, after = (opening + b'{"' + b"x" * n + b'":1}' + end for n in (30, 200, 5))
    body = ok + long + after
    whole = cut(make, [body])
    assert [bool(frame.fault) for frame in whole] == [False, True, False]
    assert whole[1].fault == f"a frame of {len(long)} bytes, more than 60"
    assert whole[1].data is None
    for pieces in (by(1, body), by(7, body), *halves(body)):
        frames = cut(make, pieces)
        assert meant(frames) == meant(whole), pieces
        assert raw(frames) == body, pieces


@pytest.mark.parametrize("make", [SSE, NDJSON])
def test_an_endless_frame_is_not_kept(make: Callable[[], Framing], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "TAIL_BYTES", KIB)
    monkeypatch.setattr(framing, "MAX_FRAME", 4 * KIB)
    framer = make()
    framer.feed(b'data: {"a":1}\n\n' if make is SSE else b'{"a":1}\n')
    for _ in range(1000):
        for frame in framer.feed(b"x" * KIB):
            assert not frame.whole
        assert len(vars(framer)["_tail"]) <= 5 * KIB
    (last,) = framer.eof()
    assert (last.fault, last.partial) == (f"a frame of {1000 * KIB} bytes, more than {4 * KIB}", True)
    assert framer.eof() == []


def test_a_delimiter_over_the_bound_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framing, "TAIL_BYTES", 4)
    monkeypatch.setattr(framing, "MAX_FRAME", 16)
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r", b"\r\n\n", b"\n\r"):
        for size in range(10, 24):
            body = b"x" * size + end + b"data: a\n\n"
            assert data(cut(SSE, by(1, body))) == [b"a"], (end, size)


def test_many_small_lines_are_quick() -> None:
    """Work that grows with the square of a chunk would take minutes here."""
    for make, body in (
        (SSE, b"\n" * 200_000),
        (SSE, b"\r" * 200_000),
        (NDJSON, b"\n" * 200_000 + b"{}\n"),
        (NDJSON, b"{}\n" * 100_000),
    ):
        assert raw(cut(make, by(64 * KIB, body))) == body


@pytest.mark.parametrize("body", [b"data: a\ndata: b\r\n\r\n", b"event: e\rdata: a\ndata: b\n\n", b"data: a\r\n\n"])
def test_an_event_of_mixed_line_ends_is_read_alike_in_one_piece_and_in_many(body: bytes) -> None:
    assert cut(SSE, [body]) == cut(SSE, [body[:7], body[7:]])
