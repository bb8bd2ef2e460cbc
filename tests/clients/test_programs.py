"""Programs as people run them say the same directly and through the built-in rules: the text, or that it failed."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from sidecar.tools.dialogue import TEXT
from tests.clients.programs import PROGRAMS
from tests.clients.programs.program import NOTE, Program, Question
from tests.clients.test_sdks import backend
from tests.sidecar_process import SidecarProcess

__all__ = ["backend"]

CONFIG = Path(__file__).parents[2] / "config" / "sidecar.yaml"
ANSWERS = {"plain": "calls=0", "silence": "calls=0;tokens=6;pace=0.1;think=0.2", "tool": "repeat"}
FAULTS = {"cut": "calls=0;cut-after=5", "error": "calls=0;error-after=5", "stall": "calls=0;stall-after=5"}
"""Each scenario by the switches of the fake backend that play it."""

WANTED = {"plain": TEXT, "silence": "Every token is a small promise."}
OUTCOMES = {"cut": "truncated", "error": "upstream_error", "stall": "stalled"}
QUICK = {"all": (True, False), "quick": (True,)}.get(os.environ.get("SIDECAR_PROGRAMS", ""), ())


class Answer(NamedTuple):
    """What a program told, and the model that it had asked."""

    text: str
    error: str
    model: str


Answers = dict[str, Answer]
Ask = Callable[[str, bool], Answers]


def asked(program: Program, urls: dict[str, str]) -> Answers:
    """Every scenario that the program knows, each asked at its URL."""
    known = [scenario for scenario in urls if program.knows(scenario)]
    models = {scenario: f"fake-{uuid.uuid4().hex};{(ANSWERS | FAULTS)[scenario]}" for scenario in known}
    prompts = {"tool": program.wish}
    questions = [
        Question(urls[scenario], model, prompts.get(scenario, "Say something short."), scenario == "tool")
        for scenario, model in models.items()
    ]
    told = zip(models.items(), program.ask(questions), strict=True)
    return {scenario: Answer(*said, model) for (scenario, model), said in told}


def configured(file: Path, backend: str, old: str, new: str) -> Path:
    """The built-in configuration before this backend, with a part of its text changed."""
    text = CONFIG.read_text()
    assert old in text and "http://127.0.0.1:8000" in text
    file.write_text(text.replace("http://127.0.0.1:8000", backend).replace(old, new))
    return file


@pytest.fixture(scope="module")
def sidecars(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, SidecarProcess]]:
    """One for each scenario: it pings after 40 ms, but for a stall, which it ends after half a second."""
    folder = tmp_path_factory.mktemp("config")
    pinging = configured(folder / "pinging.yaml", backend, "ping: { interval: 15s", "ping: { interval: 40ms")
    impatient = configured(folder / "impatient.yaml", backend, "idle: 120s", "idle: 500ms")
    with (
        SidecarProcess(None, "--config", str(pinging)) as others,
        SidecarProcess(None, "--config", str(impatient)) as it,
    ):
        yield dict.fromkeys(ANSWERS | FAULTS, others) | {"stall": it}


@pytest.fixture(scope="module")
def ask(backend: str, sidecars: dict[str, SidecarProcess]) -> Ask:
    """Has a program asked everything, once directly, without a stall, which nobody would end, and once through us."""

    @cache
    def answers(name: str, through: bool) -> Answers:
        ways = {scenario: sidecar.url if through else backend for scenario, sidecar in sidecars.items()}
        return asked(PROGRAMS[name], {name: url for name, url in ways.items() if through or name != "stall"})

    return answers


def of_each(scenarios: Iterable[str]) -> pytest.MarkDecorator:
    """Every program with each of these that it knows; a program's tests stay with one worker."""
    cases = [
        pytest.param(name, scenario, id=f"{name}-{scenario}", marks=pytest.mark.xdist_group(name))
        for name, program in PROGRAMS.items()
        for scenario in scenarios
        if program.quick in QUICK and program.knows(scenario)
    ]
    return pytest.mark.parametrize(("name", "scenario"), cases)


@of_each(WANTED)
def test_an_answer_is_the_same(name: str, scenario: str, ask: Ask) -> None:
    direct, through = (ask(name, way)[scenario] for way in (False, True))
    assert not direct.error and direct.text.strip() == WANTED[scenario]
    assert not through.error and through.text == direct.text


@of_each(["tool"])
def test_a_tool_is_used(name: str, scenario: str, ask: Ask) -> None:
    direct, through = (ask(name, way)[scenario] for way in (False, True))
    assert not direct.error and NOTE in direct.text
    assert not through.error and NOTE in through.text


@of_each(FAULTS)
def test_a_failure_is_one(name: str, scenario: str, ask: Ask, sidecars: dict[str, SidecarProcess]) -> None:
    """But for a backend's own error frame with a clean end, which pass as they came: who is deaf to it remains so."""
    deceived = scenario in PROGRAMS[name].deceived
    through = ask(name, True)[scenario]
    assert sidecars[scenario].told(model=through.model)["outcome"] == OUTCOMES[scenario]
    assert bool(through.error) is not (deceived and scenario == "error")
    assert scenario == "stall" or bool(ask(name, False)[scenario].error) is not deceived


def test_the_silence_was_pinged(sidecars: dict[str, SidecarProcess]) -> None:
    body = {"model": f"fake;{ANSWERS['silence']}", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    answer = httpx2.post(f"{sidecars['silence'].url}/v1/chat/completions", json=body)
    assert answer.text.count(": ping\n") > 5
