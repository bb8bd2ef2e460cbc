"""The path of a byte. One task, no queue: read a chunk, parse it, encode it, write it, and only then read on.

In mid-stream a chunk goes from socket to socket in one call. What must be waited for is held until the task's turn: the
beginning, the last word, a client that reads more slowly than the backend speaks.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from sidecar.policy import outcome, streams
from sidecar.policy.config import Policy, Upstream
from sidecar.policy.patience import Patience
from sidecar.proxy import headers, upstream
from sidecar.proxy.reply import Reply
from sidecar.proxy.upstream import Answer, Failure
from sidecar.stream import dialects
from sidecar.stream.events import CONTENT, End, Error, Event
from sidecar.stream.framing import Frame
from sidecar.stream.parser import StreamParser
from sidecar.telemetry import log
from sidecar.telemetry.life import Life

MAX_EARLY = 1 << 20
"""Bytes before the first word to the client that are kept."""


class Relay:
    """One stream of a backend, on its way to the client. `parser` knows what was read of it.

    *Committed*: content was seen, which ends the wait for the first token.
    """

    def __init__(
        self,
        source: Upstream,
        event_stream: bool,
        policy: Policy,
        end: str,
        reply: Reply,
        patience: Patience,
        life: Life,
        clock: Callable[[], float],
    ) -> None:
        self.parser = StreamParser(
            source.dialect,
            event_stream,
            shape=source.pointers,
            think=policy.think == "split",
            max_frame=policy.limits.frame_bytes,
            end=end,
        )
        self.parser.lenient = not reply.wire.normalises
        self._reply = reply
        self._patience = patience
        self._life = life
        self._clock = clock
        self._encode = reply.wire.encode
        self._events: list[Event] = []  # what waits until the format is known
        self._frames: list[Frame] = []
        self._held: Callable[[], Awaitable[None]] | None = None
        self._early = bytearray()  # what came before the answer was started, in case that it passes as it is
        self._unread: bytearray | None = None
        self._failed = False

    async def run(self, answer: Answer) -> None:
        """All of it, to the last word. Raises Failure where the backend failed otherwise than by breaking off."""
        clean = await self._carry(answer)
        if self._unread is not None:
            self._patience.stream = False
            await self._reply.as_it_is(answer, bytes(self._unread))
            self._reply.outcome = "sidecar_error" if self._failed else self._reply.outcome
            return
        if not self._reply.downstream.finished:
            await self.end(clean)
        if clean:
            await upstream.let_go(answer)

    @property
    def all_out(self) -> bool:
        """Whether the client has the backend's last word, of which only the body's end is left to say."""
        said = self.parser.done or self.parser.finished
        return said and not self._reply.wire.normalises and not self._held and not self._reply.downstream.writing

    async def settle(self) -> bool:
        """What was held of a chunk; whether no more is wanted."""
        held, self._held = self._held, None
        if held:
            await held()
        return self._unread is not None or (self.parser.done and self._reply.wire.normalises)

    async def end(self, clean: bool) -> None:
        """The body is over, and so is the reply; `clean` is False where it broke off."""
        await self._eof(clean)
        if not self._reply.downstream.finished:
            await self._reply.finish(self._whole(), clean=clean)

    async def _carry(self, answer: Answer) -> bool:
        """Chunk after chunk, to the last word or the end of the body; False if the body broke off."""
        parser, life, clock, patience = self.parser, self._life, self._clock, self._patience
        downstream = self._reply.downstream

        early = self._early

        def take(chunk: bytes) -> bool:
            try:
                now = clock()
                if not downstream.started and len(early) <= MAX_EARLY:
                    early.extend(chunk)
                events, frames = parser.feed(chunk)
                life.bytes_in += len(chunk)
                life.observe(events, now)
                if parser.done or not patience.committed or not downstream.started:
                    self._held = partial(self._say, *self._hear(events, frames))
                    return False
                if events:
                    patience.idle_from = now
                data = self._encode(events, frames)
                if data and not downstream.offer(data, now):
                    self._held = partial(self._say, data)
                    return False
            except Exception as error:
                self._held = partial(self._fall_back, answer, early, error)
                return False
            return True

        try:
            await answer.flow(take, self.settle)
        except Failure as broken:
            if broken.outcome != "truncated":
                raise
            return False
        return True

    def _hear(self, events: list[Event], frames: list[Frame]) -> tuple[bytes, Event | None]:
        """What these say to the client, and the last word where it ends the answer."""
        if not self._reply.downstream.started and _is_mcp(frames):
            self._unread, self._life.format = self._early, "passthrough"
            return b"", None
        if self._reply.auto and not self._known(events, frames):
            return b"", None
        if self._frames:
            events, frames = [*self._events, *events], [*self._frames, *frames]
            self._events, self._frames = [], []
        reply, wire, patience = self._reply, self._reply.wire, self._patience
        last = events[-1] if events else None
        self._recognise()
        if last:
            patience.idle_from = self._clock()
        patience.committed = patience.committed or any(isinstance(event, CONTENT) for event in events)
        if isinstance(last, Error):
            last = events[-1] = outcome.complete(last)
            reply.outcome = last.outcome
            return (wire.encode(events[:-1], frames), last) if wire.normalises else (wire.encode(events, frames), None)
        if not isinstance(last, End) or not wire.normalises:
            return wire.encode(events, frames), None
        wire.outcome = self._whole()
        return wire.encode(events, frames), last

    async def _say(self, data: bytes, last: Event | None = None) -> None:
        if isinstance(last, End):
            await self._reply.finish(self._whole(), data, clean=False)
            return
        # what the client took to read is no silence of the backend
        self._patience.idle_from += await self._reply.write(data)
        if isinstance(last, Error):
            await self._reply.fail(last)

    async def _fall_back(self, answer: Answer, early: bytearray, error: Exception) -> None:
        """We failed to understand the answer: while nothing of it is out, it can pass as it is."""
        coded = headers.get(answer.headers, b"content-encoding")
        if self._reply.downstream.started or len(early) > MAX_EARLY or coded:
            raise error
        log.failed("fell_back", error, stream=self._life.stream_id)
        self._unread, self._failed = early, True
        self._life.format = "passthrough"
        self._reply.streaming = self._reply.can_open = False

    async def _eof(self, clean: bool) -> None:
        """What the end of the body said. A failure that shows only here is ours to tell, in every format."""
        reply, wire = self._reply, self._reply.wire
        events, frames = self.parser.eof(clean)
        self._life.observe(events, self._clock())
        if reply.auto:
            self._known(events, frames, over=True)
            wire = reply.wire
        events, frames = [*self._events, *events], [*self._frames, *frames]
        self._events, self._frames = [], []
        if not (events and isinstance(events[-1], Error)):
            await self._say(*self._hear(events, frames))
        elif clean and not wire.normalises and events[-1].outcome != "truncated":
            await self._say(*self._hear(events, frames))
        elif clean and not wire.normalises and self.parser.dialect in dialects.HOME_MADE:
            reply.outcome = "truncated"
            await reply.write(wire.encode([], frames))
        elif clean and not wire.normalises and (self._unknown() or self._document(frames)):
            # bytes that nobody here understands ended as their sender wished
            await reply.write(wire.encode([], frames))
        else:
            whole = [frame for frame in frames if not frame.partial]
            await reply.write(wire.encode(events[:-1], whole))
            self._recognise()
            await reply.fail(events[-1])

    def _known(self, events: list[Event], frames: list[Frame], over: bool = False) -> bool:
        """Whether it is known in which format the answer leaves: by its dialect, or by its first words in another one
        than the path promised. What came before waits, a megabyte at most."""
        dialect, auto = self.parser.dialect, self._reply.auto
        spoken = any(isinstance(event, CONTENT) for event in (*self._events, *events))
        over = over or any(isinstance(event, End | Error) for event in events)
        much = sum(len(frame.raw) for frame in (*self._frames, *frames)) > MAX_EARLY
        recognised = dialect != "auto" and auto is not None and (auto.shared or dialect in auto.apis)
        if not (recognised or spoken or over or much):
            self._events += events
            self._frames += frames
            return False
        self._reply.settle(dialect, spoken)
        self._encode = self._reply.wire.encode
        self.parser.lenient = not self._reply.wire.normalises
        return True

    def _recognise(self) -> None:
        """The client speaks what the backend does, where its path did not tell."""
        wire = self._reply.wire
        wire.dialect = wire.dialect or self.parser.dialect.replace("auto", "")

    def _document(self, frames: list[Frame]) -> bool:
        """Whether this is JSON that came whole: where it ends its length says, not its words."""
        status, given = self._reply.head
        kind = headers.get(given, b"content-type")
        said = bool(frames) or self._reply.downstream.started
        return said and "json" in kind and not streams.is_stream_answer(status, kind, asked=False)

    def _unknown(self) -> bool:
        """Whether this was no stream of a known kind; a client that speaks one is owed an answer, not silence."""
        parser = self.parser
        return parser.dialect == "auto" and (parser.unknown_frames > 0 or not self._reply.dialect)

    def _whole(self) -> str:
        """The outcome of a stream that has said its last word."""
        return outcome.of_finish(self.parser.finish_reason)


def _is_mcp(frames: list[Frame]) -> bool:
    """Whether this is MCP's older transport, which begins by saying where to post to, and then waits for as long as its
    client does: no answer of a model."""
    first = next((frame for frame in frames if frame.data is not None), None)
    return first is not None and first.name == "endpoint" and (first.data or b"").startswith((b"/", b"http"))
