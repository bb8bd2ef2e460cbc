"""Streams as servers vary them: what an official SDK reads of one directly, it reads through the sidecar, and the
envelope and OpenAI's format say what is true.

`SIDECAR_DIFFERENTIAL` says how many; `python -m tests.differential DIALECT SEED` compares one again.
"""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.differential.backend import Stage
from tests.differential.comparing import DIALECTS, Comparison

STREAMS = int(os.environ.get("SIDECAR_DIFFERENTIAL", "500"))
SHOWN = 5


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    with Stage() as stage, closing(Comparison(stage)) as comparison:
        yield comparison


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_reading_is_true(dialect: str, comparison: Comparison) -> None:
    different = []
    for seed in range(STREAMS // len(DIALECTS)):
        if found := comparison.of(dialect, seed):
            different.append(f"{dialect} {seed}, {found}")
        if len(different) == SHOWN:
            break
    assert not different, "\n\n".join(different)
