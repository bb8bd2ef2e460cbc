"""One question, asked a server directly and through the sidecar in three formats: the same answer is read.

The server is llama.cpp's own, and each of which the environment names a base URL: `REAL_OLLAMA`, `REAL_VLLM`, ...;
beside it `REAL_OLLAMA_MODEL` where that is not the first that `/v1/models` lists.
"""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.clients.sdk import CITY, OPENAI_TOOL, WEATHER
from tests.real.answer import Answer, Choice
from tests.real.llama_server import llama_server
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
    Reader,
    Where,
    chat,
    envelope,
)
from tests.sidecar_process import SidecarProcess

LLAMA = "llama.cpp"
OTHERS = sorted(name for name in os.environ if name.startswith("REAL_") and not name.endswith(("_MODEL", "_KILL")))
FORMATS: dict[str, Reader | None] = {"passthrough": None, "openai": chat, "envelope-v2": envelope}
"""Format to its reader; None: the endpoint's own."""

OLLAMA = (API_CHAT, API_GENERATE)
SHORT, ENDLESS = "short", "Go on for ever."
THINK = {"chat_template_kwargs": {"enable_thinking": True}}
AT_ONCE = {"reasoning_effort": "none"}
COUNTED = {"stream_options": {"include_usage": True}}
FUNCTION = {"type": "function", **WEATHER, "parameters": CITY}


def said(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]}


def options(tokens: int) -> dict[str, int]:
    return {"num_predict": tokens, "temperature": 0}


QUESTIONS: dict[str, dict[str, dict[str, Any]]] = {
    CHAT: {
        "short": said(SHORT) | COUNTED | AT_ONCE | {"max_tokens": 200},
        "cut": said(ENDLESS) | COUNTED | {"max_tokens": 60},
        "reasoning": said("Why?") | COUNTED | THINK | {"max_tokens": 200},
        "tool": said("Wet?") | COUNTED | AT_ONCE | {"tools": [OPENAI_TOOL], "max_tokens": 200},
        "uncounted": said(SHORT) | AT_ONCE | {"max_tokens": 60},
    },
    COMPLETIONS: {
        "short": {"prompt": "<|short|>", "max_tokens": 60} | COUNTED,
        "cut": {"prompt": ENDLESS, "max_tokens": 60} | COUNTED,
    },
    RESPONSES: {
        "short": {"input": SHORT, "max_output_tokens": 200, "reasoning": {"effort": "none"}},
        "cut": {"input": ENDLESS, "max_output_tokens": 60},
        "reasoning": {"input": "Why?", "max_output_tokens": 200} | THINK,
        "tool": {"input": "Wet?", "tools": [FUNCTION], "max_output_tokens": 200, "reasoning": {"effort": "none"}},
    },
    MESSAGES: {
        "short": said(SHORT) | {"max_tokens": 200, "thinking": {"type": "disabled"}},
        "cut": said(ENDLESS) | {"max_tokens": 60},
        "reasoning": said("Why?") | {"max_tokens": 200} | THINK,
        "tool": said("Wet?")
        | {"max_tokens": 200, "tools": [WEATHER | {"input_schema": CITY}], "thinking": {"type": "disabled"}},
    },
    NATIVE: {
        "short": {"prompt": "<|short|>", "n_predict": 60},
        "cut": {"prompt": ENDLESS, "n_predict": 60},
    },
    API_CHAT: {
        "short": said(SHORT) | {"think": False, "options": options(200)},
        "cut": said(ENDLESS) | {"think": False, "options": options(60)},
        "reasoning": said("Why?") | {"think": True, "options": options(200)},
        "tool": said("Wet?") | {"think": False, "tools": [OPENAI_TOOL], "options": options(200)},
    },
    API_GENERATE: {
        "short": {"prompt": SHORT, "think": False, "options": options(200)},
        "cut": {"prompt": ENDLESS, "think": False, "options": options(60)},
    },
}

EXPECTED = {
    "short": Choice("Yes, that is quite so.", finish="stop"),
    "reasoning": Choice("Oslo, I think.", "Hmm, let me see.", finish="stop"),
    "tool": Choice(calls=(("get_weather", {"city": "Paris"}),), finish="tool_calls"),
    "uncounted": Choice("Yes, that is quite so.", finish="stop"),
}
"""What the tiny model says; the cut answer is long, and holds what looks like the framing around it."""

CASES = [
    pytest.param(server, path, name, id=f"{server}{path}-{name}")
    for server in [LLAMA, *OTHERS]
    for path, named in QUESTIONS.items()
    for name in named
    if server != LLAMA or path not in OLLAMA
]


class Pair(NamedTuple):
    """A server and the sidecar before it."""

    name: str
    direct: str
    through: str
    model: str


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == LLAMA:
        with llama_server() as url, SidecarProcess(url) as sidecar:
            yield Pair(LLAMA, url, sidecar.url, "tiny")
        return
    url = os.environ[request.param].rstrip("/")
    with SidecarProcess(url) as sidecar:
        yield Pair(request.param, url, sidecar.url, model_of(request.param))


def model_of(name: str) -> str:
    """The model to ask that server for."""
    url = os.environ[name].rstrip("/")
    return os.environ.get(f"{name}_MODEL") or str(httpx2.get(f"{url}/v1/models").json()["data"][0]["id"])


@pytest.mark.parametrize(("pair", "path", "name"), CASES, indirect=["pair"], scope="module")
def test_every_format_says_what_the_server_says(pair: Pair, path: str, name: str) -> None:
    body = {"model": pair.model, "stream": True} | QUESTIONS[path][name]
    if path not in OLLAMA:
        body["temperature"] = 0
    try:
        READERS[path](Where(pair.direct), path, body)  # Anthropic's input tokens leave out what is cached by now
        direct = READERS[path](Where(pair.direct), path, body)
    except FAILURES as refusal:
        if pair.name == LLAMA:
            raise
        pytest.skip(f"{pair.name} does not answer this: {refusal}")
    if pair.name == LLAMA:
        assert_expected(path, name, direct)
    for format, read in FORMATS.items():
        wish = Where(pair.through, {"x-stream-format": format})
        asks = COUNTED if format == "openai" and name != "uncounted" else {}
        # what is made for the client counts tokens only where it asked
        expected = direct._replace(usage=None) if format == "openai" and not asks else direct
        assert (read or READERS[path])(wish, path, body | asks) == expected, format


def assert_expected(path: str, name: str, answer: Answer) -> None:
    choice = answer.choices[0]
    if name == "cut":
        assert "data: and [DONE]" in choice.text
        assert choice.finish == ("stop" if path == RESPONSES else "length")  # it says "completed" of every response
    else:
        assert choice._replace(text=choice.text.lstrip()) == EXPECTED[name]
    assert answer.usage
