"""One HTTP/1.1 connection to a backend: a request is written, an answer is read, one after the other.

What arrives is parsed at once and joined when it is asked for: one read of the socket, one wake-up, one `read()`, and
no task, timer or queue between them; while the answer flows not even the wake-up.
"""

import asyncio
import select
from collections.abc import Callable
from typing import Any

from sidecar.proxy.answer import Rest, Take
from sidecar.proxy.incoming import BODY, BROKEN, HEAD, IDLE, MAX_HEAD_BYTES, OVER, Incoming
from sidecar.proxy.outgoing import Outgoing, Upload

MAX_WAITING_BYTES = 128 << 10
"""What may wait unread before the backend is no longer read from."""


class Connection(asyncio.Protocol):
    """A connection, and the exchange under way on it. `lost` is told once, when the connection is gone."""

    __slots__ = (
        "_dry", "_error", "_loop", "_lost", "_parts", "_paused", "_poll", "_take", "_transport", "_upload", "_waiter",
        "_waiting", "answer", "idle_since", "used",
    )  # fmt: skip

    def __init__(self, lost: Callable[["Connection"], None]) -> None:
        self.used = False
        self.idle_since = 0.0
        self.answer = Incoming()
        self._parts = self.answer.parts
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._error: BaseException | None = None
        self._waiting = self._dry = 0
        self._waiter: asyncio.Future[bool] | None = None
        self._take: Take | None = None
        self._upload: Upload | None = None
        self._poll: select.poll | None = None
        self._paused = False

    # ---- an exchange

    async def ask(self, request: Outgoing) -> None:
        """Send a request; when this returns, `answer` has its head. A body in pieces is sent beside the answer.

        Raises Failure, or what the body raised. The connection is broken then, as it is where the wait is cancelled.
        """
        answer = self.answer
        answer.expect(request.method)
        self._waiting = self._dry = 0
        headed = False
        try:
            self._send(request)
            while answer.stage == HEAD:
                if self._error:
                    raise self._error
                await self._news()
            headed = True
        finally:
            if not headed:
                self.drop()

    def _send(self, request: Outgoing) -> None:
        if self._transport.is_closing():
            self._fail(self.answer.gone("it was closed as soon as it was open"))
        elif isinstance(request.body, bytes):
            self._transport.writelines((request.head, request.body) if request.body else (request.head,))
        else:
            self._transport.write(request.head)
            self._upload = Upload(self._transport, request, self._fail)

    async def read(self) -> bytes:
        """What has come of the body since the last read, waited for; b"" at its end. Raises Failure("truncated")."""
        while not self._parts:
            if self._error:
                raise self._error
            if self.answer.stage != BODY:
                return b""
            await self._news()
        return self._come()

    async def flow(self, take: Take, rest: Rest) -> None:
        """Give `take` chunk after chunk, to the end of the body or until `rest` has enough.

        What is waited for `take` gets from within the read of the socket: without a task's turn and the coroutines in
        between.
        """
        while True:
            if self._parts:
                taken = take(self._come())
            elif self._error:
                raise self._error
            elif self.answer.stage != BODY:
                return
            else:
                taken = await self._news(take)
            if not taken and await rest():
                return

    def _come(self) -> bytes:
        parts = self._parts
        chunk = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._waiting = 0
        if self._paused:
            self._resume()
        return chunk

    @property
    def over(self) -> bool:
        """Whether the answer's end is here."""
        return self.answer.stage == OVER

    def rest(self) -> bool:
        """Be idle, if the exchange is over on both sides and the connection may serve another."""
        if (
            self.answer.stage != OVER
            or not self.answer.keeps
            or (self._upload and not self._upload.over)
            or self._transport.is_closing()
            or self._transport.get_write_buffer_size()
        ):
            return False
        self.answer.stage = IDLE
        self._upload = None
        self.used = True
        self._parts.clear()
        if self._paused:
            self._resume()
        return True

    def fresh(self) -> bool:
        """Whether nothing, an end neither, has come while idle. The kernel is asked: the loop may not have looked."""
        if self._transport.is_closing():
            return False
        if not self._poll:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def abort(self) -> None:
        """Break the connection now. What has come stays readable."""
        self._stop_upload()
        self._transport.abort()

    def drop(self) -> None:
        """Break the connection, whose exchange nobody waits for any more."""
        self._error = None  # its traceback holds frames that hold this
        self.abort()

    def _stop_upload(self) -> None:
        if self._upload and not self._upload.over:
            self.answer.keeps = False
            self._upload.stop()

    def _news(self, take: Take | None = None) -> asyncio.Future[bool]:
        """Done when there is something to look at; False where that is what `take` left to be waited for."""
        self._take = take
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def _wake(self, taken: bool = True) -> None:
        waiter, self._waiter, self._take = self._waiter, None, None
        if waiter and not waiter.done():
            waiter.set_result(taken)

    def _fail(self, error: BaseException) -> None:
        """The first error is what the exchange fails with, once what came before it is read."""
        if self.answer.stage in (HEAD, BODY) and not self._error:
            self._error = error
        self.answer.keeps = False
        self.abort()
        self._wake()

    # ---- what the socket says

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        answer, parts, waiter = self.answer, self._parts, self._waiter
        try:
            answer.feed(data)
        except BROKEN as error:
            self._fail(answer.broken(error.__context__ or error))
        if parts and self._take and waiter and not waiter.done():
            # the path of a token
            self._dry = 0
            taken = self._take(parts.pop() if len(parts) == 1 else self._come())
            if taken and answer.stage == BODY:
                return
            self._wake(taken)
        else:
            self._keep(len(data))
            if not self._take or answer.stage != BODY:
                self._wake()
        if self._upload and (answer.stage == OVER or answer.status >= 400):
            self._stop_upload()

    def _keep(self, size: int) -> None:
        """This many bytes came that nobody takes now."""
        if self.answer.stage == IDLE:
            self._transport.abort()
        elif self._parts:
            self._dry = 0
            self._waiting += size
            if self._waiting > MAX_WAITING_BYTES and not self._paused and not self._transport.is_closing():
                self._paused = True
                self._transport.pause_reading()
        else:
            self._dry += size
            if self._dry > 2 * MAX_HEAD_BYTES:
                self._fail(self.answer.broken("it goes on and on between the parts of its body"))

    def eof_received(self) -> None:
        # TLS calls this for a close_notify alone, so a body up to the close cannot be cut short by a forged FIN
        if self.answer.to_close and self.answer.stage == BODY:
            self.answer.stage = OVER

    def pause_writing(self) -> None:
        if self._upload:
            self._upload.pause()

    def resume_writing(self) -> None:
        if self._upload:
            self._upload.resume()

    def connection_lost(self, error: Exception | None) -> None:
        while error and self._upload and self.answer.stage in (HEAD, BODY) and (rest := self._upload.heard()):
            self.data_received(rest)
        self._fail(self.answer.gone(str(error or "it closed the connection")))
        self._lost(self)
        self.answer.close()

    def _resume(self) -> None:
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
