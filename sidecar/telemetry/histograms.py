"""Histograms in plain lists, that a metric reader of the SDK carries out.

A record through the SDK was measured at 17 us a value and reader, and it has no way to add many values at once:
a stream would pay more for telling its gaps than for relaying them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from threading import Lock

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import AggregationTemporality, HistogramDataPoint, Metric
from opentelemetry.sdk.metrics.export import Histogram as HistogramPoints

Labels = tuple[tuple[str, str | int], ...]
Snapshot = dict[tuple[str, Labels], tuple[list[int], float]]


class Series:
    """One label set's counts; the last traced value is kept as its exemplar."""

    __slots__ = ("counts", "exemplar", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
        self.exemplar: Exemplar | None = None


class Histogram:
    """One metric: its name, unit, upper bounds (inclusive) and a series for each label set."""

    def __init__(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.bounds = tuple(bounds)
        self.series: dict[Labels, Series] = {}

    def at(self, labels: Labels) -> Series:
        """The series of these labels."""
        found = self.series.get(labels)
        if found is None:
            found = self.series[labels] = Series(len(self.bounds) + 1)
        return found

    def record(self, labels: Labels, value: float, exemplar: Exemplar | None = None) -> None:
        """Add one value."""
        series = self.at(labels)
        series.counts[bisect_left(self.bounds, value)] += 1
        series.sum += value
        if exemplar is not None:
            series.exemplar = exemplar

    def merge(self, labels: Labels, counts: Iterable[int], bounds: Sequence[float], total: float) -> None:
        """Add a whole histogram of finer `bounds`, of which ours are a part; `total` is the sum of its values."""
        series = self.at(labels)
        for index, count in enumerate(counts):
            if count:
                place = bisect_left(self.bounds, bounds[index]) if index < len(bounds) else -1
                series.counts[place] += count
        series.sum += total


class Histograms:
    """All histograms of the process, written by the data loop and collected by reader threads."""

    def __init__(self, started_ns: int) -> None:
        self.lock = Lock()
        self._started_ns = started_ns
        self._all: list[Histogram] = []

    def add(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> Histogram:
        """One more histogram."""
        self._all.append(Histogram(name, unit, description, bounds))
        return self._all[-1]

    def cumulative(self, now_ns: int) -> list[Metric]:
        """Everything since the start, as the SDK's own type."""
        return self._collect({}, self._started_ns, now_ns, AggregationTemporality.CUMULATIVE)

    def delta(self, before: Snapshot, since_ns: int, now_ns: int) -> list[Metric]:
        """What came since `before`, which is brought up to date."""
        return self._collect(before, since_ns, now_ns, AggregationTemporality.DELTA)

    def _collect(self, before: Snapshot, since: int, now: int, temporality: AggregationTemporality) -> list[Metric]:
        found = []
        with self.lock:
            for histogram in self._all:
                points = [
                    point
                    for labels, series in histogram.series.items()
                    if (point := _point(histogram, labels, series, before, since, now)).count
                ]
                data = HistogramPoints(data_points=points, aggregation_temporality=temporality)
                found.append(Metric(histogram.name, histogram.description, histogram.unit, data))
                if temporality is AggregationTemporality.DELTA:
                    for labels, series in histogram.series.items():
                        before[histogram.name, labels] = (list(series.counts), series.sum)
        return [metric for metric in found if metric.data.data_points]


def _point(
    histogram: Histogram, labels: Labels, series: Series, before: Snapshot, since: int, now: int
) -> HistogramDataPoint:
    counts, total = before.get((histogram.name, labels), ([0] * len(series.counts), 0.0))
    more = [count - old for count, old in zip(series.counts, counts, strict=True)]
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=sum(more),
        sum=series.sum - total,
        bucket_counts=more,
        explicit_bounds=histogram.bounds,
        min=None,  # type: ignore[arg-type]  # optional in OTLP; merged values do not know them
        max=None,  # type: ignore[arg-type]
        exemplars=[series.exemplar] if series.exemplar is not None else [],
    )
