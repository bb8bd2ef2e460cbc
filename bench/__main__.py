"""`python -m bench`: the sidecar beside nginx and Envoy on one core, and each dialect, written to bench/results.md."""

import argparse
import os
import re
import resource
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench import dialects, proxies, runs
from bench.machine import HERE, LOAD_CORE, facts
from bench.results import Found, page
from bench.runs import ANTHROPIC
from bench.suite import DIRECT, EXPORTED, LITELLM, OURS, PEERS, Suite

BESIDE = ("streams", "small", "held", "telemetry", "calls")
PARTS = (*BESIDE, "dialects")
MOST_TRACED = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and write the page."""
    asked = _asked(arguments)
    beside = not set(BESIDE).isdisjoint(asked.parts)
    if beside and (missing := proxies.missing()):
        raise SystemExit(f"the bench needs {' and '.join(missing)}")
    rows = [*PEERS, *OURS, *(LITELLM if os.environ.get("BENCH_LITELLM") == "1" else [])]
    rows = [row for row in rows if re.search(asked.only, row.name)]
    found = _measured(asked, rows)
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    versions = proxies.versions({row.proxy for row in rows}) if beside else {}
    told = [*facts(versions), ("asked for", " ".join(sys.argv[1:]) or "all")]
    asked.out.write_text(page(found, told, date))
    print(f"written: {asked.out}")


def _measured(asked: argparse.Namespace, rows: list[runs.Target]) -> Found:
    found = Found(asked.tokens, asked.rate, asked.rounds, asked.held, asked.connections, os.getloadavg())
    if "dialects" in asked.parts:
        _say("dialects")
        names = [name for name in (*dialects.HOTTEST, *dialects.OTHERS) if re.search(asked.dialects, name)]
        found.dialects = dialects.apart(names, asked.words, 2 * asked.rounds + 1)
    if not set(BESIDE).isdisjoint(asked.parts):
        with Suite(asked.rate, asked.rounds) as suite:
            _beside(asked, rows, suite, found)
    return found


def _beside(asked: argparse.Namespace, rows: list[runs.Target], suite: Suite, found: Found) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(proxies.OPEN_FILES, hard), hard))
    os.sched_setaffinity(0, {LOAD_CORE})
    one_wire = [row for row in rows if row.path != ANTHROPIC]
    for count in asked.streams if "streams" in asked.parts else ():
        _say(f"{count} streams")
        found.streams[count] = suite.measure([*DIRECT, *rows], partial(runs.streams, count=count, tokens=asked.tokens))
    if "small" in asked.parts:
        _say("small answers")
        plain = [row for row in one_wire if "envelope" not in row.name]
        work = partial(runs.small, connections=asked.connections, seconds=asked.seconds)
        found.small = suite.measure([DIRECT[0], *plain], work)
    if "telemetry" in asked.parts:
        _say("telemetry")
        count = found.exported_streams = sorted(asked.streams)[len(asked.streams) // 2]
        pairs = [row for pair in EXPORTED for row in pair]
        found.exported = suite.measure(pairs, partial(runs.streams, count=count, tokens=asked.tokens))
    if "calls" in asked.parts:
        _say("system calls")
        count = found.calls_streams = min(asked.streams)
        found.calls = suite.calls(one_wire, count, min(asked.tokens, MOST_TRACED))
    if "held" in asked.parts:
        _say(f"{asked.held} held streams")
        found.held = suite.held(one_wire, asked.held)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--streams", type=_numbers, default=[8, 100, 400], metavar="N,N", help="streams at once")
    parser.add_argument("--tokens", type=int, default=250, metavar="N", help="tokens a stream")
    parser.add_argument("--rate", type=float, default=50, metavar="N", help="tokens a second and stream")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each row")
    parser.add_argument("--connections", type=int, default=16, metavar="N", help="for small answers")
    parser.add_argument("--seconds", type=int, default=4, metavar="N", help="of each run of small answers")
    parser.add_argument("--held", type=int, default=1000, metavar="N", help="silent streams")
    parser.add_argument("--only", default="", metavar="REGEX", help="rows whose name it finds")
    parser.add_argument("--dialects", default="", metavar="REGEX", help="rows of dialects whose name it finds")
    parser.add_argument("--words", type=int, default=2000, metavar="N", help="tokens of a dialect's row")
    parser.add_argument("--parts", type=_parts, default=PARTS, metavar="P,P", help=",".join(PARTS))
    parser.add_argument("--out", type=Path, default=HERE / "results.md", metavar="FILE")
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _parts(text: str) -> list[str]:
    unknown = set(text.split(",")) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    return text.split(",")


if __name__ == "__main__":
    main()
