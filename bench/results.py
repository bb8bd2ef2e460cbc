"""What was found, as one page of tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.dialects import HOTTEST, Cost
from bench.runs import Runs
from bench.suite import EXPORTED


@dataclass
class Found:
    """All that was measured; what was not is empty. Counts of streams are keys, as are the names of the rows."""

    tokens: int
    rate: float
    rounds: int
    held_streams: int
    connections: int
    load_average: Sequence[float]
    streams: dict[int, dict[str, Runs]] = field(default_factory=dict)
    small: Mapping[str, Runs] = field(default_factory=dict)
    exported: Mapping[str, Runs] = field(default_factory=dict)
    exported_streams: int = 0
    held: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calls_streams: int = 0
    dialects: Sequence[Cost] = ()


ABOUT = """\
# Bench

Written by `make bench`. Nothing here is a speed of its own: all rows ran in turn on one machine, the proxies on one
core, backend and load generator on the other, and what counts is the ratio.

A stream is {tokens} tokens at {rate:g} a second, one event a write; the streams of a run begin evenly over one second.
CPU is all that the proxy's processes and threads used, kernel and user, from the kernel's own nanosecond count:
`whole` from the first connection to the last end, divided by the tokens that arrived; `steady` while all streams are
under way; `edges` is what a stream costs besides its tokens. Nothing is subtracted. Each row ran {rounds} times,
interleaved with the others; figures are medians, ratios are to nginx relaying the same bytes in the same round, with
the least and the most in brackets. Delays are from the backend's write to the client's read, TTFT from the client's
request to its first token, and less by those without a proxy. `merged` is tokens a read: above 1 the proxy did not
keep up and relayed several at once, which makes a token cheaper and later. `others` is the share of the proxies' core
that somebody else used meanwhile.
"""

ABOUT_CALLS = """\
As `strace -c` counts them: what twice as many tokens cost more. `wait` is how often the loop turned; it falls where
several streams have a token at once.
"""

ABOUT_DIALECTS = """\
CPU µs a token of parser and encoder alone, in one process and without a network: one frame a read, the fixture's
longest frame of text again and again, the least of all rounds. `bare` is one `msgspec.json.decode` of the same frame,
the yardstick of this machine, and what stands in brackets is the ratio to it. `escaped` has a line feed in every word,
as `\\n` in JSON. The five hottest dialects come first.
"""


def page(found: Found, facts: Sequence[tuple[str, str]], date: str) -> str:
    """The page in Markdown."""
    load = " ".join(f"{each:.2f}" for each in found.load_average)
    lines = [ABOUT.format(tokens=found.tokens, rate=found.rate, rounds=found.rounds)]
    lines += _table(["", ""], [["date", date], ["load average before", load], *map(list, facts)])
    for count, rows in found.streams.items():
        lines += ["", f"## {count} streams", "", *_streams(rows)]
    if found.small:
        lines += ["", f"## Small JSON answers, {found.connections} connections kept alive", "", *_small(found.small)]
    if found.held:
        lines += ["", f"## Memory of {found.held_streams} held streams", "", *_held(found.held)]
    if found.exported:
        lines += ["", f"## Telemetry, {found.exported_streams} streams", "", *_exported(found.exported)]
    if found.calls:
        lines += ["", f"## System calls a token, {found.calls_streams} streams", "", ABOUT_CALLS, *_calls(found.calls)]
    if found.dialects:
        lines += ["", "## Dialects", "", ABOUT_DIALECTS, *_dialects(found.dialects)]
    return "\n".join(lines) + "\n"


def _streams(rows: Mapping[str, Runs]) -> list[str]:
    head = ["", "CPU µs a token, whole", "to nginx", "steady", "to nginx", "edges µs a stream"]
    head += ["added delay p50 µs", "p99", "TTFT added p50 µs", "p99", "core busy", "merged", "others", "errors"]
    return _table(head, [_stream(name, runs, rows) for name, runs in rows.items()])


def _stream(name: str, runs: Runs, rows: Mapping[str, Runs]) -> list[str]:
    errors = f"{sum(run.errors for run in runs.all)}"
    others = f"{runs.middle('foreign'):.0%}"
    direct = rows[_same(name, "no proxy")]
    if runs is direct:
        delays = [runs.middle(what) for what in ("delay_p50", "delay_p99", "wait_p50", "wait_p99")]
        return [f"{name} (absolute)", *[""] * 5, *(f"{each:.0f}" for each in delays), "", "", others, errors]
    nginx = rows.get(_same(name, "nginx"))
    added = [runs.added(direct, what) for what in ("delay_p50", "delay_p99", "wait_p50", "wait_p99")]
    return [
        name,
        f"{runs.middle('whole'):.1f}",
        _ratio(runs, nginx, "whole"),
        f"{runs.middle('steady'):.1f}",
        _ratio(runs, nginx, "steady"),
        f"{runs.middle('edges'):.0f}",
        *(f"{each:.0f}" for each in added),
        f"{runs.middle('busy'):.0%}",
        f"{runs.middle('merged'):.2f}",
        others,
        errors,
    ]


def _same(name: str, proxy: str) -> str:
    """The row of that proxy which relays the same bytes."""
    return f"{proxy}, Anthropic" if "anthropic" in name.lower() else proxy


def _ratio(runs: Runs, to: Runs | None, what: str) -> str:
    ratios = runs.ratios(to, what) if to else []
    return f"**{median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f})" if ratios else "–"


def _small(rows: Mapping[str, Runs]) -> list[str]:
    nginx = rows.get("nginx")
    cells = []
    for name, runs in rows.items():
        cpu = [] if name == "no proxy" else [f"{runs.middle('per_answer'):.0f}", _ratio(runs, nginx, "per_answer")]
        rate = [f"{runs.middle('rate'):.0f}", _ratio(runs, nginx, "rate")]
        waits = [f"{runs.middle('delay_p50'):.0f}", f"{runs.middle('delay_p99'):.0f}"]
        cells.append([name, *rate, *(cpu or ["", ""]), *waits, f"{sum(run.errors for run in runs.all)}"])
    return _table(["", "answers/s", "to nginx", "CPU µs an answer", "to nginx", "p50 µs", "p99 µs", "errors"], cells)


def _held(rows: Mapping[str, float]) -> list[str]:
    nginx = rows.get("nginx", 0.0)
    cells = [[name, f"{kb:.1f}", f"{kb / nginx:.2f}" if nginx > 0 else "–"] for name, kb in rows.items()]
    return _table(["", "kB a stream", "to nginx"], cells)


def _exported(rows: Mapping[str, Runs]) -> list[str]:
    cells = []
    for plain, exported in EXPORTED:
        off, on = rows[plain.name], rows[exported.name]
        more = [f"{ratio - 1:+.1%}" for ratio in on.ratios(off, "whole")] or ["–"]
        figures = [f"{runs.middle('whole'):.2f}" for runs in (off, on)]
        cells.append([plain.name, *figures, f"**{more[len(more) // 2]}** ({more[0]} to {more[-1]})"])
    return _table(["", "CPU µs a token, no exporter", "OTLP spans and metrics", "added"], cells)


def _calls(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    kinds = list(next(iter(rows.values())))
    return _table(["", *kinds], [[name, *(f"{each[kind]:.2f}" for kind in kinds)] for name, each in rows.items()])


def _dialects(costs: Sequence[Cost]) -> list[str]:
    head = ["", "bytes", "bare", "decode", "to envelope-v1", "dialect named", "escaped", "passthrough"]
    return _table(head, [_dialect(cost) for cost in costs])


def _dialect(cost: Cost) -> list[str]:
    name = f"**{cost.name}**" if cost.name in HOTTEST else cost.name
    whole = f"**{cost.envelope:.2f}**" + (f" ({cost.envelope / cost.bare:.1f})" if cost.bare else "")
    figures = [f"{each:.2f}" for each in (cost.named, cost.escaped, cost.passthrough)]
    bare = f"{cost.bare:.2f}" if cost.bare else "–"
    return [name, f"{cost.size}", bare, f"{cost.decode:.2f}", whole, *figures]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return list(_lines(head, rows))


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
