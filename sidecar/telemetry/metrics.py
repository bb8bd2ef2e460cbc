"""What the numbers are called and how a finished `Life` is added to them.

Labels come from bounded sets alone: words of the configuration and of our tables. The model is the client's own
word: it stands on the published GenAI metrics only, which require it, and only `MAX_MODELS` different ones do.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from sidecar.policy.outcome import OUTCOMES
from sidecar.stream.events import Usage
from sidecar.telemetry import genai, names
from sidecar.telemetry.gaps import GAP_BOUNDS
from sidecar.telemetry.histograms import Histograms, Labels, Row, Traced
from sidecar.telemetry.life import Life

TOGETHER = 16
"""Exchanges that are added up at once: alone one takes 90 us with cold caches, behind another one 10."""

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
        self._ended: deque[tuple[Life, float]] = deque()
        self._outcomes: Counter[Labels] = Counter()
        self._requests: dict[tuple[str, int, str], Row] = {}
        self._streams: dict[tuple[str, str, str, str], tuple[Row, Totals]] = {}
        self._models: dict[tuple[str, str, str, str], Row] = {}
        self._names: set[str] = set()
        self.reload_failed = False
        self.refused: Mapping[int, int] = {}
        self._count(meter, active, version)
        add = histograms.add
        self._ttft_upstream = add(names.TTFT_UPSTREAM, "s", "Accept to the backend's first content.", TTFT)
        self._ttft_delivered = add(names.TTFT_DELIVERED, "s", "Accept to first content given to the kernel.", TTFT)
        self._tpot = add(names.TPOT, "s", "Time per output token after the first (divided by N-1).", OUTPUT_TOKENS)
        self._gap = add(names.GAP, "s", "Gaps between the backend's content chunks.", GAPS)
        self._lag = add(names.LOOP_LAG, "s", "How late the data loop's heartbeat came.", LAGS).at(())
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
            self._lag.record(seconds)

    def ended(self, life: Life, now: float) -> None:
        """Add a finished exchange, at the latest when somebody asks for the sums."""
        self._ended.append((life, now))
        if len(self._ended) >= TOGETHER:
            with self._histograms.lock:
                self._add_up()

    def _add_up(self) -> None:
        while self._ended:
            life, now = self._ended.popleft()
            seconds = now - life.began
            traced = (life.wall_ns + int(seconds * 1e9), life.span_id, life.trace_id) if life.sampled else None
            self._request(life)[self._http].record(seconds, traced)
            if life.stream:
                self._stream(life, seconds, traced)

    def _stream(self, life: Life, seconds: float, traced: Traced | None) -> None:
        ours, totals = self._ours(life)
        self._outcomes[((names.OUTCOME, life.outcome), *ours.labels)] += 1
        totals.add(life)
        model = self._model(life)
        bad = OUTCOMES[life.outcome].sli == "bad"
        (model.plus(names.ERROR_TYPE, life.outcome) if bad else model)[self._duration].record(seconds, traced)
        if (handed := life.ttft_delivered) is not None:
            ours[self._ttft_delivered].record(handed, traced)
        if (first := life.ttft_upstream) is not None:
            ours[self._ttft_upstream].record(first, traced)
            model[self._first].record(first, traced)
            model[self._server_first].record(first, traced)
            gaps, total = life.gap_counts(), life.last_at - life.first_at
            ours[self._gap].merge(gaps, total)
            model[self._chunk].merge(gaps, total)
        if (tpot := life.tpot()) is not None:
            ours.plus(names.DIVIDED_BY, tpot[1])[self._tpot].record(tpot[0], traced)
            if not bad:
                model[self._server_token].record(tpot[0], traced)
        if life.usage is not None and life.usage.source == "reported":
            self._spent(life.usage, model)

    def _spent(self, usage: Usage, model: Row) -> None:
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                model.plus(names.TOKEN_TYPE, kind)[self._tokens].record(count)

    def _request(self, life: Life) -> Row:
        key = (names.method(life.method), life.status, life.route)
        found = self._requests.get(key)
        if found is None:
            route: Labels = ((names.HTTP_ROUTE, life.route),) if life.route else ()
            found = Row(((names.HTTP_METHOD, key[0]), (names.HTTP_STATUS, life.status), *route))
            self._requests[key] = found
        return found

    def _ours(self, life: Life) -> tuple[Row, Totals]:
        key = (life.rule, life.upstream.name if life.upstream else "", life.dialect, life.format)
        found = self._streams.get(key)
        if found is None:
            labels = tuple(zip((names.RULE, names.UPSTREAM, names.DIALECT, names.FORMAT), key, strict=True))
            found = self._streams[key] = Row(labels), Totals()
        return found

    def _model(self, life: Life) -> Row:
        key = (life.operation, life.upstream.url if life.upstream else "", life.dialect, self._named(life.model))
        found = self._models.get(key)
        if found is None:
            found = self._models[key] = Row(_genai_labels(*key))
        return found

    def _named(self, model: str) -> str:
        if model not in self._names:
            if len(self._names) >= MAX_MODELS:
                return OTHER_MODEL
            self._names.add(model)
        return model

    def _count(self, meter: Meter, active: Callable[[], int], version: str) -> None:
        def summed(attribute: str, *more: tuple[str, str]) -> Iterable[Observation]:
            with self._histograms.lock:
                self._add_up()
                return [
                    Observation(getattr(sums, attribute), dict((*row.labels, *more)))
                    for row, sums in self._streams.values()
                ]

        def counter(name: str, attribute: str, unit: str, description: str) -> None:
            meter.create_observable_counter(name, [lambda _: summed(attribute)], unit, description)

        def outcomes(_: CallbackOptions) -> Iterable[Observation]:
            with self._histograms.lock:
                self._add_up()
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


def _genai_labels(operation: str, url: str, dialect: str, model: str) -> Labels:
    host, port = genai.address(url)
    address: Labels = ((names.SERVER_ADDRESS, host), (names.SERVER_PORT, port)) if host else ()
    return (
        (names.OPERATION, operation),
        (names.PROVIDER, genai.provider(url, dialect)),
        (names.REQUEST_MODEL, model),
        *address,
    )
