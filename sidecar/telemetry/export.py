"""Where telemetry goes: the SDK's providers, built from the standard `OTEL_*` variables and nothing else.

An exporter exists only when a variable asks for it. Shutdown takes two seconds at most: the SDK's own takes 6.5 s for
traces and 6.6 s for metrics when the collector is dead.
"""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import Histogram as HistogramInstrument
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    Metric,
    MetricExporter,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter
from prometheus_client import CollectorRegistry

from sidecar.telemetry import names
from sidecar.telemetry.histograms import Histograms, Snapshot

SHUTDOWN_S = 2.0

_log = logging.getLogger(__name__)


class Page(PrometheusMetricReader):
    """The Prometheus page, with our histograms on it."""

    def __init__(self, histograms: Histograms, registry: CollectorRegistry) -> None:
        self._histograms = histograms
        super().__init__(scope_info_enabled=False, registry=registry)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        joined = _join(metrics_data, self._histograms.cumulative(time.time_ns()))
        super()._receive_metrics(joined, timeout_millis, **kwargs)


class Push(PeriodicExportingMetricReader):
    """The periodic push, with our histograms in it, in the temporality that the exporter prefers."""

    def __init__(self, histograms: Histograms, exporter: MetricExporter) -> None:
        self._histograms = histograms
        self._before: Snapshot = {}
        self._since_ns = time.time_ns()
        preferred = exporter._preferred_temporality or {}
        self._delta = preferred.get(HistogramInstrument) is AggregationTemporality.DELTA
        super().__init__(exporter)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        now = time.time_ns()
        if self._delta:
            ours = self._histograms.delta(self._before, self._since_ns, now)
            self._since_ns = now
        else:
            ours = self._histograms.cumulative(now)
        super()._receive_metrics(_join(metrics_data, ours), timeout_millis, **kwargs)


class Export:
    """The providers of this process, never the global ones."""

    def __init__(
        self, environ: Mapping[str, str], version: str, histograms: Histograms, spans: SpanProcessor | None
    ) -> None:
        resource = _resource(environ, version)
        self.registry = CollectorRegistry()
        page = Page(histograms, self.registry)
        pushes = [Push(histograms, exporter) for exporter in _metric_exporters(environ)]
        self._meters = MeterProvider([page, *pushes], resource, shutdown_on_exit=False)
        # OTEL_SDK_DISABLED mutes every meter; the page that alerts and autoscalers read is not an exporter: it stays.
        self._meters._disabled = False
        self.meter = self._meters.get_meter(names.SCOPE, version)
        processors = [spans] if spans else [_processor(exporter) for exporter in _span_exporters(environ)]
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False) if processors else None
        self.tracer = self._tracers.get_tracer(names.SCOPE, version) if self._tracers else None
        for processor in processors:
            if self._tracers:
                self._tracers.add_span_processor(processor)

    def shutdown(self) -> None:
        """Flush what can be flushed in `SHUTDOWN_S` seconds; blocks as long."""
        deadline = time.monotonic() + SHUTDOWN_S
        providers = [provider for provider in (self._tracers, self._meters) if provider]
        closing = [Thread(target=provider.shutdown, name="telemetry-shutdown", daemon=True) for provider in providers]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(max(0.0, deadline - time.monotonic()))


def _join(data: MetricsData, ours: Sequence[Metric]) -> MetricsData:
    resource = data.resource_metrics[0]
    scope = next(scope for scope in resource.scope_metrics if scope.scope.name == names.SCOPE)
    joined = dataclasses.replace(scope, metrics=[*scope.metrics, *ours])
    scopes = [joined if each is scope else each for each in resource.scope_metrics]
    return MetricsData([dataclasses.replace(resource, scope_metrics=scopes), *data.resource_metrics[1:]])


def _resource(environ: Mapping[str, str], version: str) -> Resource:
    base = Resource.create({SERVICE_VERSION: version} if version else {})
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return base if named else base.merge(Resource({SERVICE_NAME: names.SERVICE}))


def _processor(exporter: SpanExporter) -> SpanProcessor:
    return SimpleSpanProcessor(exporter) if isinstance(exporter, ConsoleSpanExporter) else BatchSpanProcessor(exporter)


def _span_exporters(environ: Mapping[str, str]) -> list[SpanExporter]:
    makers: dict[str, type[SpanExporter]] = {"otlp": OTLPSpanExporter, "console": ConsoleSpanExporter}
    return [makers[word]() for word in _asked(environ, "TRACES") if word in makers]


def _metric_exporters(environ: Mapping[str, str]) -> list[MetricExporter]:
    makers: dict[str, type[MetricExporter]] = {"otlp": OTLPMetricExporter, "console": ConsoleMetricExporter}
    return [makers[word]() for word in _asked(environ, "METRICS") if word in makers]


def _asked(environ: Mapping[str, str], signal: str) -> list[str]:
    """The exporters that the environment asks for; a word that we do not have is named once in the log."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    variable = f"OTEL_{signal}_EXPORTER"
    words = environ.get(variable, "") or ("otlp" if endpoint else "none")
    asked = [word.strip() for word in words.split(",") if word.strip()]
    for word in asked:
        if word not in ("otlp", "console", "none") and (signal, word) != ("METRICS", "prometheus"):
            _log.warning("%s=%s is not available: use otlp, console or none", variable, word)
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if "otlp" in asked and protocol not in (None, "", "http/protobuf"):
        _log.warning("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not available: http/protobuf is used", protocol)
    return [] if "none" in asked else asked
