"""The path of a byte. One task, no queue: read a chunk, parse it, encode it, write it, and only then read on.

Two facts decide what a failure looks like. *Started*: the status line is out; before it a failure is an HTTP status.
*Committed*: content is out; it ends the wait for the first token. After *started* a failure is said in-band, or, where
the client's format has no word for it, by breaking the connection: never by a clean end.
"""

import os
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial

from sidecar.policy import cors, outcome, streams, usage
from sidecar.policy.outcome import OUTCOMES
from sidecar.policy.patience import NEVER, Patience
from sidecar.policy.rules import Decision
from sidecar.proxy import headers, upstream
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.keepalive import KeepAlive
from sidecar.proxy.request import ClientLeft, Request
from sidecar.proxy.upstream import Answer, Backend, Body, Failure
from sidecar.proxy.vigil import Interrupted, Vigil
from sidecar.stream import dialects, failure
from sidecar.stream.events import CONTENT, End, Error, Event
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.stream.wires import EVENT_STREAM, Wire, make, padding
from sidecar.telemetry import log
from sidecar.telemetry.life import Life

MAX_ERROR_BODY = 1 << 20
MAX_EARLY = 1 << 20
"""Bytes before the first word to the client that are kept."""


class Exchange:
    """One request and its answer, from the door to the last byte. `asked` is whether the client asked for a stream."""

    def __init__(
        self,
        request: Request,
        downstream: Downstream,
        backend: Backend,
        decision: Decision,
        format: str,
        asked: bool,
        life: Life,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._downstream = downstream
        self._backend = backend
        self._policy = decision.policy
        self._format = format
        self._asked = asked
        self._life = life
        self._clock = clock
        spoken = backend.upstream.dialect
        query = request.scope["query_string"].decode("latin-1")
        self._client_dialect = dialects.of_path(request.path, query) if spoken == "auto" else spoken
        self._wire = self._made(format)
        self._head: tuple[int, list[headers.Header]] = (200, [])
        self._parser: StreamParser | None = None
        self._outcome = ""
        self._held: Callable[[], Awaitable[None]] | None = None
        self._unread: bytearray | None = None
        self._patience = Patience(decision.policy.timeouts, clock(), asked)
        can_open = asked and (self._wire.normalises or bool(dialects.ping(self._client_dialect)))
        self._keep_alive = KeepAlive(decision.policy, downstream, self._wire, life, can_open, self._open_early)
        self._keep_alive.blank_line_is_an_event = request.header(b"user-agent").startswith("OpenAI/Go")
        self._vigil = Vigil(self._judge, request.left, clock)

    @property
    def failed(self) -> bool:
        """Whether it ended in a way that counts against the service."""
        return OUTCOMES[self._outcome].sli == "bad" if self._outcome else True

    async def run(self) -> None:
        """Serve the exchange to its end. Whatever happens, it has one outcome and its resources are free."""
        try:
            await self._guarded()
        except Exception as error:
            log.failed("relay_failed", error, stream=self._life.stream_id)
            await self._fail(Error("sidecar_error", OUTCOMES["sidecar_error"].message))
        finally:
            status = 499 if self._outcome == "client_left" else self._downstream.status
            if self._parser:
                self._life.dialect, self._life.unknown_frames = self._parser.dialect, self._parser.unknown_frames
            self._life.end(self._outcome or "drained", status, self._clock())

    async def _guarded(self) -> None:
        try:
            async with self._vigil:
                await self._carry()
        except Failure as error:
            await self._fail(Error(error.outcome, str(error)))
        except Interrupted as interruption:
            await self._interrupted(interruption.outcome)
        except ClientLeft:
            self._outcome = "client_left"

    async def _carry(self) -> None:
        request, policy = self._request, self._policy
        sent = headers.to_backend(
            request.scope,
            self._backend.upstream,
            self._backend.authority,
            self._asked,
            self._life.upstream_headers(),
        )
        answer = await self._backend.ask(request.method, request.target, sent, self._body(), policy.timeouts)
        async with aclosing(answer):
            self._patience.headed = True
            self._life.head(answer.status, self._clock())
            self._vigil.look()
            await self._answer(answer)

    def _body(self) -> Body:
        """The request's body, byte for byte, unless the rule lets the backend be asked to count tokens."""
        body = self._request.body()
        if self._policy.usage != "ask" or not self._asked or not isinstance(body, bytes):
            return body
        edited = usage.asking(self._request.path, body)
        self._wire.hides_usage = edited is not body
        return edited

    def _made(self, format: str) -> Wire:
        asked = self._request.asked
        return make(format, self._client_dialect, self._life.stream_id, int(time.time()), asked.usage)

    def _own_headers(self) -> list[headers.Header]:
        return self._life.response_headers() + cors.answer(self._policy.cors, self._request.header(b"origin"))

    async def _answer(self, answer: Answer) -> None:
        kind = headers.get(answer.headers, b"content-type")
        request = self._request
        ours = request.method != "HEAD" and self._policy.stream != "off"
        ours = ours and not streams.untouchable(request.headers, request.asked)
        is_stream = ours and streams.is_stream_answer(answer.status, kind, self._asked)
        readable = upstream.decoded(answer) if is_stream else None
        if readable:
            await self._stream(readable, kind.lower().startswith("text/event-stream"))
        elif self._downstream.started:
            await self._in_band(answer)
        elif is_stream and self._wire.normalises:
            raise Failure("malformed", "the backend compressed its stream in a way that is not known here")
        else:
            await self._untouched(answer)

    # ---- a stream

    async def _stream(self, answer: Answer, event_stream: bool) -> None:
        if self._downstream.started and not self._wire.normalises and not event_stream:
            if self._client_dialect != "openai-chat":
                raise Failure("malformed", "the answer was opened as an event stream, and the backend's is none")
            self._wire = self._keep_alive.wire = self._made("openai")
        self._patience.stream = self._keep_alive.streaming = True
        self._head = (answer.status, answer.headers)
        self._wire.event_stream = self._wire.event_stream or event_stream
        self._keep_alive.can_open = self._wire.event_stream
        source = self._backend.upstream
        self._parser = parser = StreamParser(
            source.dialect, event_stream, shape=source.pointers, think=self._policy.think == "split"
        )
        self._life.streaming()
        self._vigil.look()
        clean = await self._relay(answer, parser)
        if self._unread is not None:
            await self._as_it_is(answer, bytes(self._unread))
            self._outcome = "sidecar_error"
            return
        if not self._downstream.finished:
            await self._eof(clean)
        if not self._downstream.finished:
            await self._finish()
        if clean:
            await upstream.let_go(answer)

    async def _relay(self, answer: Answer, parser: StreamParser) -> bool:
        """Chunk after chunk, to the last word or the end of the body; False if the body broke off.

        In mid-stream a chunk goes from socket to socket in one call. What must be waited for is held until the task's
        turn: the beginning, the last word, a client that reads more slowly than the backend speaks.
        """
        life, clock, patience = self._life, self._clock, self._patience
        downstream, encode = self._downstream, self._wire.encode

        early = bytearray()  # what came before the answer was started, in case that nothing can be made of it

        def take(chunk: bytes) -> bool:
            try:
                now = clock()
                if not downstream.started and len(early) <= MAX_EARLY:
                    early.extend(chunk)
                events, frames = parser.feed(chunk)
                life.received(len(chunk))
                life.observe(events, now)
                if parser.done or not patience.committed or not downstream.started:
                    self._held = partial(self._say, *self._hear(events, frames))
                    return False
                if events:
                    patience.idle_from = now
                data = encode(events, frames)
                if data and not downstream.offer(data, now):
                    self._held = partial(self._say, data)
                    return False
            except Exception as error:
                self._held = partial(self._fall_back, early, error)
                return False
            return True

        try:
            await answer.flow(take, self._rest)
        except Failure as broken:
            if broken.outcome != "truncated":
                raise
            return False
        return True

    async def _rest(self) -> bool:
        """What was held of a chunk; whether no more is wanted."""
        held, self._held = self._held, None
        if held:
            await held()
        return self._unread is not None or bool(self._parser and self._parser.done and self._wire.normalises)

    def _hear(self, events: list[Event], frames: list[Frame]) -> tuple[bytes, Event | None]:
        """What these say to the client, and the last word where it ends the answer."""
        wire, last = self._wire, events[-1] if events else None
        if last:
            self._patience.idle_from = self._clock()
        if not self._patience.committed and any(isinstance(event, CONTENT) for event in events):
            self._patience.committed = True
            self._vigil.look()
        if isinstance(last, Error):
            last = events[-1] = outcome.complete(last)
            self._outcome = last.outcome
            return (wire.encode(events[:-1], frames), last) if wire.normalises else (wire.encode(events, frames), None)
        if not isinstance(last, End) or not wire.normalises:
            return wire.encode(events, frames), None
        wire.outcome = self._whole()
        return wire.encode(events, frames), last

    async def _say(self, data: bytes, last: Event | None = None) -> None:
        if isinstance(last, End):
            await self._finish(data)
            return
        # what the client took to read is no silence of the backend
        self._patience.idle_from += await self._write(data)
        if isinstance(last, Error):
            await self._fail(last)

    async def _fall_back(self, early: bytearray, error: Exception) -> None:
        """We failed to understand the answer: while nothing of it is out, it can pass as it is."""
        if self._downstream.started or len(early) > MAX_EARLY or headers.get(self._head[1], b"content-encoding"):
            raise error
        log.failed("fell_back", error, stream=self._life.stream_id)
        self._unread = early
        self._life.format = self._format = "passthrough"
        self._keep_alive.streaming = self._keep_alive.can_open = False

    async def _eof(self, clean: bool) -> None:
        """What the end of the body said. A failure that shows only here is ours to tell, in every format."""
        assert self._parser
        events, frames = self._parser.eof(clean)
        self._life.observe(events, self._clock())
        if not (events and isinstance(events[-1], Error)):
            await self._say(*self._hear(events, frames))
        elif clean and not self._wire.normalises and events[-1].outcome != "truncated":
            await self._say(*self._hear(events, frames))
        elif clean and not self._wire.normalises and (self._unknown() or self._document(frames)):
            # bytes that nobody here understands ended as their sender wished
            await self._write(self._wire.encode([], frames))
        else:
            whole = [frame for frame in frames if not frame.partial]
            await self._write(self._wire.encode(events[:-1], whole))
            await self._fail(events[-1])

    def _document(self, frames: list[Frame]) -> bool:
        """Whether this is JSON that came whole: where it ends its length says, not its words."""
        status, given = self._head
        kind = headers.get(given, b"content-type")
        said = bool(frames) or self._downstream.started
        return said and "json" in kind and not streams.is_stream_answer(status, kind, asked=False)

    def _unknown(self) -> bool:
        """Whether this was no stream of a known kind; a client that speaks one is owed an answer, not silence."""
        parser = self._parser
        return bool(parser and parser.dialect == "auto" and (parser.unknown_frames or not self._client_dialect))

    async def _write(self, data: bytes) -> float:
        """Write the bytes, if there are any; the seconds that the client let us wait."""
        if not data:
            return 0.0
        if not self._downstream.started:
            await self._start(*self._head)
        return await self._downstream.write(data)

    async def _finish(self, data: bytes = b"") -> None:
        """The whole answer is out, with these last bytes."""
        if not self._downstream.started:
            await self._start(*self._head)
        self._vigil.dismiss()
        self._outcome = self._outcome or self._whole()
        await self._downstream.finish(data)

    def _whole(self) -> str:
        """The outcome of a stream that has said its last word."""
        return outcome.of_finish(self._parser.finish_reason if self._parser else "")

    async def _start(self, status: int, given: list[headers.Header]) -> None:
        """The head, and the padding that goes with it."""
        own = self._own_headers()
        content_type = self._wire.content_type or (None if given else EVENT_STREAM)
        head = headers.on_stream(given, own, self._policy, self._format, content_type)
        await self._downstream.start(status, head)
        size = self._policy.padding.initial_bytes
        if size and self._wire.bears_padding:
            noise = os.urandom(size) if self._policy.padding.content == "random" else b""
            comment = padding(size, noise, not self._keep_alive.blank_line_is_an_event)
            await self._downstream.keep_alive(comment)
            self._life.padded(len(comment))
        self._vigil.look()

    # ---- not a stream

    async def _untouched(self, answer: Answer) -> None:
        await self._as_it_is(answer)

    async def _as_it_is(self, answer: Answer, read: bytes = b"") -> None:
        """All of the answer, with what was read of it."""
        self._patience.stream = False
        await self._downstream.start(answer.status, headers.plain(answer.headers, self._own_headers()))
        if read:
            await self._downstream.write(read)
        while chunk := await answer.read():
            await self._downstream.write(chunk)
        self._vigil.dismiss()
        self._outcome = "completed" if answer.status < 400 else outcome.of_status(answer.status)
        await self._downstream.finish()

    async def _in_band(self, answer: Answer) -> None:
        """The answer was opened as a stream before the backend refused: its error is said in the stream."""
        if answer.status < 400:
            raise Failure("malformed", f"the backend answered {answer.status} and no stream")
        body = b""
        with suppress(Failure):  # what there is of it says more than that it broke off
            while len(body) < MAX_ERROR_BODY and (chunk := await answer.read()):
                body += chunk
        error = failure.read_body(body, answer.status, headers.get(answer.headers, b"retry-after"))
        await self._fail(error)

    # ---- failures

    async def _fail(self, error: Error) -> None:
        """Say it: as an HTTP status where nothing is out, in-band where the format can, else by breaking off."""
        error = outcome.complete(error)
        self._outcome = error.outcome
        if self._downstream.finished:
            return
        if not self._downstream.started:
            self._vigil.dismiss()
            await self._downstream.refuse(error, self._own_headers(), self._backend.upstream.name)
            return
        if self._parser:
            self._wire.dialect = self._wire.dialect or self._parser.dialect
        words = self._wire.failed(error) if self._keep_alive.streaming and not self._downstream.writing else b""
        self._vigil.dismiss()
        await (self._downstream.finish(words) if words else self._downstream.abort())

    async def _interrupted(self, why: str) -> None:
        if self._held:
            await self._rest()  # it came in time
        if self._downstream.finished:
            return
        if why == "over":
            # all was said, and only the backend's connection stays open
            await self._eof(clean=True)
            if not self._downstream.finished:
                await self._finish()
        elif OUTCOMES[why].code:
            await self._fail(Error(why, OUTCOMES[why].message))
        else:
            self._outcome = why

    # ---- beside the path

    def _judge(self, now: float) -> float:
        """What is due beside the path, done; the time to look again."""
        if self._downstream.finished:
            return NEVER
        patience, parser = self._patience, self._parser
        patience.blocked = self._downstream.writing
        if parser:
            patience.said_all = parser.done or parser.finished
            self._wire.dialect = self._wire.dialect or parser.dialect.replace("auto", "")
            self._keep_alive.blank_line_is_an_event |= parser.has_ids
        why, due = patience.judge(now)
        if why:
            self._vigil.interrupt(why)
            return NEVER
        return due if parser and parser.done else min(due, self._keep_alive.judge(now))

    async def _open_early(self) -> None:
        self._keep_alive.streaming = self._wire.event_stream = True
        await self._start(*self._head)
