"""The framing of bodies against llhttp's: what ours takes, llhttp takes, with the same bytes; wherever it is cut."""

import random

import httptools
import pytest

from sidecar.proxy.body import Chunked, Counted, Malformed

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET / HTTP/1.1\r\n"
SEEDS = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"1\r\na\r\n00A\r\n0123456789\r\n0\r\n\r\n",
    b'2;a=b;c="d"\r\nhi\r\n0;x\r\n\r\n',
    b"2\r\n\r\n\r\n0\r\nX: y\r\nLater: z\r\n\r\n",
    b"10\r\n0\r\n\r\n0\r\n\r\n0\r\n\r\n0\r\n0\r\n\r\n",
]
ALPHABET = b'\r\n\r\n\r\n0123456789abcdefABCDEFgG;=:" \t\0\x0b\x7f\xff-+_xX'


class Theirs:
    """llhttp's reading: the body, and whether its end was seen."""

    def __init__(self) -> None:
        self.body = b""
        self.over = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(HEAD)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.over = True

    def feed(self, data: bytes) -> str:
        """Why it is refused, if it is."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            return str(error)
        return ""


def ours(parts: list[bytes]) -> tuple[bytes, bool, bytes] | None:
    """Body, whether it ended, and the rest; None where it is refused."""
    framing = Chunked()
    body = b""
    try:
        for at, part in enumerate(parts):
            body += framing.feed(part)
            if framing.over:
                return body, True, framing.rest + b"".join(parts[at + 1 :])
    except Malformed:
        return None
    return body, False, b""


def mutated(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        at = chance.randrange(len(data))
        letter = chance.choice(ALPHABET)
        match chance.randrange(3):
            case 0:
                data[at] = letter
            case 1:
                data.insert(at, letter)
            case _:
                del data[at]
    return bytes(data)


def test_what_is_taken_llhttp_takes_too() -> None:
    chance = random.Random(11)
    taken = 0
    for _ in range(20_000):
        data = mutated(chance)
        seen = ours([data])
        if seen:
            body, over, rest = seen
            theirs = Theirs()
            refusal = theirs.feed(data[: len(data) - len(rest)])
            if "extension" in refusal:
                continue  # ours are dropped unread, to the end of their line
            assert not refusal, data
            assert (theirs.body, theirs.over) == (body, over), data
            taken += over
    assert taken > 2000


def test_the_cut_is_not_seen() -> None:
    chance = random.Random(12)
    for _ in range(5_000):
        data = mutated(chance) + NEXT
        whole = ours([data])
        at = chance.randrange(1, len(data))
        assert ours([data[:at], data[at:]]) == whole, data
        assert ours([data[n : n + 1] for n in range(len(data))]) == whole, data


def test_what_follows_is_left_alone() -> None:
    for seed in SEEDS:
        seen = ours([seed + NEXT])
        assert seen and seen[1:] == (True, NEXT)


@pytest.mark.parametrize(("length", "own"), [(0, b""), (1, b"h"), (3, b"hel"), (5, b"hello")])
def test_a_length(length: int, own: bytes) -> None:
    counted = Counted(length)
    body = b""
    parts = [b"hel", b"lo!", b"?"]
    while not counted.over:
        body += counted.feed(parts.pop(0))
    assert body == own
    assert own + counted.rest + b"".join(parts) == b"hello!?"
