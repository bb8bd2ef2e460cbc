"""A server that is killed, or whose cache overflows, in mid-stream: no client of any endpoint takes it for an end.

Beside llama.cpp's own each is killed that the environment names with a command for that, `REAL_OLLAMA_KILL`, ..., after
which it answers again.
"""

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import httpx2
import pytest

from tests.process import eventually
from tests.real.answer import Answer
from tests.real.llama_server import llama_process
from tests.real.readers import (
    API_CHAT,
    API_GENERATE,
    CHAT,
    COMPLETIONS,
    FAILURES,
    MESSAGES,
    NATIVE,
    READERS,
    RESPONSES,
    Where,
)
from tests.real.test_differential import ENDLESS, FORMATS, LLAMA, OTHERS, model_of, said
from tests.sidecar_process import SidecarProcess

ASKED: dict[str, dict[str, Any]] = {
    CHAT: said(ENDLESS) | {"max_tokens": 60000},
    COMPLETIONS: {"prompt": ENDLESS, "max_tokens": 60000},
    RESPONSES: {"input": ENDLESS, "max_output_tokens": 60000},
    MESSAGES: said(ENDLESS) | {"max_tokens": 60000},
    NATIVE: {"prompt": ENDLESS, "n_predict": 60000},
}
ENDLESSLY = {"think": False, "options": {"num_predict": 60000}}
OLLAMA: dict[str, dict[str, Any]] = {
    API_CHAT: said(ENDLESS) | ENDLESSLY,
    API_GENERATE: {"prompt": ENDLESS} | ENDLESSLY,
}
STREAMS = list(product(ASKED, FORMATS))
KILLED = [(LLAMA, *stream) for stream in STREAMS] + [
    (name, *stream) for name in OTHERS if f"{name}_KILL" in os.environ for stream in product(ASKED | OLLAMA, FORMATS)
]
Outcomes = dict[tuple[str, str], tuple[Future[Answer], str]]
"""(path, format) to what a client made of it and the outcome that the sidecar counted."""


def together(context: int, then: Callable[[Any], object]) -> Outcomes:
    """Every endpoint in every format at once; when all have begun `then` gets the server's process."""
    with (
        llama_process(context, len(STREAMS)) as (server, url),
        SidecarProcess(url) as sidecar,
        ThreadPoolExecutor(len(STREAMS)) as pool,
    ):
        asked = {key: pool.submit(partial(ask, sidecar.url, *key)) for key in STREAMS}
        eventually(lambda: all(answer.done() for answer in asked.values()) or begun(url), 30)
        then(server)
        return {key: (answer, told(sidecar, *key)) for key, answer in asked.items()}


def ask(url: str, path: str, format: str, model: str = "") -> Answer:
    body = {"model": model or f"{path} {format}", "stream": True} | (ASKED | OLLAMA)[path]
    return (FORMATS[format] or READERS[path])(Where(url, {"x-stream-format": format}), path, body)


def begun(url: str) -> bool:
    slots = httpx2.get(f"{url}/slots").json()
    return all(slot["is_processing"] and slot["next_token"][0]["n_decoded"] > 8 for slot in slots)


def told(sidecar: SidecarProcess, path: str, format: str) -> str:
    return str(sidecar.told(model=f"{path} {format}")["outcome"])


@pytest.fixture(scope="module")
def killed() -> Outcomes:
    return together(65536, lambda server: server.child.kill())


@pytest.fixture(scope="module")
def overflowed() -> Outcomes:
    return together(4096, lambda server: None)


@pytest.mark.parametrize(("name", "path", "format"), KILLED)
def test_a_killed_server_is_a_failure(name: str, path: str, format: str, request: pytest.FixtureRequest) -> None:
    answer, outcome = request.getfixturevalue("killed")[path, format] if name == LLAMA else kill(name, path, format)
    assert isinstance(answer.exception(), FAILURES)
    assert outcome == "truncated" or (name != LLAMA and outcome == "upstream_error")


def kill(name: str, path: str, format: str) -> tuple[Future[Answer], str]:
    """The same of a server that is not ours."""
    url = os.environ[name].rstrip("/")
    with SidecarProcess(url) as sidecar, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, sidecar.url, path, format, model_of(name))
        eventually(lambda: answer.done() or flowing(sidecar.admin), 60)
        if answer.done() and (refused := answer.exception()):
            pytest.skip(f"{name} does not answer this: {refused}")
        subprocess.run(os.environ[f"{name}_KILL"], shell=True, check=True)
        return answer, str(sidecar.told(event="stream")["outcome"])


def flowing(admin: str) -> bool:
    return any(stream["chunks"] > 8 for stream in httpx2.get(f"{admin}/streams").json()["streams"])


@pytest.mark.parametrize(("path", "format"), STREAMS)
def test_an_overflow_is_a_failure_in_the_servers_words(path: str, format: str, overflowed: Outcomes) -> None:
    answer, outcome = overflowed[path, format]
    assert isinstance(answer.exception(), FAILURES)
    assert "Context size has been exceeded" in str(answer.exception())
    assert outcome == "upstream_error"
