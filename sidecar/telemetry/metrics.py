"""What the numbers are called and how a finished `Life` is added to them.

Labels come from bounded sets alone: words of the configuration and of our tables. The model is the client's own
word: it stands on the published GenAI metrics only, which require it, and only `MAX_MODELS` different ones do.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import Exemplar

from sidecar.policy.outcome import OUTCOMES
from sidecar.telemetry import genai, names
from sidecar.telemetry.histograms import Histograms, Labels
from sidecar.telemetry.life import GAP_BOUNDS, Life

MAX_MODELS = 100
OTHER_MODEL = "other"

# Advised by the GenAI conventions 1.41 and the HTTP conventions; ours go on to longer answers and finer gaps.
DURATIONS = tuple(0.01 * 2**octave for octave in range(14))
TOKENS = tuple(4**power for power in range(14))
FIRST_TOKENS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OUTPUT_TOKENS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
HTTP_DURATIONS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TTFT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
GAPS = GAP_BOUNDS[12::4]
LAGS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Totals:
    """Sums of one label set's finished streams."""

    __slots__ = (
        "delivered", "invalid_tool_calls", "padding", "pings", "received", "stalls_client", "stalls_upstream",
        "unknown_frames",
    )  # fmt: skip

    def __init__(self) -> None:
        self.pings = self.padding = self.received = self.delivered = 0
        self.stalls_upstream = self.stalls_client = self.invalid_tool_calls = self.unknown_frames = 0

    def add(self, life: Life) -> None:
        """One more stream."""
        self.pings += life.pings
        self.padding += life.padding
        self.received += life.bytes_in
        self.delivered += life.bytes_out
        self.stalls_upstream += life.stalls_upstream
        self.stalls_client += life.stalls_client
        self.invalid_tool_calls += life.invalid_tool_calls
        self.unknown_frames += life.unknown_frames


class Metrics:
    """All instruments. Sums are plain integers that the SDK reads through callbacks, when somebody asks."""

    def __init__(self, meter: Meter, histograms: Histograms, active: Callable[[], int], version: str) -> None:
        self._histograms = histograms
        self._outcomes: Counter[Labels] = Counter()
        self._totals: dict[Labels, Totals] = {}
        self._models: set[str] = set()
        self.reload_failed = False
        self.refused: Mapping[int, int] = {}
        self._count(meter, active, version)
        add = histograms.add
        self._ttft_upstream = add(names.TTFT_UPSTREAM, "s", "Accept to the backend's first content.", TTFT)
        self._ttft_delivered = add(names.TTFT_DELIVERED, "s", "Accept to first content given to the kernel.", TTFT)
        self._tpot = add(names.TPOT, "s", "Time per output token after the first (divided by N-1).", OUTPUT_TOKENS)
        self._gap = add(names.GAP, "s", "Gaps between the backend's content chunks.", GAPS)
        self._lag = add(names.LOOP_LAG, "s", "How late the data loop's heartbeat came.", LAGS)
        self._http = add(names.HTTP_SERVER_DURATION, "s", "Duration of HTTP server requests.", HTTP_DURATIONS)
        self._duration = add(names.CLIENT_DURATION, "s", "GenAI operation duration.", DURATIONS)
        self._first = add(names.CLIENT_TIME_TO_FIRST_CHUNK, "s", "Time to the first chunk.", DURATIONS)
        self._chunk = add(names.CLIENT_TIME_PER_OUTPUT_CHUNK, "s", "Time per chunk after the first.", DURATIONS)
        self._tokens = add(names.CLIENT_TOKEN_USAGE, "{token}", "Input and output tokens used.", TOKENS)
        self._server_first = add(names.SERVER_TIME_TO_FIRST_TOKEN, "s", "Time to the first token.", FIRST_TOKENS)
        self._server_token = add(names.SERVER_TIME_PER_OUTPUT_TOKEN, "s", "Time per output token.", OUTPUT_TOKENS)

    def lag(self, seconds: float) -> None:
        """The data loop's heartbeat came this late."""
        with self._histograms.lock:
            self._lag.record((), seconds)

    def ended(self, life: Life, now: float) -> None:
        """Add a finished exchange."""
        exemplar = _exemplar(life, now - life.began)
        with self._histograms.lock:
            self._http.record(_http_labels(life), now - life.began, exemplar)
            if life.stream:
                self._stream(life)
                self._operation(life, now - life.began, exemplar)

    def _stream(self, life: Life) -> None:
        labels = _stream_labels(life)
        self._outcomes[((names.OUTCOME, life.outcome), *labels)] += 1
        totals = self._totals.get(labels)
        if totals is None:
            totals = self._totals[labels] = Totals()
        totals.add(life)
        if (first := life.ttft_upstream) is not None:
            self._ttft_upstream.record(labels, first, _exemplar(life, first))
            self._gap.merge(labels, life.gaps, GAP_BOUNDS, life.last_at - life.first_at)
        if (handed := life.ttft_delivered) is not None:
            self._ttft_delivered.record(labels, handed, _exemplar(life, handed))
        if (tpot := life.tpot()) is not None:
            self._tpot.record((*labels, (names.DIVIDED_BY, tpot[1])), tpot[0], _exemplar(life, tpot[0]))

    def _operation(self, life: Life, seconds: float, exemplar: Exemplar | None) -> None:
        labels = self._genai_labels(life)
        bad = OUTCOMES[life.outcome].sli == "bad"
        failed: Labels = ((names.ERROR_TYPE, life.outcome),) if bad else ()
        self._duration.record((*labels, *failed), seconds, exemplar)
        if (first := life.ttft_upstream) is not None:
            self._first.record(labels, first, exemplar)
            self._server_first.record(labels, first, exemplar)
            self._chunk.merge(labels, life.gaps, GAP_BOUNDS, life.last_at - life.first_at)
        if not bad and (tpot := life.tpot()) is not None:
            self._server_token.record(labels, tpot[0], exemplar)
        if life.usage is not None and life.usage.source == "reported":
            for kind, count in (("input", life.usage.input_tokens), ("output", life.usage.output_tokens)):
                if count is not None:
                    self._tokens.record((*labels, (names.TOKEN_TYPE, kind)), count)

    def _genai_labels(self, life: Life) -> Labels:
        url = life.upstream.url if life.upstream else ""
        host, port = genai.address(url)
        address: Labels = ((names.SERVER_ADDRESS, host), (names.SERVER_PORT, port)) if host else ()
        return (
            (names.OPERATION, life.operation),
            (names.PROVIDER, genai.provider(url, life.dialect)),
            (names.REQUEST_MODEL, self._model(life.model)),
            *address,
        )

    def _model(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                return OTHER_MODEL
            self._models.add(model)
        return model

    def _count(self, meter: Meter, active: Callable[[], int], version: str) -> None:
        def summed(attribute: str, *more: tuple[str, str]) -> Iterable[Observation]:
            with self._histograms.lock:
                return [
                    Observation(getattr(sums, attribute), dict((*labels, *more)))
                    for labels, sums in self._totals.items()
                ]

        def counter(name: str, attribute: str, unit: str, description: str) -> None:
            meter.create_observable_counter(name, [lambda _: summed(attribute)], unit, description)

        def outcomes(_: CallbackOptions) -> Iterable[Observation]:
            with self._histograms.lock:
                return [Observation(count, dict(labels)) for labels, count in self._outcomes.items()]

        def stalls(_: CallbackOptions) -> Iterable[Observation]:
            upstream = summed("stalls_upstream", (names.CAUSE, "upstream"))
            return [*upstream, *summed("stalls_client", (names.CAUSE, "client"))]

        def refused(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(count, {names.HTTP_STATUS: status}) for status, count in list(self.refused.items())]

        def one(value: Callable[[], int], **labels: str) -> list[Callable[[CallbackOptions], Iterable[Observation]]]:
            return [lambda _: [Observation(value(), labels)]]

        meter.create_observable_counter(names.OUTCOMES, [outcomes], "{stream}", "Ended streams by outcome.")
        meter.create_observable_counter(names.STALLS, [stalls], "{stall}", "Silences and client waits over 1 s.")
        meter.create_observable_counter(
            names.REFUSED, [refused], "{connection}", "Connections refused before the app saw a request, by status."
        )
        counter(names.PINGS, "pings", "{ping}", "Pings sent.")
        counter(names.PADDING, "padding", "By", "Padding sent.")
        counter(names.RECEIVED, "received", "By", "Body bytes from backends, of streams.")
        counter(names.DELIVERED, "delivered", "By", "Body bytes to clients, of streams.")
        counter(names.INVALID_TOOL_CALLS, "invalid_tool_calls", "{call}", "Tool calls whose arguments do not parse.")
        counter(names.UNKNOWN_FRAMES, "unknown_frames", "{frame}", "Frames that no dialect understood.")
        meter.create_observable_up_down_counter(names.ACTIVE, one(active), "{stream}", "Streams in flight.")
        meter.create_observable_gauge(
            names.RELOAD_FAILED, one(lambda: int(self.reload_failed)), "", "1 while the configuration file is bad."
        )
        meter.create_observable_gauge(names.BUILD_INFO, one(lambda: 1, version=version), "", "Always 1.")


def _stream_labels(life: Life) -> Labels:
    return (
        (names.RULE, life.rule),
        (names.UPSTREAM, life.upstream.name if life.upstream else ""),
        (names.DIALECT, life.dialect),
        (names.FORMAT, life.format),
    )


def _http_labels(life: Life) -> Labels:
    route: Labels = ((names.HTTP_ROUTE, life.route),) if life.route else ()
    return ((names.HTTP_METHOD, names.method(life.method)), (names.HTTP_STATUS, life.status), *route)


def _exemplar(life: Life, value: float) -> Exemplar | None:
    if not life.sampled:
        return None
    return Exemplar({}, value, time.time_ns(), int(life.span_id, 16), int(life.trace_id, 16))
