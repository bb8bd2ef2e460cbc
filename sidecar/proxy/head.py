"""The head of a request. llhttp reads it, strictly; what llhttp lets pass and HTTP forbids is refused here.

llhttp refuses by itself (0.9 of httptools, all leniencies off): bare CR and LF, obs-fold, white space before a colon,
control characters, a target beyond ASCII, Content-Length beside Transfer-Encoding or twice or no number, codings after
`chunked`, unknown methods. It lets pass: any number of headers, no Host or many, `gzip, chunked`, Transfer-Encoding in
HTTP/1.0, fragments, `GET *`, HTTP/0.9 and 2.0.
"""

import re
from typing import Any

import httptools

from sidecar.proxy.refusal import Refusal

MAX_HEAD = 64 << 10
"""Bytes of the request line and the headers together."""
MAX_HEADERS = 128
MAX_TARGET = 32 << 10

_END = b"\r\n\r\n"
_CHECKED = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect"))
_NAME = rb"[A-Za-z0-9\-._~!$&'()*+,;=%]"
_HOST = re.compile(rb"(?:%s*|\[[0-9A-Fa-f:.]{2,}\])(?::[0-9]{0,5})?" % _NAME)
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE | re.DOTALL)


_NOT_SPOKEN = Refusal(505, "only HTTP/1.1 and HTTP/1.0 are spoken here", "HTTP/2 needs a proxy in front")


class Head:
    """One head, fed as it comes. Its fields hold when `whole`.

    `target` is path and query as they came, in origin form; `path` and `query` are its halves. `headers` have
    lower-case names. `length` is the body's, `chunked` says that only the body itself knows it.
    """

    __slots__ = (
        "_parser", "_size", "_tail", "chunked", "expects", "headers", "keep_alive", "length", "method", "path", "query",
        "target", "version", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.target = self.path = self.query = b""
        self.method = self.version = ""
        self.keep_alive = self.chunked = self.expects = self.whole = False
        self.length = 0
        self._size = 0
        self._tail = b""
        self._parser: Any = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> bytes:
        """Takes its part of these bytes and gives the rest. Raises Refusal."""
        seen = self._tail + data
        end = seen.find(_END)
        own = len(data) if end < 0 else end + len(_END) - len(self._tail)
        head = data[:own]
        room = MAX_HEAD - self._size
        self._size += own
        self._tail = seen[-3:]
        self._parse(head if own <= room else head[:room])
        if self._size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            hint = f"at most {MAX_HEADERS} headers and {MAX_HEAD >> 10} KiB with the request line"
            raise Refusal(431, "the request's headers are too large", hint)
        if self.whole:
            self.close()
            self._check()
        elif end >= 0:
            raise _NOT_SPOKEN  # the preface of HTTP/2
        return data[own:]

    def close(self) -> None:
        """No more comes. The parser holds this head in turn: only the collector of cycles would find the two."""
        self._parser = None

    def _parse(self, data: bytes) -> None:
        why = ""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, or an Upgrade: that its body would be the other protocol's is not so, since nobody agreed
        except httptools.HttpParserError as error:
            why = str(error)  # one of llhttp's constants
        if len(self.target) > MAX_TARGET:
            raise Refusal(414, "the request's target is too long", f"at most {MAX_TARGET >> 10} KiB")
        if why:
            raise Refusal(400, "this is no HTTP/1.1 request", why)

    # ---- llhttp's callbacks

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        self.method = parser.get_method().decode("ascii")
        self.version = parser.get_http_version()
        self.keep_alive = self.version == "1.1" and parser.should_keep_alive()
        self.whole = True

    # ---- what llhttp does not look at

    def _check(self) -> None:
        if self.version not in ("1.0", "1.1"):
            raise _NOT_SPOKEN
        values: dict[bytes, list[bytes]] = {}
        for name, value in self.headers:
            if name in _CHECKED:
                values.setdefault(name, []).append(value)
        self._check_host(values.get(b"host", []))
        self._check_target()
        self._check_framing(values)
        if b"expect" in values:
            self.expects = self.version == "1.1" and values[b"expect"][0].lower() == b"100-continue"

    def _check_host(self, hosts: list[bytes]) -> None:
        if len(hosts) != 1 and (hosts or self.version == "1.1"):
            raise Refusal(400, "a request has exactly one Host", f"this one has {len(hosts)}")
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise Refusal(400, "the Host is not valid", "a name or an address, and perhaps a port")

    def _check_target(self) -> None:
        if self.method == "CONNECT":
            # its target is an authority; the app answers 501 to an upgrade
            self.target = b"/"
            self.headers.append((b"upgrade", b"connect"))
            self.keep_alive = False
        elif self.target == b"*":
            if self.method != "OPTIONS":
                raise Refusal(400, "the target * is for OPTIONS alone", "ask for a path")
        elif not self.target.startswith(b"/"):
            self._check_absolute()
        # a fragment is no part of a request, and some clients send theirs: it is dropped, as nginx does
        self.target = self.target.partition(b"#")[0] or b"/"
        self.path, _, self.query = self.target.partition(b"?")

    def _check_absolute(self) -> None:
        """RFC 9112, 3.2.2: served by its path, and its authority is the Host."""
        found = _ABSOLUTE.fullmatch(self.target)
        if not found or not _HOST.fullmatch(found[1]):
            raise Refusal(400, "the target is not valid", "a path, or an http url without a user")
        self.target = found[2] if found[2].startswith(b"/") else b"/" + found[2]
        self.headers = [(b"host", found[1])] + [pair for pair in self.headers if pair[0] != b"host"]

    def _check_framing(self, values: dict[bytes, list[bytes]]) -> None:
        if b"content-length" in values:
            length = values[b"content-length"][0]
            if len(length) > 18:
                raise Refusal(400, "the Content-Length is not valid", "at most 18 digits")
            self.length = int(length)
        if b"transfer-encoding" in values:
            self._check_codings(b",".join(values[b"transfer-encoding"]).lower())

    def _check_codings(self, codings: bytes) -> None:
        self.chunked = bool(codings)
        if codings and self.version == "1.0":
            raise Refusal(400, "HTTP/1.0 has no Transfer-Encoding", "send a Content-Length, or speak HTTP/1.1")
        if codings not in (b"", b"chunked"):
            raise Refusal(501, "of transfer codings only `chunked` is known", "leave compression to Content-Encoding")
