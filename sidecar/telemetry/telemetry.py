"""The one object that the proxy tells: it begins a `Life` for each request, and tells the world when it has ended."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor
from prometheus_client import generate_latest

from sidecar.stream.events import ToolCallEnd
from sidecar.telemetry import genai, log
from sidecar.telemetry.export import Export
from sidecar.telemetry.heartbeat import Heartbeat
from sidecar.telemetry.histograms import Histograms
from sidecar.telemetry.life import Headers, Life
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.spans import Spans, failure
from sidecar.telemetry.trace import asked


class Telemetry:
    """Spans, metrics and the log line of every exchange.

    Without an exporter no span object is made: the ids, the log line and the Prometheus page remain.
    `entropy`, `wall` (ns since the epoch) and `clock` (s) are chance and time; `spans` replaces the exporters of spans.
    """

    def __init__(
        self,
        version: str = "",
        *,
        environ: Mapping[str, str] = os.environ,
        entropy: Callable[[int], bytes] = os.urandom,
        wall: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
        spans: SpanProcessor | None = None,
    ) -> None:
        self._entropy = entropy
        self._wall = wall
        self._active: dict[str, Life] = {}
        histograms = Histograms(wall())
        self._export = Export(environ, version, histograms, spans)
        self._metrics = Metrics(self._export.meter, histograms, lambda: len(self._active), version)
        self._spans = Spans(self._export.tracer) if self._export.tracer else None
        self.heartbeat = Heartbeat(clock, self._metrics.lag)

    def begin(self, scope: Mapping[str, Any], now: float) -> Life:
        """A request has been accepted; `scope` is ASGI's."""
        found = asked(scope["headers"])
        chance = self._entropy(56).hex()
        life = Life(
            now,
            stream_id="s_" + chance[:32],
            request_id=found.request_id or chance[32:64],
            trace_id=found.trace.trace_id if found.trace else chance[64:96],
            span_id=chance[96:],
            method=scope["method"],
            path=scope["path"],
            wall_ns=self._wall(),
            teller=self,
        )
        if self._spans:
            self._spans.begun(life, scope, found)
        return life

    def active(self) -> list[Life]:
        """The streams in flight; from any thread."""
        return list(self._active.values())

    def streams(self, now: float) -> list[dict[str, str | float]]:
        """The streams in flight as a page shows them, nothing of their content; from any thread."""
        return [
            {
                "id": life.stream_id,
                "trace_id": life.trace_id,
                "rule": life.rule,
                "upstream": life.upstream.name if life.upstream else "",
                "dialect": life.dialect,
                "format": life.format,
                "model": life.model,
                "age_s": round(now - life.began, 3),
                "idle_s": round(now - life.last_at, 3),
                "chunks": life.chunks,
                "bytes": life.bytes_out,
                "pings": life.pings,
            }
            for life in self.active()
        ]

    def reload_failed(self, failed: bool) -> None:
        """Whether the configuration file as it is now was refused."""
        self._metrics.reload_failed = failed

    def refused(self, counts: Mapping[int, int]) -> None:
        """Where the counts of connections that were refused at the door stand, by HTTP status."""
        self._metrics.refused = counts

    def metrics_page(self) -> bytes:
        """All metrics in the Prometheus text format; from one thread at a time."""
        return generate_latest(self._export.registry)

    def shutdown(self) -> None:
        """Flush and stop the exporters; blocks for two seconds at most."""
        self._export.shutdown()

    def routed(self, life: Life) -> None:
        """A rule has decided; called by the life."""
        life.operation = genai.operation(life.path)
        if self._spans:
            self._spans.routed(life)

    def streaming(self, life: Life) -> None:
        """It is a stream; called by the life."""
        self._active[life.stream_id] = life
        if self._spans:
            self._spans.streaming(life)

    def upstream_headers(self, life: Life) -> Headers:
        """What makes the backend a child of its span; asked by the life."""
        return self._spans.upstream_headers(life) if self._spans else []

    def called(self, life: Life, call: ToolCallEnd) -> None:
        """A tool call is whole; called by the life. Its name and arguments are the client's alone."""
        log.event(
            logging.DEBUG,
            "tool_call",
            stream=life.stream_id,
            index=call.index,
            fragments=call.fragments,
            bytes=call.bytes,
            parses=call.parses,
            invalid=call.invalid,
        )

    def ended(self, life: Life, now: float) -> None:
        """It is over; called by the life."""
        self._active.pop(life.stream_id, None)
        self._metrics.ended(life, now)
        if self._spans:
            self._spans.ended(life, now)
        _tell(life, now)


def _tell(life: Life, now: float) -> None:
    level = logging.WARNING if failure(life) else logging.INFO if life.stream else logging.DEBUG
    if not log.heard(level):
        return
    if life.stream:
        log.event(level, "stream", **_line(life, now))
    else:
        log.event(level, "request", method=life.method[:32], path=life.path[:200], **_line(life, now))


def _line(life: Life, now: float) -> dict[str, Any]:
    first = life.ttft_delivered
    return {
        "outcome": life.outcome,
        "stream": life.stream_id,
        "trace_id": life.trace_id,
        "rule": life.rule,
        "upstream": life.upstream.name if life.upstream else "",
        "dialect": life.dialect,
        "format": life.format,
        "model": life.model,
        "status": life.status,
        "ttft_ms": None if first is None else round(first * 1000, 1),
        "duration_ms": round((now - life.began) * 1000, 1),
        "chunks": life.chunks,
        "bytes": life.bytes_out,
        **({"unknown_frames": life.unknown_frames} if life.unknown_frames else {}),
    }
