"""One HTTP/1.1 connection to a backend: a request is written, an answer is read, one after the other.

What arrives is parsed at once and joined when it is asked for: one read of the socket, one wake-up, one `read()`, and
no task, timer or queue between them; while the answer flows not even the wake-up. llhttp refuses most of what smuggling
is made of (two lengths, a length beside chunks, folded lines, bare line feeds, control characters, odd chunk sizes);
what it lets through is refused here.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Any

import httptools

from sidecar.proxy.answer import Failure, Rest, Take
from sidecar.proxy.headers import Header
from sidecar.proxy.outgoing import Outgoing, Upload

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 256
MAX_WAITING_BYTES = 128 << 10
"""What may wait unread before the backend is no longer read from."""

_IDLE, _HEAD, _BODY, _OVER = range(4)


class Unanswered(Failure):
    """The connection was lost before a byte of the answer: on one that was used before, most likely its idle end."""


class Refused(Exception):
    """The answer is not HTTP as it may be."""


class Connection(asyncio.Protocol):
    """A connection, and the exchange under way on it. `lost` is told once, when the connection is gone."""

    def __init__(self, lost: Callable[["Connection"], None]) -> None:
        self.used = False
        self.idle_since = 0.0
        self.status = 0
        self.headers: list[Header] = []
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._state = _IDLE
        self._method = ""
        self._begun = self._keep = self._to_close = False
        self._error: BaseException | None = None
        self._waiting = self._dry = 0
        self._parts: list[bytes] = []
        # llhttp's pieces go straight into the list: a method of ours would cost a Python call for each
        self.on_body = self._parts.append
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[bool] | None = None
        self._take: Take | None = None
        self._upload: Upload | None = None
        self._paused = False

    # ---- an exchange

    def ask(self, request: Outgoing) -> None:
        """Send a request. A body that comes in pieces is sent beside the answer."""
        head, body = request.head, request.body
        self._state = _HEAD
        self._method = request.method
        self._begun = self._keep = self._to_close = False
        self._waiting = self._dry = 0
        if self._transport.is_closing():
            self._fail(self._gone("it was closed as soon as it was open"))
        elif isinstance(body, bytes):
            self._transport.writelines((head, body) if body else (head,))
        else:
            self._transport.write(head)
            self._upload = Upload(self._transport, request, self._fail)

    async def answered(self) -> None:
        """Returns when `status` and `headers` are those of the answer. Raises Failure, or what the body raised."""
        while self._state == _HEAD and not self._error:
            await self._news()
        if self._error and self._state == _HEAD:
            raise self._error

    async def read(self) -> bytes:
        """What has come of the body since the last read, waited for; b"" at its end. Raises Failure("truncated")."""
        parts = self._parts
        while not parts:
            if self._error:
                raise self._error
            if self._state != _BODY:
                return b""
            await self._news()
        self._waiting = 0
        if self._paused:
            self._resume()
        return self._joined()

    def _joined(self) -> bytes:
        parts = self._parts
        chunk = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return chunk

    async def flow(self, take: Take, rest: Rest) -> None:
        """Give `take` chunk after chunk, to the end of the body or until `rest` has enough.

        Between waits `take` is called from within the read of the socket: without a future, a task's turn and the
        coroutines in between.
        """
        while chunk := await self.read():
            taken = take(chunk)
            if taken and self._state == _BODY and not self._error:
                self._take = take
                taken = await self._news()
            if not taken and await rest():
                break

    @property
    def over(self) -> bool:
        """Whether the answer's end is here."""
        return self._state == _OVER

    def rest(self) -> bool:
        """Be idle, if the exchange is over on both sides and the connection may serve another."""
        if (
            self._state != _OVER
            or not self._keep
            or self._error
            or (self._upload and not self._upload.over)
            or self._transport.is_closing()
            or self._transport.get_write_buffer_size()
        ):
            return False
        self._state = _IDLE
        self._upload = None
        self.used = True
        self._parts.clear()
        self._resume()
        return True

    def fresh(self) -> bool:
        """Whether nothing, an end neither, has come while idle. The kernel is asked: the loop may not have looked."""
        return not self._transport.is_closing() and not self._heard()

    def abort(self) -> None:
        """Break the connection now. What has come stays readable."""
        self._stop_upload()
        self._transport.abort()

    def _stop_upload(self) -> None:
        if self._upload and not self._upload.over:
            self._keep = False
            self._upload.stop()

    def _heard(self) -> bool:
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    async def _news(self) -> bool:
        """Returns when there is something to look at; False where that is what `take` left to be waited for."""
        self._waiter = self._loop.create_future()
        try:
            return await self._waiter
        finally:
            self._waiter = self._take = None

    def _wake(self, taken: bool = True) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(taken)
            self._take = None

    def _fail(self, error: BaseException) -> None:
        """The first error is what the exchange fails with, once what came before it is read."""
        if self._state in (_HEAD, _BODY) and not self._error:
            self._error = error
        self._keep = False
        self.abort()
        self._wake()

    # ---- what the socket says

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._state == _IDLE:
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(self._broken(error.__context__ or error))
        waiter, parts = self._waiter, self._parts
        if parts and self._take and waiter and not waiter.done():
            # the path of a token
            self._dry = 0
            if not self._take(self._joined()):
                self._wake(False)
        elif parts:
            self._dry = 0
            self._waiting += len(data)
            if self._waiting > MAX_WAITING_BYTES and not self._paused and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()
        else:
            self._dry += len(data)
            if self._dry > 2 * MAX_HEAD_BYTES:
                self._fail(self._broken("it goes on and on between the parts of its body"))
        if not self._take or self._state != _BODY:
            self._wake()

    def eof_received(self) -> None:
        # TLS calls this for a close_notify alone, so a body up to the close cannot be cut short by a forged FIN
        if self._to_close and self._state == _BODY:
            self._state = _OVER

    def pause_writing(self) -> None:
        if self._upload:
            self._upload.pause()

    def resume_writing(self) -> None:
        if self._upload:
            self._upload.resume()

    def connection_lost(self, error: Exception | None) -> None:
        while error and self._upload and self._state in (_HEAD, _BODY) and (rest := self._upload.heard()):
            self.data_received(rest)
        self._fail(self._gone(str(error or "it closed the connection")))
        self._lost(self)
        del self._parser  # it holds our methods: the cycle would wait for the collector

    def _resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._transport.resume_reading()
        self._paused = False

    def _broken(self, why: object) -> Failure:
        if self._state == _HEAD:
            return Failure("malformed", f"the backend does not speak HTTP/1.1 as it should: {why}")
        return Failure("truncated", f"the backend's answer broke off: {why}")

    def _gone(self, why: str) -> Failure:
        if self._state == _BODY:
            return self._broken(why)
        said = f"the backend closed the connection without an answer: {why}"
        return Failure("connect_failed", said) if self._begun else Unanswered("connect_failed", said)

    # ---- what the parser says

    def on_message_begin(self) -> None:
        if self._state == _OVER:
            raise Refused("there are bytes after its end")
        self._begun = True
        self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        # trailers come here too, after the body
        if self._state == _HEAD:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            raise Refused("its head is too large")
        if version not in ("1.0", "1.1") or not 100 <= status <= 599 or status == 101:
            raise Refused(f"HTTP/{version} {status}")
        if status >= 200:
            self._head(status, version)

    def _head(self, status: int, version: str) -> None:
        names = {name for name, _ in self.headers}
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise Refused("an unknown transfer coding")
        self.status = status
        self._state = _BODY
        # a 1.0 sender that speaks of codings is not to be trusted with a second message (RFC 9112, 6.1)
        self._keep = self._parser.should_keep_alive() and not (codings and version == "1.0")
        self._to_close = not codings and b"content-length" not in names
        if status >= 400:
            self._stop_upload()
        if self._method == "HEAD" and status not in (204, 304):
            # the parser cannot be told that no body follows, and would take the next answer for it
            self._state = _OVER
            raise Refused("the answer to a HEAD ends with its head")

    def on_message_complete(self) -> None:
        if self._state == _BODY:
            self._state = _OVER
            self._stop_upload()
