"""An answer on its way from a backend: its head as HTTP wants it, the pieces of its body, its end.

llhttp refuses most of what smuggling is made of (two lengths, a length beside chunks, folded lines, bare line feeds,
control characters, odd chunk sizes); what it lets through is refused here.
"""

import httptools

from sidecar.proxy.answer import Failure
from sidecar.proxy.headers import Header

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 256

IDLE, HEAD, BODY, OVER = range(4)
"""How far an answer is: none is expected; its head is; its body is; all of it is here."""

BROKEN = (httptools.HttpParserError, httptools.HttpParserUpgrade)
"""What `feed` raises of bytes that are no answer. Its context, if it has one, says why."""


class Refused(Exception):
    """The answer is not HTTP as it may be."""


class Unanswered(Failure):
    """The connection was lost before a byte of the answer: on one that was used before, most likely its idle end."""


class Incoming:
    """The answers of one connection, one after the other; each is announced by `expect`, and `feed` takes the bytes.

    `status` and `headers` hold from the stage BODY on; `parts` are the pieces of the body that nobody has read yet.
    `begun`: something of it has come. `keeps`: its sender takes another request. `to_close`: nothing else ends it.
    """

    __slots__ = (
        "_method", "_parser", "begun", "feed", "headers", "keeps", "on_body", "parts", "stage", "status", "to_close",
    )  # fmt: skip

    def __init__(self) -> None:
        self.stage = IDLE
        self.status = 0
        self.headers: list[Header] = []
        self.parts: list[bytes] = []
        self.begun = self.keeps = self.to_close = False
        self._method = ""
        # llhttp's pieces go straight into the list: a method of ours would cost a Python call for each
        self.on_body = self.parts.append
        self._parser = httptools.HttpResponseParser(self)
        self.feed = self._parser.feed_data

    def expect(self, method: str) -> None:
        """What comes now answers a request of this method."""
        self.stage = HEAD
        self.status = 0
        self._method = method
        self.begun = self.keeps = self.to_close = False

    def close(self) -> None:
        """Nothing comes any more."""
        del self.feed, self._parser  # they hold our methods: the cycle would wait for the collector

    def broken(self, why: object) -> Failure:
        """What it is when its bytes are wrong, or end too early."""
        if self.stage == HEAD:
            return Failure("malformed", f"the backend does not speak HTTP/1.1 as it should: {why}")
        return Failure("truncated", f"the backend's answer broke off: {why}")

    def gone(self, why: str) -> Failure:
        """What it is when the connection is lost."""
        if self.stage == BODY:
            return self.broken(why)
        said = f"the backend closed the connection without an answer: {why}"
        return Failure("connect_failed", said) if self.begun else Unanswered("connect_failed", said)

    # ---- llhttp's callbacks

    def on_message_begin(self) -> None:
        if self.stage in (IDLE, OVER):
            raise Refused("there are bytes after its end")
        self.begun = True
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # trailers come here too, after the body
        if self.stage == HEAD:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        size = sum([len(name) + len(value) + 4 for name, value in self.headers])
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            raise Refused("its head is too large")
        if version not in ("1.0", "1.1") or not 100 <= status <= 599 or status == 101:
            raise Refused(f"HTTP/{version} {status}")
        if status >= 200:
            self._final(status, version)

    def _final(self, status: int, version: str) -> None:
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise Refused("an unknown transfer coding")
        self.status = status
        self.stage = BODY
        # a 1.0 sender that speaks of codings is not to be trusted with a second message (RFC 9112, 6.1)
        self.keeps = self._parser.should_keep_alive() and not (codings and version == "1.0")
        self.to_close = not codings and b"content-length" not in dict(self.headers)
        if self._method == "HEAD" and status not in (204, 304):
            # the parser cannot be told that no body follows, and would take the next answer for it
            self.stage = OVER
            raise Refused("the answer to a HEAD ends with its head")

    def on_message_complete(self) -> None:
        if self.stage == BODY:
            self.stage = OVER
