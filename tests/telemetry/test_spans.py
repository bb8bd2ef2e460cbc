"""The two spans, as the SDK hands them to an exporter."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from sidecar.stream import events as ev
from sidecar.telemetry.life import Life
from sidecar.telemetry.telemetry import Telemetry

from .exchange import PROMPT, SECRET, WALL_NS, answered, routed, scope, telemetry
from .test_trace import GOOD, ID, SPAN


def told(script: Callable[[Telemetry], Life], outcome: str = "completed", status: int = 200) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    life = script(telemetry(spans=SimpleSpanProcessor(exporter)))
    life.end(outcome, status, 101.5)
    return sorted(exporter.get_finished_spans(), key=lambda span: span.kind is SpanKind.CLIENT)


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def test_a_stream_has_a_client_span_under_its_server_span() -> None:
    server, client = told(answered)
    assert (server.name, server.kind) == ("POST /v1/chat/completions", SpanKind.SERVER)
    assert (client.name, client.kind) == ("chat gpt-4o", SpanKind.CLIENT)
    assert client.parent is not None and client.parent.span_id == server.get_span_context().span_id
    assert server.parent is None
    assert (server.start_time, server.end_time) == (WALL_NS, WALL_NS + 1_500_000_000)


def test_the_server_span_tells_the_clients_side() -> None:
    told_of = attributes(told(lambda t: answered(t, (b"user-agent", b"curl/8")))[0])
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8",
        "sidecar.outcome": "completed",
        "sidecar.rule": "chat",
        "sidecar.upstream": "backend",
        "sidecar.format": "envelope-v1",
        "sidecar.writes": 4,
        "sidecar.bytes_out": 464,
        "sidecar.pings": 1,
        "sidecar.padding_bytes": 256,
        "sidecar.stalls.client": 0,
        "sidecar.ttft_delivered_s": pytest.approx(0.51),
    }
    assert {key: told_of.get(key) for key in expected} == expected
    assert told_of["sidecar.stream.id"].startswith("s_")


def test_the_client_span_tells_the_models_side() -> None:
    told_of = attributes(told(answered)[1])
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": pytest.approx(0.5),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 6,
        "server.address": "10.0.0.7",
        "server.port": 8000,
        "http.response.status_code": 200,
        "sidecar.chunks": 4,
        "sidecar.bytes_in": 1000,
        "sidecar.gap_max_s": pytest.approx(0.3),
        "sidecar.gap_p99_s": pytest.approx(0.3),
        "sidecar.tpot_s": pytest.approx(0.1),
        "sidecar.tpot_divided_by": "tokens",
        "sidecar.dialect": "openai-chat",
        "sidecar.outcome": "completed",
    }
    assert {key: told_of.get(key) for key in expected} == expected
    assert "gen_ai.usage.cache_read.input_tokens" not in told_of and "error.type" not in told_of


def test_milestones_carry_the_time_at_which_they_happened() -> None:
    events = told(answered)[1].events
    assert [(event.name, round((event.timestamp - WALL_NS) / 1e9, 3)) for event in events] == [
        ("head", 0.4),
        ("first_chunk", 0.5),
        ("first_delivered", 0.51),
        ("last_chunk", 1.0),
    ]


def cut(t: Telemetry) -> Life:
    life = routed(t)
    life.observe([ev.TextDelta("x"), ev.Error("truncated", f"cut at {SECRET}")], 101.0)
    return life


def test_a_bad_outcome_is_the_error_of_both_spans() -> None:
    for span in told(cut, "truncated"):
        assert span.status.status_code is StatusCode.ERROR
        assert attributes(span)["error.type"] == attributes(span)["sidecar.outcome"] == "truncated"
    assert attributes(told(cut, "truncated")[1])["gen_ai.response.finish_reasons"] == ("error",)


@pytest.mark.parametrize("outcome", ["client_left", "rejected", "content_filtered", "slow_client"])
def test_an_excluded_outcome_is_no_error(outcome: str) -> None:
    for span in told(routed, outcome, 499):
        assert span.status.status_code is StatusCode.UNSET
        assert "error.type" not in attributes(span)


def test_a_plain_request_has_one_span() -> None:
    spans = told(lambda t: routed(t, stream=False))
    assert [span.name for span in spans] == ["POST /v1/chat/completions"]


def test_a_plain_5xx_is_an_error() -> None:
    (server,) = told(lambda t: routed(t, stream=False), "completed", 500)
    assert server.status.status_code is StatusCode.ERROR and attributes(server)["error.type"] == "500"


def test_a_request_that_no_rule_saw_is_named_by_its_method() -> None:
    (server,) = told(lambda t: t.begin(scope(method="BREW", path="/pot"), 100.0), "rejected", 501)
    assert server.name == "_OTHER"
    assert attributes(server)["http.request.method_original"] == "BREW"
    assert "http.route" not in attributes(server)


def test_an_answer_that_turns_out_to_be_a_stream_gets_its_span() -> None:
    def script(t: Telemetry) -> Life:
        life = routed(t, stream=False)
        life.streaming()
        life.streaming()
        life.dialect = "anthropic"
        return life

    server, client = told(script)
    assert server.kind is SpanKind.SERVER
    assert attributes(client)["gen_ai.provider.name"] == "anthropic"


def test_the_callers_trace_goes_on_and_the_backend_is_our_child() -> None:
    exporter = InMemorySpanExporter()
    told_of = telemetry(spans=SimpleSpanProcessor(exporter))
    life = routed(told_of, (b"traceparent", GOOD), (b"tracestate", b"vendor=1"))
    up, down = dict(life.upstream_headers()), dict(life.response_headers())
    life.end("completed", 200, 101.0)
    client, server = exporter.get_finished_spans()
    assert server.parent is not None and server.parent.span_id == int(SPAN, 16) and server.parent.is_remote
    assert up[b"traceparent"] == b"00-%s-%016x-01" % (ID, client.get_span_context().span_id)
    assert up[b"tracestate"] == b"vendor=1"
    assert down[b"traceresponse"] == b"00-%s-%016x-01" % (ID, server.get_span_context().span_id)


def test_an_unsampled_caller_stays_unsampled() -> None:
    exporter = InMemorySpanExporter()
    life = answered(telemetry(spans=SimpleSpanProcessor(exporter)), (b"traceparent", GOOD[:-2] + b"00"))
    life.end("completed", 200, 102.0)
    assert dict(life.upstream_headers())[b"traceparent"].endswith(b"-00")
    assert exporter.get_finished_spans() == ()


def test_no_secret_and_no_text_is_in_any_span() -> None:
    written = "".join(span.to_json() for script in (answered, cut) for span in told(script, "upstream_error", 502))
    assert "upstream_error" in written
    assert SECRET not in written and PROMPT not in written and "authorization" not in written.lower()
