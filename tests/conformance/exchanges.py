"""Exchanges: what a backend says to the byte, and what must be seen of it. One list for every transport."""

from typing import NamedTuple


class Seen(NamedTuple):
    """What became of an exchange. `failure` is the outcome of what was raised: in place of the head, or, with a
    status, after `body`. `next` is how the next exchange went: on the "same" connection, on a "new" one, or "wrong"."""

    status: int = 0
    body: bytes = b""
    failure: str = ""
    next: str = "new"


class Exchange(NamedTuple):
    """A backend that answers `method` with `says` and then does `then`: wait, close or reset."""

    name: str
    says: bytes
    seen: Seen
    then: str = "wait"
    method: str = "GET"


OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
HI = b"2\r\nhi\r\n"
END = b"0\r\n\r\n"

KEPT = Seen(200, b"hi", next="same")
DROPPED = Seen(200, b"hi")
CUT = Seen(200, b"hi", "truncated")
MALFORMED = Seen(failure="malformed")
SILENT = Seen(failure="connect_failed")


def bodiless(status: int) -> Seen:
    return Seen(status, next="same")


LENGTHS = [
    Exchange("a length", OK + TWO, KEPT),
    Exchange("a length of nothing", OK + b"Content-Length: 0\r\n\r\n", bodiless(200)),
    Exchange("a length with zeros", OK + b"Content-Length: 0002\r\n\r\nhi", KEPT),
    Exchange("a length and Connection: close", OK + b"Connection: close\r\n" + TWO, DROPPED),
    Exchange("a length, then the close", OK + TWO, DROPPED, "close"),
    Exchange("a length, HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + TWO, DROPPED, "close"),
    Exchange("HTTP/1.0 kept alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + TWO, KEPT),
    Exchange("a length not reached", OK + b"Content-Length: 9\r\n\r\nhi", CUT, "close"),
    Exchange("a length not reached, reset", OK + b"Content-Length: 9\r\n\r\nhi", CUT, "reset"),
    Exchange("a length, and more bytes", OK + TWO + b"XX", DROPPED),
    Exchange("a length, and a second answer", OK + TWO + OK + b"Content-Length: 3\r\n\r\nbad", DROPPED),
    Exchange("an error", b"HTTP/1.1 503 No\r\n" + TWO, Seen(503, b"hi", next="same")),
    Exchange("an odd status", b"HTTP/1.1 599 Odd\r\n" + TWO, Seen(599, b"hi", next="same")),
    Exchange("no reason", b"HTTP/1.1 200\r\n" + TWO, KEPT),
    Exchange("an empty reason", b"HTTP/1.1 200 \r\n" + TWO, KEPT),
]

CHUNKS = [
    Exchange("chunks", CHUNKED + HI + END, KEPT),
    Exchange("two chunks", CHUNKED + b"1\r\nh\r\n1\r\ni\r\n" + END, KEPT),
    Exchange("no chunks", CHUNKED + END, bodiless(200)),
    Exchange("chunks in capitals", OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n" + HI + END, KEPT),
    Exchange(
        "a size in capital hex with zeros",
        CHUNKED + b"00A\r\n0123456789\r\n" + END,
        Seen(200, b"0123456789", next="same"),
    ),
    Exchange("an extension of a chunk", CHUNKED + b"2;a=b\r\nhi\r\n" + END, KEPT),
    Exchange("a quoted extension", CHUNKED + b'2;a="b;c"\r\nhi\r\n' + END, KEPT),
    Exchange("trailers", CHUNKED + HI + b"0\r\nX-Sum: 1\r\nX-Two: 2\r\n\r\n", KEPT),
    Exchange("a trailer that frames", CHUNKED + HI + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", KEPT),
    Exchange(
        "chunks and Connection: close",
        OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END,
        DROPPED,
    ),
    Exchange("chunks from HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END, DROPPED),
    Exchange(
        "chunks from HTTP/1.0 kept alive",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END,
        DROPPED,
    ),
    Exchange("chunks cut between", CHUNKED + HI, CUT, "close"),
    Exchange("chunks cut within", CHUNKED + b"5\r\nhi", CUT, "close"),
    Exchange("chunks cut before their last line", CHUNKED + HI + b"0\r\n", CUT, "close"),
    Exchange("chunks reset", CHUNKED + HI, CUT, "reset"),
    Exchange("chunks, and more bytes", CHUNKED + HI + END + b"XX", DROPPED),
]

CLOSES = [
    Exchange("up to the close", OK + b"\r\nhi", DROPPED, "close"),
    Exchange("up to the close, HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhi", DROPPED, "close"),
    Exchange("nothing up to the close", OK + b"\r\n", Seen(200), "close"),
    Exchange("up to a reset", OK + b"\r\nhi", CUT, "reset"),
    Exchange("no answer", b"", SILENT, "close"),
    Exchange("no answer, reset", b"", SILENT, "reset"),
    Exchange("half a head", OK + b"Content-", SILENT, "close"),
]

BODILESS = [
    Exchange("204", b"HTTP/1.1 204 No Content\r\n\r\n", bodiless(204)),
    Exchange("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", bodiless(204)),
    Exchange("304", b"HTTP/1.1 304 Not Modified\r\n\r\n", bodiless(304)),
    Exchange("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", bodiless(304)),
    Exchange("204 with a body", b"HTTP/1.1 204 No Content\r\n" + TWO, Seen(204)),
    Exchange("HEAD", OK + b"Content-Length: 5\r\n\r\n", Seen(200), method="HEAD"),
    Exchange("HEAD of chunks", CHUNKED, Seen(200), method="HEAD"),
    Exchange("HEAD of neither", OK + b"\r\n", Seen(200), method="HEAD"),
    Exchange("HEAD of an error", b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", Seen(404), method="HEAD"),
    Exchange("HEAD answered with a body", OK + TWO, Seen(200), method="HEAD"),
    Exchange("HEAD of a 304", b"HTTP/1.1 304 Not Modified\r\n\r\n", bodiless(304), method="HEAD"),
]

INTERIM = [
    Exchange("100", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + TWO, KEPT),
    Exchange("103 with headers", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX-A: 1\r\n\r\n" + OK + TWO, KEPT),
    Exchange("102 three times", b"HTTP/1.1 102 Processing\r\n\r\n" * 3 + OK + TWO, KEPT),
    Exchange("103 with a length", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + OK + TWO, KEPT),
    Exchange("100, then nothing", b"HTTP/1.1 100 Continue\r\n\r\n", SILENT, "close"),
    Exchange("101", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", MALFORMED),
    Exchange("101 unasked and bare", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", MALFORMED),
    Exchange("an upgrade merely offered", OK + b"Connection: upgrade\r\nUpgrade: h2c\r\n" + TWO, KEPT),
]


def refused(name: str, header: bytes, body: bytes = b"hi", then: str = "wait") -> Exchange:
    return Exchange(name, OK + header + b"\r\n\r\n" + body, MALFORMED, then)


def broken(name: str, body: bytes, so_far: bytes = b"", then: str = "wait") -> Exchange:
    return Exchange(name, CHUNKED + body, Seen(200, so_far, "truncated"), then)


SMUGGLING = [
    refused("a length beside chunks", b"Content-Length: 2\r\nTransfer-Encoding: chunked", HI + END),
    refused("chunks beside a length", b"Transfer-Encoding: chunked\r\nContent-Length: 2", HI + END),
    refused("two lengths", b"Content-Length: 2\r\nContent-Length: 3"),
    refused("the same length twice", b"Content-Length: 2\r\nContent-Length: 2"),
    refused("a list of lengths", b"Content-Length: 2, 2"),
    refused("a signed length", b"Content-Length: +2"),
    refused("a negative length", b"Content-Length: -2"),
    refused("a hexadecimal length", b"Content-Length: 0x2"),
    refused("an empty length", b"Content-Length: "),
    refused("a length in two words", b"Content-Length: 1 2"),
    refused("a length past 64 bits", b"Content-Length: 99999999999999999999", then="close"),
    refused("a folded line", b"X-A: a\r\n b\r\nContent-Length: 2"),
    refused("a line folded by a tab", b"X-A: a\r\n\tb\r\nContent-Length: 2"),
    refused("a first line that is folded", b" X-A: a\r\nContent-Length: 2"),
    refused("a bare line feed", b"X-A: a\nContent-Length: 2"),
    refused("a bare carriage return", b"X-A: a\rContent-Length: 2"),
    refused("NUL in a value", b"X-A: a\0b\r\nContent-Length: 2"),
    refused("NUL in a name", b"X\0A: a\r\nContent-Length: 2"),
    refused("a control character in a value", b"X-A: a\x01b\r\nContent-Length: 2"),
    refused("a space before the colon", b"Content-Length : 2"),
    refused("no colon", b"Content-Length 2"),
    refused("no name", b": 2\r\nContent-Length: 2"),
    refused("a name that is no token", b"X(A): 2\r\nContent-Length: 2"),
    refused("an unknown coding", b"Transfer-Encoding: gzip", HI + END),
    refused("a coding before chunks", b"Transfer-Encoding: gzip, chunked", HI + END),
    refused("a coding after chunks", b"Transfer-Encoding: chunked, gzip", HI + END),
    refused("chunked twice", b"Transfer-Encoding: chunked, chunked", HI + END),
    refused("chunked on two lines", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", HI + END),
    refused("chunked and identity", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", HI + END),
    refused("identity", b"Transfer-Encoding: identity"),
    refused("almost chunked", b"Transfer-Encoding: xchunked", HI + END),
    refused("quoted chunked", b'Transfer-Encoding: "chunked"', HI + END),
    refused("chunked behind a vertical tab", b"Transfer-Encoding: \x0bchunked", HI + END),
    refused("a coding of nothing", b"Transfer-Encoding: ", HI + END),
    refused("chunked, then identity", b"Transfer-Encoding: chunked, identity", HI + END),
    refused("identity, then chunked", b"Transfer-Encoding: identity, chunked", HI + END),
    refused("chunked with a parameter", b"Transfer-Encoding: chunked;q=1", HI + END),
    refused("chunked in two words", b"Transfer-Encoding: chun ked", HI + END),
    refused("chunked before NUL", b"Transfer-Encoding: chunked\0", HI + END),
    refused("chunked behind a byte order mark", b"Transfer-Encoding: \xef\xbb\xbfchunked", HI + END),
    refused("chunked and a coding of nothing", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: ", HI + END),
    refused("a coding, a space before its colon", b"Transfer-Encoding : chunked", HI + END),
    refused("a coding that is folded", b"Transfer-Encoding:\r\n chunked", HI + END),
    refused("a coding behind a bare line feed", b"X-A: a\nTransfer-Encoding: chunked", HI + END),
    refused("a coding behind a bare carriage return", b"X-A: a\rTransfer-Encoding: chunked", HI + END),
    refused("a length with an underscore", b"Content-Length: 2_0"),
    refused("a length with a vertical tab", b"Content-Length: 2\x0b"),
    refused("a length in quotes", b'Content-Length: "2"'),
    refused("a length in a high digit", b"Content-Length: \xc2\xb2"),
    refused("a length, and nothing of it", b"Content-Length: 2\r\nContent-Length: 0"),
    refused("a high byte in a name", b"Content-Length\xa0: 2\r\nContent-Length: 2"),
    Exchange("Connection names the length", OK + b"Connection: content-length\r\n" + TWO, KEPT),
    Exchange(
        "Connection names the coding",
        OK + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n" + HI + END,
        KEPT,
    ),
    Exchange("a coding behind a tab", OK + b"Transfer-Encoding:\tchunked \r\n\r\n" + HI + END, KEPT),
    Exchange("a length with an underscore in its name", OK + b"Content_Length: 0\r\n" + TWO, KEPT),
    Exchange("HTTP/1.2", b"HTTP/1.2 200 OK\r\n" + TWO, MALFORMED),
    Exchange("HTTP/1.1 in small letters", b"http/1.1 200 OK\r\n" + TWO, MALFORMED),
    Exchange("the status line ends in a line feed", b"HTTP/1.1 200 OK\n" + TWO, MALFORMED),
    Exchange("the head ends in a line feed", OK + b"Content-Length: 2\r\n\nhi", MALFORMED),
    Exchange("not HTTP", b"\x16\x03\x01\x00\x02hi", MALFORMED),
    Exchange("a request for an answer", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", MALFORMED),
    Exchange("HTTP/2.0", b"HTTP/2.0 200 OK\r\n" + TWO, MALFORMED),
    Exchange("HTTP/0.9", b"HTTP/0.9 200 OK\r\n" + TWO, MALFORMED),
    Exchange("HTTP/1.10", b"HTTP/1.10 200 OK\r\n" + TWO, MALFORMED),
    Exchange("status 99", b"HTTP/1.1 99 Low\r\n" + TWO, MALFORMED),
    Exchange("status 000", b"HTTP/1.1 000 Low\r\n" + TWO, MALFORMED),
    Exchange("status 600", b"HTTP/1.1 600 High\r\n" + TWO, MALFORMED),
    Exchange("status 2000", b"HTTP/1.1 2000 High\r\n" + TWO, MALFORMED),
    Exchange("status 20", b"HTTP/1.1 20 Low\r\n" + TWO, MALFORMED),
    broken("a chunk's size ends in a line feed", b"2\nhi\r\n" + END),
    broken("a chunk's data ends in a line feed", b"2\r\nhi\n" + END, b"hi"),
    broken("a negative chunk", b"-2\r\nhi\r\n" + END),
    broken("a signed chunk", b"+2\r\nhi\r\n" + END),
    broken("a chunk with 0x", b"0x2\r\nhi\r\n" + END),
    broken("a chunk's size, then a space", b"2 \r\nhi\r\n" + END),
    broken("a space, then a chunk's size", b" 2\r\nhi\r\n" + END),
    broken("a chunk with an underscore", b"0_2\r\nhi\r\n" + END),
    broken("a chunk without a size", b"\r\nhi\r\n" + END),
    broken("a chunk past 64 bits", b"10000000000000002\r\nhi\r\n" + END, then="close"),
    broken("a chunk longer than its size", b"2\r\nhiXX\r\n" + END, b"hi"),
    broken("a line feed in an extension", b'2;a="\n"\r\nhi\r\n' + END),
    broken("a carriage return in an extension", b"2;a\rb\r\nhi\r\n" + END),
    broken("a folded trailer", HI + b"0\r\nX-A: a\r\n b\r\n\r\n", b"hi"),
    broken("NUL in a trailer", HI + b"0\r\nX-A: a\0b\r\n\r\n", b"hi"),
    broken("a length in a trailer", HI + b"0\r\nContent-Length: 2\r\n\r\n", b"hi"),
]


def padded(size: int) -> bytes:
    """A head whose one long header makes its fields that long, `name: value` and line end together."""
    rest = len(b"Content-Length: 2\r\n") + len(b"X-Long: \r\n")
    return OK + b"X-Long: " + b"a" * (size - rest) + b"\r\n" + TWO


BOUNDS = [
    Exchange("256 headers", OK + b"X-A: b\r\n" * 255 + TWO, KEPT),
    Exchange("257 headers", OK + b"X-A: b\r\n" * 256 + TWO, MALFORMED),
    Exchange("a head of 64 KiB", padded(64 << 10), KEPT),
    Exchange("a head past 64 KiB", padded((64 << 10) + 1), MALFORMED),
    Exchange("a head without an end", OK + b"X-Long: " + b"a" * (256 << 10), MALFORMED),
    Exchange("headers without an end", OK + b"X-A: b\r\n" * (32 << 10), MALFORMED),
    Exchange("interim answers without an end", b"HTTP/1.1 102 Processing\r\n\r\n" * (16 << 10), MALFORMED, "close"),
    Exchange("a trailer without an end", CHUNKED + HI + b"0\r\nX-A: " + b"a" * (512 << 10), CUT),
    Exchange("an extension without an end", CHUNKED + HI + b"2;" + b"a" * (512 << 10), CUT),
]

SMALL = [*LENGTHS, *CHUNKS, *CLOSES, *BODILESS, *INTERIM, *SMUGGLING]
ALL = [*SMALL, *BOUNDS]

LENIENT = Seen(200, b"hi", next="same")
POISONED = Seen(200, b"hi", next="wrong")

STOCK = {
    # it keeps the connection, as a parser that knows of HEAD can
    "HEAD": bodiless(200),
    "HEAD of chunks": bodiless(200),
    "HEAD of neither": bodiless(200),
    "HEAD of an error": bodiless(404),
    # it does not keep a connection of HTTP/1.0
    "HTTP/1.0 kept alive": DROPPED,
    # it keeps what follows an answer, and gives it to the next request
    "a length, and more bytes": POISONED,
    "a length, and a second answer": POISONED,
    "chunks, and more bytes": POISONED,
    "204 with a body": Seen(204, next="wrong"),
    "HEAD answered with a body": Seen(200, next="wrong"),
    # it reads what ought to be refused
    "a length beside chunks": LENIENT,
    "chunks beside a length": LENIENT,
    "the same length twice": LENIENT,
    "a list of lengths": LENIENT,
    "a length past 64 bits": CUT,
    "a folded line": LENIENT,
    "a line folded by a tab": LENIENT,
    "a bare line feed": LENIENT,
    "a control character in a value": LENIENT,
    "the status line ends in a line feed": LENIENT,
    "the head ends in a line feed": LENIENT,
    "a coding that is folded": LENIENT,
    "a coding behind a bare line feed": LENIENT,
    "HTTP/1.2": LENIENT,
    "HTTP/2.0": LENIENT,
    "HTTP/0.9": DROPPED,
    "status 600": Seen(600, b"hi", next="same"),
    "a chunk's size, then a space": LENIENT,
    "a chunk past 64 bits": Seen(200, b"hi\r\n0\r\n\r\n", "truncated"),
    "a carriage return in an extension": LENIENT,
    "a folded trailer": LENIENT,
    "a length in a trailer": LENIENT,
    # its bound is 100 KiB, and none for interim answers
    "257 headers": LENIENT,
    "a head past 64 KiB": LENIENT,
    "interim answers without an end": SILENT,
}
"""What httpx2's transport makes of an exchange where that is not what is wanted."""
