"""A server that is killed, or whose cache overflows, in mid-stream: no client of any endpoint takes it for an end."""

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
from tests.real.readers import CHAT, COMPLETIONS, FAILURES, MESSAGES, NATIVE, READERS, RESPONSES, Where
from tests.real.test_differential import ENDLESS, FORMATS, said
from tests.sidecar_process import SidecarProcess

ASKED: dict[str, dict[str, Any]] = {
    CHAT: said(ENDLESS) | {"max_tokens": 60000},
    COMPLETIONS: {"prompt": ENDLESS, "max_tokens": 60000},
    RESPONSES: {"input": ENDLESS, "max_output_tokens": 60000},
    MESSAGES: said(ENDLESS) | {"max_tokens": 60000},
    NATIVE: {"prompt": ENDLESS, "n_predict": 60000},
}
STREAMS = list(product(ASKED, FORMATS))
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


def ask(url: str, path: str, format: str) -> Answer:
    body = {"model": f"{path} {format}", "stream": True} | ASKED[path]
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


@pytest.mark.parametrize(("path", "format"), STREAMS)
def test_a_killed_server_is_a_failure(path: str, format: str, killed: Outcomes) -> None:
    answer, outcome = killed[path, format]
    assert isinstance(answer.exception(), FAILURES)
    assert outcome == "truncated"


@pytest.mark.parametrize(("path", "format"), STREAMS)
def test_an_overflow_is_a_failure_in_the_servers_words(path: str, format: str, overflowed: Outcomes) -> None:
    answer, outcome = overflowed[path, format]
    assert isinstance(answer.exception(), FAILURES)
    assert "Context size has been exceeded" in str(answer.exception())
    assert outcome == "upstream_error"
