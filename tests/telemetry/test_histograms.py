"""Histograms, against the SDK's own as the oracle."""

import math
import random
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric

from sidecar.telemetry.gaps import GAP_BOUNDS
from sidecar.telemetry.histograms import Histograms, Row, Snapshot
from sidecar.telemetry.metrics import DURATIONS, GAPS


def only(metrics: list[Metric]) -> Any:
    assert len(metrics) == 1 and len(metrics[0].data.data_points) == 1
    return metrics[0].data.data_points[0]


def test_a_record_counts_as_the_sdk_counts() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("oracle")
    theirs = meter.create_histogram("h", explicit_bucket_boundaries_advisory=list(DURATIONS))
    histograms = Histograms(0)
    ours = histograms.add("h", "", "", DURATIONS)
    chance = random.Random(7)
    for value in [*DURATIONS, 0.0, 1e9, *(chance.expovariate(1.0) for _ in range(500))]:
        theirs.record(value)
        ours.at(()).record(value)
    data = reader.get_metrics_data()
    assert data is not None
    oracle: Any = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
    point = only(histograms.cumulative(1))
    assert (list(point.bucket_counts), point.count) == (list(oracle.bucket_counts), oracle.count)
    assert abs(point.sum - oracle.sum) < 1e-3


def test_merging_a_finer_histogram_is_recording_each_value() -> None:
    chance = random.Random(11)
    values = [chance.lognormvariate(-3, 3) for _ in range(2000)]
    fine = Histograms(0)
    whole = fine.add("fine", "s", "", GAP_BOUNDS)
    for value in values:
        whole.at(()).record(value)
    counts = only(fine.cumulative(1)).bucket_counts
    for bounds in (GAPS, DURATIONS):
        one, many = Histograms(0), Histograms(0)
        finer = zip((*GAP_BOUNDS, math.inf), counts, strict=True)
        one.add("h", "s", "", bounds).at(()).merge(finer, sum(values))
        each = many.add("h", "s", "", bounds)
        for value in values:
            each.at(()).record(value)
        assert only(one.cumulative(1)).bucket_counts == only(many.cumulative(1)).bucket_counts


def test_a_delta_tells_only_what_is_new() -> None:
    histograms = Histograms(0)
    histogram = histograms.add("h", "s", "", (1.0, 2.0))
    before: Snapshot = {}
    histogram.at((("a", "b"),)).record(0.5)
    assert only(histograms.delta(before, 0, 1)).bucket_counts == [1, 0, 0]
    assert histograms.delta(before, 1, 2) == []
    histogram.at((("a", "b"),)).record(1.5)
    point = only(histograms.delta(before, 2, 3))
    assert (point.bucket_counts, point.sum, point.start_time_unix_nano) == ([0, 1, 0], 1.5, 2)
    assert only(histograms.cumulative(4)).bucket_counts == [1, 1, 0]


def test_a_row_is_one_series_a_histogram_by_the_value_of_its_labels() -> None:
    histograms = Histograms(0)
    one, two = (histograms.add(name, "s", "", (1.0,)) for name in "ab")
    for row in (Row((("a", "b"),)), Row((("a", "b"),))):
        row[one].record(0.5)
        row[two].record(0.5)
        row.plus("c", "d")[two].record(1.5)
    found: dict[str, Any] = {metric.name: metric.data.data_points for metric in histograms.cumulative(1)}
    assert [(point.attributes, point.bucket_counts) for point in found["a"]] == [({"a": "b"}, [2, 0])]
    assert [(point.attributes, point.bucket_counts) for point in found["b"]] == [
        ({"a": "b"}, [2, 0]),
        ({"a": "b", "c": "d"}, [0, 2]),
    ]


def test_the_last_traced_value_is_the_exemplar() -> None:
    histograms = Histograms(0)
    series = histograms.add("h", "s", "", (1.0,)).at(())
    series.record(0.5, (7, "0a", "ff"))
    series.record(0.25, (8, "0b", "ff"))
    series.record(2.0)
    (exemplar,) = only(histograms.cumulative(9)).exemplars
    assert (exemplar.value, exemplar.time_unix_nano, exemplar.span_id, exemplar.trace_id) == (0.25, 8, 11, 255)
