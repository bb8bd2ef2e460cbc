"""Exporters as the standard variables ask for them, against a real OTLP/HTTP receiver."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from sidecar.telemetry.telemetry import Telemetry

from .exchange import PROMPT, SECRET, answered, routed
from .test_reach import closed_port


class Collector(ThreadingHTTPServer):
    """Keeps what was posted, by path."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[tuple[dict[str, Any], Any]]:
        found = []
        for path, body in self.posted:
            if path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    named = {a.key: a.value.string_value for a in resource.resource.attributes}
                    found += [(named, span) for scope in resource.scope_spans for span in scope.spans]
        return found

    def metrics(self) -> dict[str, Any]:
        """The last state of each metric."""
        found = {}
        for path, body in self.posted:
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    found |= {metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics}
        return found


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.posted.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    return monkeypatch


def one_stream(told: Telemetry, outcome: str = "completed") -> None:
    answered(told).end(outcome, 200, 101.5)
    told.shutdown()


def test_traces_and_metrics_arrive(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    one_stream(Telemetry("1.2.3"))
    (_, client), (resource, server) = collector.spans()
    assert (server.name, client.name) == ("POST /v1/chat/completions", "chat gpt-4o")
    assert client.parent_span_id == server.span_id and client.trace_id == server.trace_id
    assert resource["service.name"] == "llm-stream-sidecar" and resource["service.version"] == "1.2.3"
    metrics = collector.metrics()
    assert metrics["sidecar.stream.outcomes"].sum.data_points[0].as_int == 1
    gap = metrics["gen_ai.client.operation.time_per_output_chunk"].histogram
    assert gap.data_points[0].count == 3 and gap.aggregation_temporality == 2
    first = metrics["sidecar.stream.ttft.delivered"].histogram.data_points[0]
    assert sum(first.bucket_counts) == 1 and len(first.bucket_counts) == len(first.explicit_bounds) + 1
    assert first.exemplars[0].trace_id == server.trace_id and not first.HasField("min")
    chunk = metrics["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points[0]
    assert chunk.exemplars[0].as_double == pytest.approx(0.5)


def test_no_secret_and_no_text_leaves(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    one_stream(Telemetry(), "upstream_error")
    assert {path for path, _ in collector.posted} == {"/v1/traces", "/v1/metrics"}
    for _, body in collector.posted:
        assert SECRET.encode() not in body and PROMPT.encode() not in body


def test_delta_is_obeyed(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    bare.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    one_stream(Telemetry())
    for name in ("sidecar.stream.gap", "gen_ai.client.operation.duration"):
        assert collector.metrics()[name].histogram.aggregation_temporality == 1


def test_a_service_may_have_its_own_name(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector.url + "/v1/traces")
    bare.setenv("OTEL_SERVICE_NAME", "mine")
    one_stream(Telemetry())
    assert {resource["service.name"] for resource, _ in collector.spans()} == {"mine"}
    assert collector.metrics() == {}


def test_the_metrics_variant_alone_sends_metrics_alone(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", collector.url + "/v1/metrics")
    told = Telemetry()
    assert routed(told).server_span is None
    one_stream(told)
    assert collector.spans() == [] and "sidecar.stream.outcomes" in collector.metrics()


def test_none_is_obeyed(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    bare.setenv("OTEL_TRACES_EXPORTER", "none")
    bare.setenv("OTEL_METRICS_EXPORTER", "none")
    told = Telemetry()
    assert routed(told).server_span is None
    one_stream(told)
    assert collector.posted == []


def test_disabled_is_obeyed_and_the_page_stays(collector: Collector, bare: pytest.MonkeyPatch) -> None:
    bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    bare.setenv("OTEL_SDK_DISABLED", "true")
    told = Telemetry()
    answered(told).end("completed", 200, 101.5)
    assert b'outcome="completed"' in told.metrics_page()
    told.shutdown()
    assert collector.posted == []


def test_nothing_is_sent_unless_asked() -> None:
    before = threading.active_count()
    told = Telemetry(environ={})
    answered(told).end("completed", 200, 101.5)
    assert threading.active_count() == before
    told.shutdown()


def test_an_exporter_that_we_do_not_have_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Telemetry(environ={"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_METRICS_EXPORTER": "prometheus"}).shutdown()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sidecar")] == [
        "OTEL_TRACES_EXPORTER=zipkin is not available: use otlp, console or none"
    ]


def refusing() -> str:
    return f"http://127.0.0.1:{closed_port()}"


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "never answers"])
def test_shutdown_is_capped_when_the_collector_is_dead(bare: pytest.MonkeyPatch, silent: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}" if silent else refusing()
        bare.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        told = Telemetry()
        answered(told).end("completed", 200, 101.5)
        began = time.monotonic()
        told.shutdown()
        assert time.monotonic() - began < 4
