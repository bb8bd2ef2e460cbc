"""One exchange, from accept to its last byte, in plain counters. Nothing of what was said is kept.

`now` is seconds of one monotonic clock, the same in every call.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Protocol

from sidecar.policy.outcome import OUTCOMES
from sidecar.stream import events as ev
from sidecar.stream.events import Event, TextDelta
from sidecar.telemetry import gaps
from sidecar.telemetry.gaps import GAP_BOUNDS
from sidecar.telemetry.told import Backend, Decision

STALL_S = 1.0
"""A silence of the backend, or a wait for the client, that is counted as a stall."""

MAX_WORD = 200
MAX_CHOICES = 128

Headers = list[tuple[bytes, bytes]]


class Teller(Protocol):
    """Hears of a life's turns."""

    def routed(self, life: "Life") -> None: ...
    def streaming(self, life: "Life") -> None: ...
    def called(self, life: "Life", call: ev.ToolCallEnd) -> None: ...
    def ended(self, life: "Life", now: float) -> None: ...
    def upstream_headers(self, life: "Life") -> Headers: ...


class Life:
    """Counts one exchange; tells it once, at the end.

    `observe` and `delivered` run for every chunk: they count and compare, nothing else; `bytes_in` the relay counts.
    `dialect`, `upstream` and `unknown_frames` may be set again when they become known; the last values are told.
    """

    __slots__ = (
        "_teller", "began", "bytes_in", "bytes_out", "choices", "chunks",
        "client_span", "dialect", "ended_at", "finishes", "first_at", "format", "gap_max", "gaps",
        "handed_at", "head_at", "head_status", "held", "invalid_tool_calls", "last_at", "method", "model", "operation",
        "outcome", "padding", "path", "pings", "reasoned", "request_id", "response_id", "response_model",
        "route", "rule", "sampled", "server_span", "span_id", "stalls_client", "stalls_upstream", "status", "stream",
        "stream_id", "tool_calls", "trace_id", "unknown_frames", "upstream", "usage", "wall_ns", "writes",
    )  # fmt: skip

    def __init__(
        self,
        now: float,
        *,
        stream_id: str,
        request_id: str,
        trace_id: str,
        span_id: str,
        method: str = "",
        path: str = "",
        wall_ns: int = 0,
        teller: Teller,
    ) -> None:
        self.began = now
        self.stream_id = stream_id
        self.request_id = request_id
        self.trace_id = trace_id
        self.span_id = span_id
        self.sampled = False
        self.method = method
        self.path = path
        self.wall_ns = wall_ns
        self._teller = teller
        self.server_span: Any = None
        self.client_span: Any = None
        self.rule = self.route = self.dialect = self.model = self.format = self.operation = ""
        self.upstream: Backend | None = None
        self.stream = False
        self.head_status = 0
        self.head_at: float | None = None
        self.first_at = self.last_at = now
        self.handed_at: float | None = None
        self.chunks = self.writes = self.bytes_in = self.bytes_out = self.pings = self.padding = 0
        self.gaps: list[int] = []
        self.gap_max = self.held = 0.0
        self.stalls_upstream = self.stalls_client = 0
        self.choices = 0
        self.reasoned = False
        self.tool_calls = self.invalid_tool_calls = self.unknown_frames = 0
        self.finishes: dict[int, str] = {}
        self.usage: ev.Usage | None = None
        self.response_id = self.response_model = ""
        self.outcome = ""
        self.status = 0
        self.ended_at: float | None = None

    def routed(
        self, decision: Decision, *, upstream: Backend, dialect: str, model: str, format: str, stream: bool
    ) -> None:
        """A rule has decided, the backend is about to be called."""
        self.rule, self.route = decision.rule, decision.route
        self.upstream, self.dialect, self.format = upstream, dialect, format
        self.model = model[:MAX_WORD]
        self._teller.routed(self)
        if stream:
            self.streaming()

    def streaming(self) -> None:
        """It is a stream: the request asked for one, or the answer turned out to be one."""
        if not self.stream:
            self.stream = True
            self._teller.streaming(self)

    def upstream_headers(self) -> Headers:
        """What replaces the client's trace headers towards the backend; empty leaves them as they are."""
        return self._teller.upstream_headers(self)

    def response_headers(self) -> Headers:
        """What the client is told to find this exchange again."""
        found = [
            (b"x-request-id", self.request_id.encode()),
            (b"traceresponse", f"00-{self.trace_id}-{self.span_id}-{self.sampled:02x}".encode()),
        ]
        if self.stream:
            found.append((b"x-stream-id", self.stream_id.encode()))
        return found

    def head(self, status: int, now: float) -> None:
        """The backend's status line is here; of several attempts the last counts."""
        self.head_status = status
        self.head_at = now

    def observe(self, events: Iterable[Event], now: float) -> None:
        """The events of one read, and when the read returned."""
        chunks = 0
        for event in events:
            if isinstance(event, TextDelta):
                chunks += 1
                if event.choice > self.choices:
                    self.choices = event.choice
            else:
                chunks += self._noticed(event)
        if not chunks:
            return
        if self.chunks:
            gap = now - self.last_at
            self.gaps[bisect_left(GAP_BOUNDS, gap)] += 1
            if gap > self.gap_max:
                self.gap_max = gap
            if gap > STALL_S:
                self._silent(gap)
        else:
            self.first_at = now
            self.gaps = gaps.buckets()
        self.chunks += chunks
        self.last_at = now

    def delivered(self, nbytes: int, now: float, waited: float = 0.0) -> None:
        """A write of frames was taken by the kernel at `now`, after `waited` seconds in it."""
        self.bytes_out += nbytes
        self.writes += 1
        if self.handed_at is None and self.chunks:
            self.handed_at = now
        if waited > STALL_S:
            self.held += waited
            self.stalls_client += 1

    def pinged(self, nbytes: int) -> None:
        """A ping of ours went out."""
        self.pings += 1
        self.bytes_out += nbytes

    def padded(self, nbytes: int) -> None:
        """Padding of ours went out."""
        self.padding += nbytes
        self.bytes_out += nbytes

    def end(self, outcome: str, status: int, now: float) -> None:
        """The exchange is over, in one word and with the status that the client got. Only the first call counts."""
        if self.ended_at is None:
            self.outcome, self.status, self.ended_at = outcome, status, now
            self._teller.ended(self, now)

    @property
    def ttft_upstream(self) -> float | None:
        """Seconds from accept to the first content of the backend."""
        return self.first_at - self.began if self.chunks else None

    @property
    def ttft_delivered(self) -> float | None:
        """Seconds from accept to the first content in the kernel's hands."""
        return None if self.handed_at is None else self.handed_at - self.began

    def gap_counts(self) -> list[tuple[float, int]]:
        """How many gaps between chunks were at or below each bound, in seconds or infinite, where any were."""
        return gaps.counted(self.gaps) if self.chunks > 1 else []

    @property
    def gap_p99(self) -> float:
        """Seconds that 99 of 100 gaps between chunks do not exceed, to a quarter of an octave."""
        return gaps.p99(self.gaps, self.gap_max)

    def tpot(self) -> tuple[float, str] | None:
        """Seconds an output token after the first, and what they were divided by: `tokens` as reported, or `chunks`.

        Reasoning that was counted but never streamed took place before the first chunk: it is not divided by.
        """
        if self.chunks < 2:
            return None
        span = self.last_at - self.first_at
        tokens = self._streamed_tokens()
        return (span / (tokens - 1), "tokens") if tokens > 1 else (span / (self.chunks - 1), "chunks")

    def finish_reasons(self) -> list[str]:
        """One a choice; `error` where a choice of a stream that is not whole never finished."""
        if OUTCOMES[self.outcome].sli == "good":
            return list(self.finishes.values())
        return [self.finishes.get(choice, "error") for choice in range(min(self.choices, MAX_CHOICES) + 1)]

    def _streamed_tokens(self) -> int:
        usage = self.usage
        if usage is None or usage.source != "reported":
            return 0
        hidden = 0 if self.reasoned else usage.reasoning_tokens or 0
        return (usage.output_tokens or 0) - hidden

    def _silent(self, gap: float) -> None:
        if gap - self.held > STALL_S:
            self.stalls_upstream += 1
        self.held = 0.0

    def _noticed(self, event: Event) -> int:
        """Take in what is rarer than text; 1 if it is content."""
        match event:
            case ev.ReasoningDelta():
                self.reasoned = True
                self.choices = max(self.choices, event.choice)
                return 1
            case ev.ToolCallDelta():
                self.choices = max(self.choices, event.choice)
                return 1
            case ev.ToolCallEnd():
                self.tool_calls += 1
                self.invalid_tool_calls += event.invalid
                self._teller.called(self, event)
            case ev.Usage():
                self.usage = event
            case ev.Finish():
                self.choices = max(self.choices, event.choice)
                self.finishes.setdefault(min(event.choice, MAX_CHOICES), event.reason)
            case ev.Start():
                self.response_id, self.response_model = event.id[:MAX_WORD], event.model[:MAX_WORD]
        return 0
