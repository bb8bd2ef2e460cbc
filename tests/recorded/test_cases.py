"""Answers that others once had read wrongly, in the folder that `SIDECAR_CASES` names: `cases.json` has what is
right, and `../tools/cases.py` asks a sidecar for each, with the backend's bytes whole, in sevens and one by one. They
belong to others and are not part of this project; without them this skips."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = os.environ.get("SIDECAR_CASES", "")
CASES = json.loads(Path(FOLDER, "cases.json").read_bytes()) if FOLDER else []
"""Each has a kind, the file with the backend's bytes, and the format that is asked for."""


@pytest.fixture(scope="module")
def said() -> list[str]:
    """The tool's lines: `kind  file  format  PASS|FAIL  why`."""
    tool = Path(FOLDER).parent / "tools" / "cases.py"
    command = [sys.executable, str(tool), "run", FOLDER, "--cmd", f"{sys.executable} -m sidecar", "-v"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout, run.stderr
    return run.stdout.splitlines()


def test_there_are_some() -> None:
    if not FOLDER:
        pytest.skip("SIDECAR_CASES names no folder")
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['file']} as {case['format']}")
def test_it_is_read_rightly(case: dict[str, str], said: list[str]) -> None:
    begins = f"{case['kind']}  {case['file']}  {case['format']}  "
    verdicts = [line.removeprefix(begins) for line in said if line.startswith(begins)]
    assert verdicts == ["PASS"]
