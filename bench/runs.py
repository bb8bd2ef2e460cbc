"""What is run, and what one run said."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import msgspec

from bench.machine import LOAD_CORE, PROXY_CORE, built, busy_s, family, resident_kb
from bench.proxies import Running

OPENAI = "/v1/chat/completions"
ANTHROPIC = "/v1/messages"


@dataclass(frozen=True)
class Target:
    """A way to the backend: a row of the tables. `proxy` names what is run, `header` is sent with each request."""

    name: str
    proxy: str
    path: str = OPENAI
    header: str = ""

    @property
    def dialect(self) -> str:
        return "anthropic" if self.path == ANTHROPIC else "openai-chat"


class Run(msgspec.Struct, frozen=True):
    """What the load generator said of one run. Delays and waits are microseconds."""

    elapsed_s: float
    answers: int
    tokens: int
    reads: int
    errors: int
    cpu_us: float
    steady_cpu_us: float
    steady_tokens: int
    steady_s: float
    delay_p50: float
    delay_p99: float
    wait_p50: float
    wait_p99: float
    foreign: float = 0.0

    @property
    def whole(self) -> float:
        """CPU a token, with connections, requests, heads and ends."""
        return self.cpu_us / self.tokens if self.tokens else 0.0

    @property
    def steady(self) -> float:
        """CPU a token while all streams are under way."""
        return self.steady_cpu_us / self.steady_tokens if self.steady_tokens else 0.0

    @property
    def edges(self) -> float:
        """CPU a stream for all that is not its tokens."""
        return (self.cpu_us - self.steady * self.tokens) / self.answers if self.answers and self.steady else 0.0

    @property
    def busy(self) -> float:
        """The share of its core that the proxy used while all streams were under way."""
        return self.steady_cpu_us / 1e6 / self.steady_s if self.steady_s else 0.0

    @property
    def per_answer(self) -> float:
        """CPU an answer."""
        return self.cpu_us / self.answers if self.answers else 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.elapsed_s

    @property
    def merged(self) -> float:
        """Tokens a read: above 1 the proxy did not keep up, and saved work by relaying several at once."""
        return self.tokens / self.reads if self.reads else 0.0


@dataclass(frozen=True)
class Runs:
    """The runs of one row, one a round."""

    all: list[Run]

    def each(self, what: str) -> list[float]:
        return [getattr(run, what) for run in self.all]

    def middle(self, what: str) -> float:
        return median(self.each(what))

    def ratios(self, to: "Runs", what: str) -> list[float]:
        """Round by round, since the machine changes between them."""
        return sorted(mine / theirs for mine, theirs in zip(self.each(what), to.each(what), strict=True) if theirs)

    def added(self, to: "Runs", what: str) -> float:
        return median(mine - theirs for mine, theirs in zip(self.each(what), to.each(what), strict=True))


def streams(server: Running, target: Target, count: int, tokens: int) -> Run:
    """`count` streams of so many tokens, all at once."""
    return _load(server, target, "stream", count, tokens)


def small(server: Running, target: Target, connections: int, seconds: int) -> Run:
    """Answers in one piece, as many as it can."""
    return _load(server, target, "small", connections, seconds)


def resident_per_stream_kb(server: Running, target: Target, count: int) -> float:
    """What each of `count` silent streams adds to the resident memory of a server that has served some before."""
    _load(server, target, "stream", 16, 16)
    before = resident_kb(server.pid)
    with _held(server, target, count):
        return (resident_kb(server.pid) - before) / count


@contextmanager
def _held(server: Running, target: Target, count: int) -> Iterator[None]:
    command = _command(server, target, "hold", count, 1)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        said = child.stdout.readline().strip()
        if said != "held":
            raise SystemExit(f"{target.name} did not hold {count} streams: {said}")
        yield
        child.stdin.close()
        child.stdout.read()


def _load(server: Running, target: Target, mode: str, connections: int, number: int) -> Run:
    busy = busy_s(PROXY_CORE)
    command = _command(server, target, mode, connections, number)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    busy = busy_s(PROXY_CORE) - busy
    run = msgspec.json.decode(done.stdout, type=Run)
    own = run.cpu_us / 1e6 if target.proxy else 0.0
    return msgspec.structs.replace(run, foreign=max(0.0, busy - own) / run.elapsed_s)


def _command(server: Running, target: Target, mode: str, connections: int, number: int) -> list[str]:
    place = [str(server.port), target.path, mode, str(connections), str(number)]
    pids = ",".join(str(pid) for pid in family(server.pid))
    return ["taskset", "-c", str(LOAD_CORE), str(built("load")), *place, target.header, pids]
