"""What smuggles, from a client's side: a request that two readers may read as one or as two, and what is made of it.

Behind each stands another request, for /smuggled: to be served only where RFC 9112 leaves no doubt that it is one.
"""

from typing import NamedTuple

HOST = b"Host: a\r\n"
HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
ONE = b"2\r\nhi\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"


class Served(NamedTuple):
    """One request as the backend reads it."""

    line: bytes
    body: bytes = b""


class Attempt(NamedTuple):
    """What is `sent`, the statuses that answer it, and what the backend serves of it. `keeps`: more may follow."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]
    served: tuple[Served, ...] = ()
    keeps: bool = True


NEXT = Served(b"GET /smuggled")


def refused(name: str, headers: bytes, body: bytes = ONE, status: int = 400) -> Attempt:
    """A POST that is answered by `status` and the end of the connection."""
    return line(name, b"POST / HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body, status)


def line(name: str, sent: bytes, status: int = 400) -> Attempt:
    return Attempt(name, sent + HIDDEN, (status,), (), keeps=False)


def passed(name: str, headers: bytes, body: bytes = ONE, read: bytes = b"hi") -> Attempt:
    """A POST that is forwarded with a body that reads so, and so is what stands behind its end."""
    sent = b"POST / HTTP/1.1\r\n" + HOST + headers + b"\r\n" + body + HIDDEN
    return Attempt(name, sent, (200, 200), (Served(b"POST /", read), NEXT))


def ends(name: str, sent: bytes, served: Served) -> Attempt:
    """A request that is served, and the connection's last."""
    return Attempt(name, sent + HIDDEN, (200,), (served,), keeps=False)


def length(value: bytes) -> bytes:
    return b"Content-Length: " + value + b"\r\n"


def coding(value: bytes) -> bytes:
    return b"Transfer-Encoding: " + value + b"\r\n"


LENGTHS = [
    passed("a length", length(b"2"), b"hi"),
    passed("a length in white space", b"Content-Length: \t2 \t\r\n", b"hi"),
    passed("a length in capitals", b"CONTENT-LENGTH: 2\r\n", b"hi"),
    passed("no length: CL.0", b"", b"", b""),
    passed("a length of nothing: CL.0", length(b"0"), b"", b""),
    passed("a length with an underscore is none", b"Content_Length: 5\r\n", b"", b""),
    passed("Connection names the length", b"Connection: content-length\r\n" + length(b"2"), b"hi"),
    refused("the same length twice", length(b"2") * 2, b"hi"),
    refused("two lengths", length(b"2") + length(b"0"), b"hi"),
    refused("two lengths, the other first", length(b"0") + length(b"2"), b"hi"),
    refused("two lengths in two cases", length(b"2") + b"content-length: 0\r\n", b"hi"),
    *(
        refused(f"a length of {value!r}", length(value), b"hi")
        for value in (
            b"", b"+2", b"-2", b"-0", b"0x2", b"2,2", b"2, 2", b"2 2", b"2;", b"2\x0b", b"\x0c2", b"2_0", b"2e0", b"2.",
            b"\xc2\xb2", b"2\xa0", b'"2"', b"18446744073709551618", b"9" * 40,
        )
    ),
    refused("white space before its colon", b"Content-Length : 2\r\n", b"hi"),
    refused("a tab before its colon", b"Content-Length\t: 2\r\n", b"hi"),
    refused("folded", b"Content-Length:\r\n 2\r\n", b"hi"),
    refused("hidden in a fold", b"X: a\r\n Content-Length: 2\r\n", b"hi"),
    refused("behind a bare LF", b"X: a\nContent-Length: 2\r\n", b"hi"),
    refused("behind a bare CR", b"X: a\rContent-Length: 2\r\n", b"hi"),
    refused("behind NUL", b"X: a\0Content-Length: 2\r\n", b"hi"),
    refused("NUL in its name", b"Content-Length\0: 2\r\n", b"hi"),
    refused("a high byte in its name", b"Content-Length\xa0: 2\r\n", b"hi"),
    refused("a dash of UTF-8 in its name", "Content‐Length: 2\r\n".encode(), b"hi"),
]  # fmt: skip

CODINGS = [
    passed("chunks", TE),
    passed("chunks in capitals", b"TRANSFER-ENCODING:CHUNKED\r\n"),
    passed("chunked behind a tab", b"Transfer-Encoding:\tchunked \r\n"),
    passed("Connection names the coding", b"Connection: transfer-encoding\r\n" + TE),
    passed("a coding with an underscore is none", b"Transfer_Encoding: chunked\r\n" + length(b"2"), b"hi"),
    refused("CL.TE", length(b"6") + TE, b"0\r\n\r\nG"),
    refused("CL.TE, whole", length(b"12") + TE),
    refused("TE.CL", TE + length(b"3"), b"8\r\nSMUGGLED\r\n0\r\n\r\n"),
    refused("TE.CL of nothing", TE + length(b"0")),
    refused("chunked twice", TE * 2),
    refused("chunked and identity", TE + coding(b"identity")),
    refused("identity and chunked", coding(b"identity") + TE, status=501),
    refused("chunked and an empty one", TE + coding(b"")),
    refused("gzip, chunked", coding(b"gzip, chunked"), status=501),
    refused("identity, chunked", coding(b"identity, chunked"), status=501),
    *(
        refused(f"the coding {value!r}", coding(value))
        for value in (
            b"", b"identity", b"chunked, identity", b"chunked, chunked", b"chunked,", b"chunked;q=1", b"xchunked",
            b"chunked x", b"chun ked", b'"chunked"', b"\x0bchunked", b"chunked\x0b", b"chunked\0",
            b"\xef\xbb\xbfchunked", b"chunked\xa0", b"cow", b"c\xc4\xa5unked",
        )
    ),
    refused("white space before its colon", b"Transfer-Encoding : chunked\r\n"),
    refused("white space before its colon, and a length", b"Transfer-Encoding : chunked\r\n" + length(b"2")),
    refused("white space before its name", b" Transfer-Encoding: chunked\r\n"),
    refused("folded", b"Transfer-Encoding:\r\n chunked\r\n"),
    refused("folded by a tab", b"Transfer-Encoding:\r\n\tchunked\r\n"),
    refused("behind a bare LF", b"X: a\nTransfer-Encoding: chunked\r\n"),
    refused("behind a bare CR", b"X: a\rTransfer-Encoding: chunked\r\n"),
    refused("a bare LF behind it", b"Transfer-Encoding: chunked\nX: a\r\n"),
    line("from HTTP/1.0", b"POST / HTTP/1.0\r\n" + HOST + TE + b"\r\n" + ONE),
    line("from HTTP/1.0 with a length", b"POST / HTTP/1.0\r\n" + HOST + TE + length(b"12") + b"\r\n" + ONE),
]  # fmt: skip

CHUNKS = [
    passed("zeros and capitals", TE, b"0002\r\nhi\r\n000\r\n\r\n"),
    passed("extensions", TE, b'2;a="b\\"c";d\r\nhi\r\n0;e\r\n\r\n'),
    passed("an extension that looks like chunks", TE, b"2;0\\r\\n\r\nhi\r\n0\r\n\r\n"),
    passed("trailers that frame", TE, b"2\r\nhi\r\n0\r\nContent-Length: 99\r\nTransfer-Encoding: gzip\r\n\r\n"),
    passed("a request in a chunk", TE, b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN), HIDDEN),
    *(
        refused(f"chunks {chunks!r}", TE, chunks)
        for chunks in (
            b"0x2\r\nhi\r\n0\r\n\r\n", b"2 \r\nhi\r\n0\r\n\r\n", b" 2\r\nhi\r\n0\r\n\r\n", b"+2\r\nhi\r\n0\r\n\r\n",
            b"-1\r\n", b"2\nhi\r\n0\r\n\r\n", b"2\rhi\r\n0\r\n\r\n", b"2\r\nhi\n0\r\n\r\n", b"2\r\nhiX\r\n0\r\n\r\n",
            b"1\r\nhi\r\n0\r\n\r\n", b"2;a\nhi\r\n0\r\n\r\n", b"2;a\rb\r\nhi\r\n0\r\n\r\n", b"2;a\0\r\nhi\r\n0\r\n\r\n",
            b"2_0\r\nhi\r\n0\r\n\r\n", b"\xc2\xb2\r\nhi\r\n0\r\n\r\n", b"\r\n2\r\nhi\r\n0\r\n\r\n",
            b"10000000000000002\r\nhi\r\n0\r\n\r\n", b"0" * 17 + b"2\r\nhi\r\n0\r\n\r\n", b"2\r\nhi\r\n0\r\nX\r\n\r\n",
            b"2\r\nhi\r\n0\r\nX: a\n\r\n", b"2\r\nhi\r\n0\r\n X: a\r\n\r\n", b"2\r\nhi\r\n0\n\r\n",
            b"2\r\nhi\r\n0\r\n\n", b"2\r\nhi\r\nz\r\n\r\n",
        )
    ),
]  # fmt: skip


def get(first: bytes, headers: bytes = HOST) -> bytes:
    return first + b"\r\n" + headers + b"\r\n"


LINES = [
    Attempt("two requests", get(b"GET / HTTP/1.1") + HIDDEN, (200, 200), (Served(b"GET /"), NEXT)),
    Attempt("an absolute target", get(b"GET http://b/x HTTP/1.1") + HIDDEN, (200, 200), (Served(b"GET /x"), NEXT)),
    # "recipients MAY instead parse on whitespace-delimited word boundaries" (RFC 9112, 3)
    Attempt("two spaces", get(b"GET  / HTTP/1.1") + HIDDEN, (200, 200), (Served(b"GET /"), NEXT)),
    Attempt("a fragment", get(b"GET /x#/y HTTP/1.1") + HIDDEN, (200, 200), (Served(b"GET /x"), NEXT)),
    ends("HTTP/1.0", get(b"GET / HTTP/1.0"), Served(b"GET /")),
    ends("HTTP/1.0, kept alive", get(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"), Served(b"GET /")),
    ends("close", get(b"GET / HTTP/1.1", HOST + b"Connection: close\r\n"), Served(b"GET /")),
    Attempt(
        "a body that GET has",
        get(b"GET / HTTP/1.1", HOST + length(b"%d" % len(HIDDEN))) + HIDDEN,
        (200,),
        (Served(b"GET /", HIDDEN),),
    ),
    Attempt("an upgrade", get(b"GET / HTTP/1.1", HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), (426,)),
    Attempt("Expect", get(b"GET / HTTP/1.1", HOST + b"Expect: 100-continue\r\n"), (200,), (Served(b"GET /"),)),
    line("CONNECT", get(b"CONNECT b:80 HTTP/1.1"), 501),
    line("HTTP/0.9", b"GET /\r\n\r\n", 505),
    line("HTTP/1.2", get(b"GET / HTTP/1.2")),
    line("HTTP/2.0", get(b"GET / HTTP/2.0"), 505),
    line("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    line("HTTP/1.1 in small letters", get(b"GET / http/1.1")),
    line("a version with two minors", get(b"GET / HTTP/1.1.1")),
    line("a method in small letters", get(b"get / HTTP/1.1")),
    line("a space in the target", get(b"GET /a HTTP/1.1 HTTP/1.1")),
    line("a tab", get(b"GET\t/ HTTP/1.1")),
    line("NUL in the target", get(b"GET /\0 HTTP/1.1")),
    line("a bare CR in the target", get(b"GET /\rX HTTP/1.1")),
    line("a high byte in the target", get(b"GET /\xe9 HTTP/1.1")),
    line("bare LFs", b"GET / HTTP/1.1\nHost: a\n\n"),
    line("a bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
    line("two Hosts", get(b"GET / HTTP/1.1", HOST + b"Host: b\r\n")),
    line("no Host", get(b"GET / HTTP/1.1", b"X: a\r\n")),
    line("a Host with a space before its colon", get(b"GET / HTTP/1.1", b"Host : a\r\n")),
    line("a header in UTF-8", get(b"GET / HTTP/1.1", HOST + "Ünï: a\r\n".encode())),
    line("no colon", get(b"GET / HTTP/1.1", HOST + b"GET /x HTTP/1.1\r\n")),
]

ATTEMPTS = [*LENGTHS, *CODINGS, *CHUNKS, *LINES]
