"""Tools from outside that tests need: absent, they skip a test, or fail it where `SIDECAR_REQUIRE_ALL=1`."""

import os
import shutil
from typing import NoReturn

import pytest


def require(tool: str, install: str) -> str:
    """The path of an executable; `install` is the command that brings it."""
    return shutil.which(tool) or lacking(tool, install)


def lacking(what: str, install: str) -> NoReturn:
    """Skips the test, or fails it where everything is required."""
    reason = f"{what} is missing: {install}"
    if os.environ.get("SIDECAR_REQUIRE_ALL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
