"""AWS event-stream messages: every cut, both checksums, lengths that lie, and bounds."""

import struct
import zlib

import pytest

from sidecar.stream import awsstream, framing
from sidecar.stream.awsstream import EventStream
from sidecar.stream.framing import Frame
from tests.stream.aws import framed, header, message
from tests.stream.reading import FIXTURES, Fixture, by, halves, read

KIB = 1024
ONE, TWO = message("messageStart", b'{"role":"assistant"}'), message("chunk", b'{"bytes":""}')
EMPTY = message("done", b"")
BODIES = {
    "one": ONE,
    "three": ONE + TWO + EMPTY,
    "larger than a piece": ONE + message("chunk", bytes(range(256)) * 400) + TWO,
    "cut in its payload": ONE + TWO[:-7],
    "cut in its prelude": ONE + TWO[:9],
    "wrong checksum": ONE + TWO[:-1] + b"?" + ONE,
    "wrong checksum of the prelude": ONE + TWO[:8] + b"????" + TWO[12:] + ONE,
    "not a message": b"\0\0\0\0\0\0\0\0data: a\n\n",
}


def cut(pieces: list[bytes]) -> list[Frame]:
    framer = EventStream()
    return [frame for piece in pieces for frame in framer.feed(piece)] + framer.eof()


def meant(frames: list[Frame]) -> list[tuple[bytes | None, str, str]]:
    return [(f.data, f.name, f.fault) for f in frames if f.data is not None or f.fault]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_cut_is_unseen_and_every_byte_is_kept(body: bytes) -> None:
    whole = meant(cut([body]))
    step = max(1, len(body) // 400)
    for pieces in (by(1, body), by(7, body), *halves(body, step)):
        frames = cut(pieces)
        assert meant(frames) == whole, f"cut at {len(pieces[0])}"
        assert b"".join(frame.raw for frame in frames) == body


def test_a_message() -> None:
    (frame,) = cut([ONE])
    assert frame == Frame(b'{"role":"assistant"}', ONE, "messageStart")


def test_a_message_without_a_payload_is_an_empty_object() -> None:
    assert meant(cut([EMPTY])) == [(b"{}", "done", "")]


def test_an_exception_is_named_so() -> None:
    assert meant(cut([message("throttlingException", b"{}", "exception")])) == [(b"{}", "throttlingException", "")]
    assert meant(cut([message("throttling", b"{}", "exception")])) == [(b"{}", "throttlingException", "")]


def test_an_error_says_its_message_in_a_header() -> None:
    headers = header(":message-type", "error") + header(":error-code", "Internal") + header(":error-message", 'no "x"')
    assert meant(cut([framed(headers, b"")])) == [(b'{"message":"no \\"x\\""}', "InternalException", "")]


def test_headers_of_every_type_are_passed_over() -> None:
    others = b"".join(
        bytes([1]) + b"h" + kind + value
        for kind, value in (
            (b"\x00", b""),
            (b"\x01", b""),
            (b"\x02", b"\x07"),
            (b"\x03", b"\0\7"),
            (b"\x04", b"\0\0\0\7"),
            (b"\x05", b"\0" * 8),
            (b"\x06", b"\0\3abc"),
            (b"\x08", b"\0" * 8),
            (b"\x09", b"\0" * 16),
        )
    )
    assert meant(cut([framed(others + header(":event-type", "x"), b"1")])) == [(b"1", "x", "")]


@pytest.mark.parametrize("block", [b"\xffabc", b"\x01h", b"\x01h\x63", b"\x01h\x07\xff\xff", b"\x01h\x07", b"\0"])
def test_headers_that_lie_cost_their_names_alone(block: bytes) -> None:
    assert meant(cut([framed(header(":event-type", "x") + block, b"1") + ONE]))[0] == (b"1", "x", "")
    assert len(meant(cut([framed(block, b"1") + ONE]))) == 2


def test_good_messages_before_a_wrong_checksum_survive_and_all_after_it_is_only_passed_on() -> None:
    spoiled = bytearray(ONE + TWO)
    spoiled[len(ONE) + 60] ^= 1
    framer = EventStream()
    first = framer.feed(bytes(spoiled))
    assert meant(first) == [
        (b'{"role":"assistant"}', "messageStart", ""),
        (None, "", "a message with a wrong checksum"),
    ]
    assert framer.feed(ONE) == [Frame(None, ONE)]
    assert framer.eof() == []


@pytest.mark.parametrize(
    "total, headers", [(15, 0), (16, 1), (0, 0), (framing.MAX_FRAME + 1, 0), (2**32 - 1, 2**32 - 1)]
)
def test_a_length_that_cannot_be_is_a_fault_at_once(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    prelude = lengths + struct.pack(">I", zlib.crc32(lengths))
    frames = cut([ONE + prelude])
    assert meant(frames)[1:] == [(None, "", f"a message of {total} bytes with {headers} bytes of headers")]
    assert b"".join(frame.raw for frame in frames) == ONE + prelude


def test_a_message_that_is_long_is_handed_on_in_pieces_and_held_once() -> None:
    long = message("chunk", b"x" * (1024 * KIB))
    framer = EventStream()
    pieces = [frame for piece in by(8 * KIB, long[:-8]) for frame in framer.feed(piece)]
    assert sum(len(frame.raw) for frame in pieces) > len(long) - 2 * framing.TAIL_BYTES
    assert not any(frame.whole or frame.data for frame in pieces)
    (last,) = framer.feed(long[-8:])
    assert (last.data, last.raw[-8:]) == (b"x" * (1024 * KIB), long[-8:])


def test_the_buffer_is_no_larger_than_a_message() -> None:
    framer = EventStream()
    for piece in by(KIB, (ONE + TWO) * 4000):
        framer.feed(piece)
        assert len(framer._buffer) < len(ONE) + len(TWO)


def test_the_headers_are_read_from_a_block_alone() -> None:
    assert awsstream._headers(header("a", "1") + header("b", "é")) == {"a": "1", "b": "é"}


@pytest.mark.parametrize("fixture", [f for f in FIXTURES if f.path.suffix == ".bin"], ids=lambda f: f.name)
def test_a_bit_that_is_wrong_is_never_read(fixture: Fixture) -> None:
    """Whatever bit of a recorded body flips, what is read is what stood before it, and then a fault or the end."""
    body, whole = fixture.body, meant(cut([fixture.body]))
    for at in range(0, len(body), 11):
        spoiled = body[:at] + bytes([body[at] ^ (1 << at % 8)]) + body[at + 1 :]
        frames = meant(cut([spoiled]))
        good = [frame for frame in frames if not frame[2]]
        assert good == whole[: len(good)]
        assert len(good) < len(whole) or fixture.name.endswith(("truncated.bin", "cut.bin", "checksum.bin"))
        read(spoiled)
