"""The whole of it: which rows there are, and the rounds in which they take turns."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench import proxies, runs
from bench.calls import calls_per_token
from bench.collector import collector
from bench.proxies import Running
from bench.runs import ANTHROPIC, Run, Runs, Target

PASS, ENVELOPE = "X-Stream-Format: passthrough", "X-Stream-Format: envelope-v1"
DIRECT = [Target("no proxy", ""), Target("no proxy, Anthropic", "", ANTHROPIC)]
PEERS = [
    Target("nginx", "nginx"),
    Target("nginx, Anthropic", "nginx", ANTHROPIC),
    Target("Envoy", "Envoy"),
    Target("Envoy, Anthropic", "Envoy", ANTHROPIC),
]
OURS = [
    target
    for transport in ("lean", "httpx2")
    for target in (
        Target(f"sidecar, {transport}: passthrough", transport, header=PASS),
        Target(f"sidecar, {transport}: openai-chat to envelope-v1", transport, header=ENVELOPE),
        Target(f"sidecar, {transport}: anthropic to envelope-v1", transport, ANTHROPIC, ENVELOPE),
    )
]
LITELLM = [Target("LiteLLM", "LiteLLM", header=f"Authorization: Bearer {proxies.LITELLM_KEY}")]
EXPORTED = [
    (Target("passthrough", "lean", header=PASS), Target("passthrough, exported", "exported", header=PASS)),
    (
        Target("openai-chat to envelope-v1", "lean", header=ENVELOPE),
        Target("openai-chat to envelope-v1, exported", "exported", header=ENVELOPE),
    ),
]

Measure = Callable[[Running, Target], Run]


class Suite:
    """The backend, and each proxy from when it is first wanted to the end. `with` ends them all."""

    def __init__(self, rate: float, rounds: int) -> None:
        self._rate = rate
        self._rounds = rounds

    def __enter__(self) -> "Suite":
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-")))
            self._servers = {"": stack.enter_context(proxies.backend(self._rate))}
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def measure(self, rows: Sequence[Target], measure: Measure) -> dict[str, Runs]:
        """All rows in turn, and again the other way round: what disturbs the machine for a while disturbs them all."""
        for row in rows:
            if row.proxy not in self._servers:
                self._servers[row.proxy] = self._stack.enter_context(self._started(row.proxy))
        done: dict[str, list[Run]] = {row.name: [] for row in rows}
        for number in range(self._rounds):
            for row in rows if number % 2 == 0 else reversed(rows):
                run = measure(self._servers[row.proxy], row)
                done[row.name].append(run)
                said = f"{run.whole:8.1f} us a token" if run.tokens else f"{run.rate:8.0f} answers/s"
                errors = f", {run.errors} errors" if run.errors else ""
                print(f"  {number + 1} {row.name:46} {said}{errors}", file=sys.stderr, flush=True)
        return {name: Runs(each) for name, each in done.items()}

    def held(self, rows: Sequence[Target], count: int) -> dict[str, float]:
        """Kilobytes a silent stream, each in a process of its own."""
        found = {}
        for row in rows:
            with self._started(row.proxy) as server:
                found[row.name] = runs.resident_per_stream_kb(server, row, count)
            print(f"  {row.name:48} {found[row.name]:8.1f} kB a stream", file=sys.stderr, flush=True)
        return found

    def calls(self, rows: Sequence[Target], count: int, tokens: int) -> dict[str, dict[str, float]]:
        """System calls a token, each in a process of its own; medians, since tokens that wait for a core are merged."""
        found = {}
        for row in rows:
            with self._started(row.proxy) as server:
                each = [calls_per_token(server, row, count, tokens) for _ in range(self._rounds)]
                found[row.name] = {kind: median(one[kind] for one in each) for kind in each[0]}
            print(f"  {row.name:48} {sum(found[row.name].values()):8.2f} calls a token", file=sys.stderr, flush=True)
        return found

    @contextmanager
    def _started(self, proxy: str) -> Iterator[Running]:
        backend = self._servers[""].port
        with TemporaryDirectory(dir=self._folder) as name, ExitStack() as stack:
            folder = Path(name)
            folder.chmod(0o755)  # nginx's worker is nobody
            if proxy in ("nginx", "Envoy", "LiteLLM"):
                start = {"nginx": proxies.nginx, "Envoy": proxies.envoy, "LiteLLM": proxies.litellm}[proxy]
                yield stack.enter_context(start(folder, backend))
            elif proxy == "exported":
                environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(collector())}
                environ["OTEL_METRIC_EXPORT_INTERVAL"] = "5000"
                yield stack.enter_context(proxies.sidecar(folder, backend, "lean", environ))
            else:
                yield stack.enter_context(proxies.sidecar(folder, backend, proxy))
