"""What a program is asked and what it makes of the answer."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

NOTE = "fog at 7 degrees"
"""What every tool says: the weather of a library's `get_weather`, the file `note.txt` that an agent reads."""

DEADLINE = 60
"""Seconds for a question: one of gemini-cli takes 2 on a quiet machine."""


class Question(NamedTuple):
    """`tools` offers a library its tool; an agent has its own."""

    url: str
    model: str
    prompt: str
    tools: bool = False


class Told(NamedTuple):
    """The text that the program's user got, and how it says that the answer failed; empty where it says nothing."""

    text: str
    error: str


class Program(NamedTuple):
    """`ask` has all the questions answered in turn; `wish` is the prompt by which it uses a tool, empty where it knows
    none; `deceived` are the faults that it takes for an end when it talks to the backend itself."""

    ask: Callable[[Sequence[Question]], list[Told]]
    wish: str = "What is the weather?"
    deceived: frozenset[str] = frozenset()
    quick: bool = False

    def knows(self, scenario: str) -> bool:
        """Whether it can be asked that."""
        return scenario != "tool" or bool(self.wish)


def library(command: Callable[[], list[str]], **more: Any) -> Program:
    """A program of ours around a library: it takes the questions as JSON and prints a line for each."""

    def ask(questions: Sequence[Question]) -> list[Told]:
        with home() as (folder, env):
            asked = [json.dumps(question._asdict()) for question in questions]
            run = finished([*command(), *asked], folder, env, DEADLINE * len(questions))
        assert run.returncode == 0, run.stderr
        return [Told(**json.loads(line)) for line in run.stdout.splitlines()]

    return Program(ask, **more)


def agent(answer: Callable[[Question, Path, Mapping[str, str]], Told], **more: Any) -> Program:
    """A program for a terminal, run once for each question in a home and a folder of its own, where a note lies."""

    def ask(questions: Sequence[Question]) -> list[Told]:
        answers = []
        for question in questions:
            with home() as (folder, env):
                (folder / "note.txt").write_text(f"{NOTE}\n")
                answers.append(answer(question, folder, env))
        return answers

    return Program(ask, **more)


@contextmanager
def home() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder to work in and an environment in which nothing is written or read elsewhere.

    What obeys the usual variables reaches this machine only: the proxy for all else is the closed port 9.
    """
    closed = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    open = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = Path(made, "work")
        folder.mkdir()
        yield folder, {"PATH": os.environ["PATH"], "HOME": made, "TMPDIR": made, "LANG": "C.UTF-8", **closed, **open}


def finished(
    command: list[str], folder: Path, env: Mapping[str, str], seconds: float = DEADLINE
) -> subprocess.CompletedProcess[str]:
    """The program run to its end."""
    return subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds
    )
