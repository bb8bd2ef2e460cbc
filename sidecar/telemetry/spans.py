"""The two spans of an exchange: SERVER `{method} {route}` and, for a stream, CLIENT `{operation} {model}` under it.

Attributes and milestones are set once, when the exchange is over. Query strings, header values and error messages
are never told: they carry keys and prompts.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import AttributeValue

from sidecar.policy.outcome import OUTCOMES
from sidecar.telemetry import genai, names
from sidecar.telemetry.life import Headers, Life
from sidecar.telemetry.trace import Asked, Trace, traceparent

Attributes = dict[str, AttributeValue]


class Spans:
    """Opens and closes the spans of a `Life` with the SDK's tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def begun(self, life: Life, scope: Mapping[str, Any], asked: Asked) -> None:
        """Open the SERVER span; its ids become the life's."""
        parent = otel.set_span_in_context(NonRecordingSpan(_remote(asked.trace))) if asked.trace else None
        span = self._tracer.start_span(
            names.server_span(names.method(life.method), ""),
            parent,
            SpanKind.SERVER,
            _request(life, scope, asked),
            start_time=life.wall_ns,
        )
        context = span.get_span_context()
        life.server_span = span
        life.trace_id, life.span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        life.sampled = context.trace_flags.sampled

    def routed(self, life: Life) -> None:
        """Name the SERVER span."""
        life.server_span.update_name(names.server_span(names.method(life.method), life.route))

    def streaming(self, life: Life) -> None:
        """Open the CLIENT span."""
        life.client_span = self._tracer.start_span(
            names.client_span(life.operation, life.model),
            otel.set_span_in_context(life.server_span),
            SpanKind.CLIENT,
            _call(life),
        )

    def upstream_headers(self, life: Life) -> Headers:
        """The backend's parent: the CLIENT span of what is known to be a stream, else the SERVER span."""
        span: Span = life.server_span if life.client_span is None else life.client_span
        context = span.get_span_context()
        value = traceparent(life.trace_id, f"{context.span_id:016x}", context.trace_flags & 1)
        state = [(b"tracestate", context.trace_state.to_header().encode())] if context.trace_state else []
        return [(b"traceparent", value), *state]

    def ended(self, life: Life, now: float) -> None:
        """Tell everything and close both."""
        end_ns = _wall(life, now)
        if life.client_span is not None:
            _close(life.client_span, life, _answer(life), end_ns)
        _close(life.server_span, life, _exchange(life), end_ns)


def _close(span: Span, life: Life, attributes: Attributes, end_ns: int) -> None:
    if span.is_recording():
        failed = failure(life)
        if failed:
            attributes[names.ERROR_TYPE] = failed
            span.set_status(Status(StatusCode.ERROR))
        span.set_attributes(attributes)
        if span is life.client_span or life.client_span is None:
            for name, at in _milestones(life):
                span.add_event(name, timestamp=_wall(life, at))
    span.end(end_ns)


def failure(life: Life) -> str:
    """`error.type`: the outcome where it is bad, the status where a plain answer is 5xx; else nothing."""
    if OUTCOMES[life.outcome].sli == "bad":
        return life.outcome
    return str(life.status) if life.status >= 500 else ""


def _wall(life: Life, at: float) -> int:
    return life.wall_ns + int((at - life.began) * 1e9)


def _remote(trace: Trace) -> SpanContext:
    state = TraceState.from_header([trace.state]) if trace.state else None
    return SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), True, TraceFlags(trace.flags), state)


def _request(life: Life, scope: Mapping[str, Any], asked: Asked) -> Attributes:
    attributes: Attributes = {
        names.HTTP_METHOD: names.method(life.method),
        names.URL_PATH: life.path,
        names.URL_SCHEME: scope.get("scheme", "http"),
        names.PROTOCOL_VERSION: scope.get("http_version", ""),
        names.SPAN_STREAM: life.stream_id,
        names.SPAN_REQUEST_ID: life.request_id,
    }
    if asked.user_agent:
        attributes[names.USER_AGENT] = asked.user_agent[:256].decode("latin-1")
    if life.method not in names.KNOWN_METHODS:
        attributes[names.HTTP_METHOD_ORIGINAL] = life.method[:32]
    return attributes


def _call(life: Life) -> Attributes:
    attributes: Attributes = {
        names.OPERATION: life.operation,
        names.REQUEST_STREAM: True,
        names.SPAN_STREAM: life.stream_id,
        **_backend(life),
    }
    if life.model:
        attributes[names.REQUEST_MODEL] = life.model
    return attributes


def _backend(life: Life) -> Attributes:
    if life.upstream is None:
        return {}
    host, port = genai.address(life.upstream.url)
    address: Attributes = {names.SERVER_ADDRESS: host, names.SERVER_PORT: port} if host else {}
    return {
        names.PROVIDER: genai.provider(life.upstream.url, life.dialect),
        names.SPAN_UPSTREAM: life.upstream.name,
        **address,
    }


def _exchange(life: Life) -> Attributes:
    attributes: Attributes = {
        names.HTTP_STATUS: life.status,
        names.SPAN_OUTCOME: life.outcome,
        names.SPAN_RULE: life.rule,
        names.SPAN_BYTES_OUT: life.bytes_out,
    }
    if life.route:
        attributes[names.HTTP_ROUTE] = life.route
    if life.upstream is not None:
        attributes[names.SPAN_UPSTREAM] = life.upstream.name
    if life.stream:
        attributes |= {
            names.SPAN_FORMAT: life.format,
            names.SPAN_WRITES: life.writes,
            names.SPAN_PINGS: life.pings,
            names.SPAN_PADDING: life.padding,
            names.SPAN_STALLS_CLIENT: life.stalls_client,
        }
    if life.ttft_delivered is not None:
        attributes[names.SPAN_TTFT_DELIVERED] = life.ttft_delivered
    return attributes


def _answer(life: Life) -> Attributes:
    attributes: Attributes = {
        names.SPAN_OUTCOME: life.outcome,
        names.SPAN_DIALECT: life.dialect,
        names.SPAN_CHUNKS: life.chunks,
        names.SPAN_BYTES_IN: life.bytes_in,
        names.SPAN_STALLS_UPSTREAM: life.stalls_upstream,
        names.SPAN_TOOL_CALLS: life.tool_calls,
        names.SPAN_INVALID_TOOL_CALLS: life.invalid_tool_calls,
        names.SPAN_UNKNOWN_FRAMES: life.unknown_frames,
        names.FINISH_REASONS: life.finish_reasons(),
        **_backend(life),
        **_usage(life),
    }
    if life.head_status:
        attributes[names.HTTP_STATUS] = life.head_status
    if life.response_id:
        attributes[names.RESPONSE_ID] = life.response_id
    if life.response_model:
        attributes[names.RESPONSE_MODEL] = life.response_model
    if life.ttft_upstream is not None:
        attributes[names.TIME_TO_FIRST_CHUNK] = attributes[names.SPAN_TTFT_UPSTREAM] = life.ttft_upstream
        attributes[names.SPAN_GAP_MAX] = life.gap_max
        attributes[names.SPAN_GAP_P99] = life.gap_p99
    if (tpot := life.tpot()) is not None:
        attributes[names.SPAN_TPOT], attributes[names.SPAN_TPOT_DIVIDED_BY] = tpot
    return attributes


def _usage(life: Life) -> Attributes:
    usage = life.usage
    if usage is None or usage.source != "reported":
        return {}
    counts = {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHED_TOKENS: usage.cached_input_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}


def _milestones(life: Life) -> list[tuple[str, float]]:
    found = []
    if life.head_at is not None:
        found.append((names.EVENT_HEAD, life.head_at))
    if life.chunks:
        found += [(names.EVENT_FIRST_CHUNK, life.first_at), (names.EVENT_LAST_CHUNK, life.last_at)]
    if life.handed_at is not None:
        found.append((names.EVENT_FIRST_DELIVERED, life.handed_at))
    return sorted(found, key=lambda milestone: milestone[1])
