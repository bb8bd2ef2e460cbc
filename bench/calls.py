"""System calls a token: what twice as many tokens cost more, as `strace` counts it."""

import re
import signal
import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.machine import LOAD_CORE, family
from bench.proxies import Running
from bench.runs import Run, Target, streams

KINDS = {
    "receive": {"read", "readv", "recvfrom", "recvmsg"},
    "send": {"write", "writev", "sendto", "sendmsg"},
    "wait": {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "select"},
}

_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)


def calls_per_token(server: Running, target: Target, count: int, tokens: int) -> dict[str, float]:
    """Calls a token of each of the KINDS, and `other`, with `count` streams at once.

    Two runs, of `tokens` a stream and of twice as many: the difference is the tokens' alone. Tracing slows the proxy,
    so these are runs of their own, and want few streams, so that each token still comes by itself.
    """
    streams(server, target, count, 10)  # connections and caches are there
    once, twice = (_counted(server, target, count, tokens * times) for times in (1, 2))
    found = {kind: sum(twice[name] - once[name] for name in names) for kind, names in KINDS.items()}
    found["other"] = twice.total() - once.total() - sum(found.values())
    return {kind: calls / (count * tokens) for kind, calls in found.items()}


def _counted(server: Running, target: Target, count: int, tokens: int) -> Counter[str]:
    with TemporaryDirectory() as folder:
        out = Path(folder, "calls")
        attached = [word for pid in family(server.pid) for word in ("-p", str(pid))]
        command = ["taskset", "-c", str(LOAD_CORE), "strace", "-f", "-c"]
        with subprocess.Popen([*command, "-o", str(out), *attached], stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr
            tracer.stderr.readline()  # that it is attached
            run: Run = streams(server, target, count, tokens)
            tracer.send_signal(signal.SIGINT)
        if run.errors:
            raise SystemExit(f"{target.name}: {run.errors} errors while its calls were counted")
        return Counter({name: int(calls) for calls, name in _LINE.findall(out.read_text()) if name != "total"})
