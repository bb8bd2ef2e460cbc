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
Traced = tuple[int, str, str]
"""When (ns since the epoch) and in which span of which trace (hex) a value was measured."""


class Series:
    """One label set's counts; the last traced value is kept as its exemplar."""

    __slots__ = ("bounds", "counts", "last", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0
        self.last: tuple[float, Traced] | None = None

    def record(self, value: float, traced: Traced | None = None) -> None:
        """Add one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
        if traced is not None:
            self.last = (value, traced)

    def merge(self, counts: Iterable[tuple[float, int]], total: float) -> None:
        """Add so many values at or below each bound, which are ours or finer; `total` is the sum of the values."""
        for bound, count in counts:
            self.counts[bisect_left(self.bounds, bound)] += count
        self.sum += total

    def exemplar(self) -> Exemplar | None:
        """The last traced value, as the SDK's own type."""
        if self.last is None:
            return None
        value, (at_ns, span_id, trace_id) = self.last
        return Exemplar({}, value, at_ns, int(span_id, 16), int(trace_id, 16))


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
            found = self.series[labels] = Series(self.bounds)
        return found


class Row(dict[Histogram, Series]):
    """One label set's series in every histogram, each made when it is first asked for."""

    __slots__ = ("_more", "labels")

    def __init__(self, labels: Labels = ()) -> None:
        super().__init__()
        self.labels = labels
        self._more: dict[tuple[str, str], Row] = {}

    def __missing__(self, histogram: Histogram) -> Series:
        series = self[histogram] = histogram.at(self.labels)
        return series

    def plus(self, name: str, value: str) -> "Row":
        """The row with one label more, a name and a value."""
        label = (name, value)
        found = self._more.get(label)
        if found is None:
            found = self._more[label] = Row((*self.labels, label))
        return found


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
        exemplars=[exemplar] if (exemplar := series.exemplar()) else [],
    )
