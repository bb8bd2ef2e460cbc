"""The bench runs, and its page says what it found."""

import re
import subprocess
import sys
from pathlib import Path

from tests.tools import require

ROOT = Path(__file__).parents[2]


def test_a_small_one(tmp_path: Path) -> None:
    require("nginx", "apt-get install nginx")
    require("strace", "apt-get install strace")
    require("gcc", "apt-get install gcc libc6-dev")
    out = tmp_path / "results.md"
    size = ["--streams", "2", "--tokens", "5", "--rounds", "1", "--seconds", "1", "--held", "10", "--words", "9"]
    command = [sys.executable, "-m", "bench", *size, "--only", "nginx$|lean: (openai|pass)", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    page = out.read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| sidecar, lean")]
    assert len(rows) == 2 + 1 + 2 + 2  # streams, small answers, held streams, system calls
    streams = rows[:2]
    assert all(float(row[1]) > 0 and re.search(r"\*\*\d+\.\d\d\*\*", row[2]) for row in streams)
    assert all(row[-1].strip() == "0" for row in streams + rows[2:3])
    assert all(fact in page for fact in ("| CPU |", "| commit |", "| load average before |", "| nginx |"))
