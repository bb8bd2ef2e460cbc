"""Tools from outside that tests need: absent, they skip a test, or fail it where `SIDECAR_REQUIRE_ALL=1`."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(__file__).parents[2] / ".cache"


def require(tool: str, install: str) -> str:
    """The path of an executable; `install` is the command that brings it."""
    return shutil.which(tool) or lacking(tool, install)


def lacking(what: str, install: str) -> NoReturn:
    """Skips the test, or fails it where everything is required."""
    reason = f"{what} is missing: {install}"
    if os.environ.get("SIDECAR_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """The folder `.cache/NAME`, for one process at a time."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
