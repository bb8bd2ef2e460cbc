"""Programs as people run them say the same directly and through the built-in rules: the text, or that it failed."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sidecar.tools.dialogue import TEXT
from tests.clients.programs import PROGRAMS
from tests.clients.programs.program import NOTE, Program, Question, Told
from tests.clients.test_sdks import backend
from tests.sidecar_process import SidecarProcess

__all__ = ["backend"]

CONFIG = Path(__file__).parents[2] / "config" / "sidecar.yaml"
SLOW = "tokens=6;pace=0.1;think=0.2"
ANSWERS = {"plain": "calls=0", "tool": "repeat", "silence": f"calls=0;{SLOW}"}
FAULTS = {"cut": "calls=0;cut-after=5", "error": "calls=0;error-after=5", "stall": "calls=0;stall-after=5"}
"""What is asked, by the switches of the fake backend that make it so."""

OUTCOMES = {"cut": "truncated", "error": "upstream_error", "stall": "stalled"}
CHOSEN = {"slow": (False,), "all": (True, False)}.get(os.environ.get("SIDECAR_PROGRAMS", ""), (True,))
PARAMS = [
    pytest.param(program, id=name, marks=pytest.mark.xdist_group(name))
    for name, program in PROGRAMS.items()
    if program.quick in CHOSEN
]


@pytest.fixture(scope="module", params=PARAMS)
def program(request: pytest.FixtureRequest) -> Program:
    return request.param


class Asked(NamedTuple):
    """The models that stood for the scenarios, and what was told of each."""

    models: dict[str, str]
    told: dict[str, Told]


def asked(program: Program, urls: dict[str, str]) -> Asked:
    """Every scenario asked at its URL."""
    models = {name: f"fake-{uuid.uuid4().hex};{(ANSWERS | FAULTS)[name]}" for name in urls}
    questions = [
        Question(url, models[name], program.wish if name == "tool" else "Say something short.", name == "tool")
        for name, url in urls.items()
    ]
    return Asked(models, dict(zip(urls, program.ask(questions), strict=True)))


def configured(folder: Path, backend: str, **changes: str) -> Path:
    """The built-in configuration before this backend, with these texts of it changed."""
    text = CONFIG.read_text()
    for old, new in {"http://127.0.0.1:8000": backend, **changes}.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "sidecar.yaml"
    file.write_text(text)
    return file


@pytest.fixture(scope="module")
def pinging(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    file = configured(tmp_path_factory.mktemp("pinging"), backend, **{"interval: 15s": "interval: 40ms"})
    with SidecarProcess(None, "--config", str(file)) as process:
        yield process


@pytest.fixture(scope="module")
def impatient(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    file = configured(tmp_path_factory.mktemp("impatient"), backend, **{"idle: 120s": "idle: 500ms"})
    with SidecarProcess(None, "--config", str(file)) as process:
        yield process


@pytest.fixture(scope="module")
def direct(program: Program, backend: str) -> dict[str, Told]:
    """Without a stall: nobody but the sidecar would end that."""
    return asked(program, dict.fromkeys([*ANSWERS, "cut", "error"], backend)).told


@pytest.fixture(scope="module")
def through(program: Program, pinging: SidecarProcess, impatient: SidecarProcess) -> Asked:
    return asked(program, dict.fromkeys([*ANSWERS, "cut", "error"], pinging.url) | {"stall": impatient.url})


@pytest.mark.parametrize("scenario", ANSWERS)
def test_the_answer_is_the_same(scenario: str, direct: dict[str, Told], through: Asked) -> None:
    wanted = {"plain": TEXT, "silence": "Every token is a small promise."}.get(scenario, NOTE)
    assert not direct[scenario].error and wanted in direct[scenario].text
    assert not through.told[scenario].error and wanted in through.told[scenario].text


@pytest.mark.parametrize("scenario", FAULTS)
def test_a_failure_is_one(
    scenario: str,
    program: Program,
    direct: dict[str, Told],
    through: Asked,
    pinging: SidecarProcess,
    impatient: SidecarProcess,
) -> None:
    if scenario in direct:
        assert bool(direct[scenario].error) is (scenario not in program.deceived)
    sidecar = impatient if scenario == "stall" else pinging
    assert sidecar.told(model=through.models[scenario])["outcome"] == OUTCOMES[scenario]
    assert through.told[scenario].error
