"""A real inference server behind the sidecar: clients get what they get from it directly, and nothing false."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.clients.sdk import CLIENTS, Client, Question, curled, openai_body, said
from tests.process import eventually
from tests.real.llama_server import llama_server
from tests.sidecar_process import SidecarProcess

ENDLESS = "Go on for ever."
THINK = {"chat_template_kwargs": {"enable_thinking": True}}
SHORT = "Yes, that is quite so."


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with llama_server() as url:
        yield url


@pytest.fixture(scope="module")
def sidecar(llama: str) -> Iterator[str]:
    with SidecarProcess(llama) as process:
        yield process.url


@pytest.fixture(params=["openai-python", "anthropic-python", "curl"])
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.mark.parametrize(
    ("question", "text", "reasoning", "calls"),
    [
        pytest.param(Question("tiny"), SHORT, "", [], id="short"),
        pytest.param(
            Question("tiny", ENDLESS, more={"max_tokens": 60}), "café says data: and [DONE]", "", [], id="cut"
        ),
        pytest.param(Question("tiny", "Why?", more=THINK), "Oslo, I think.", "Hmm, let me see.", [], id="reasoning"),
        pytest.param(Question("tiny", "Wet?", True), "", "", [("get_weather", {"city": "Paris"})], id="tool"),
    ],
)
def test_the_answer_is_the_same(
    client: Client, question: Question, text: str, reasoning: str, calls: list[Any], llama: str, sidecar: str
) -> None:
    direct, through = (said(client(url, question)) for url in (llama, sidecar))
    assert text in direct.text and (direct.reasoning, direct.calls) == (reasoning, calls)
    assert direct.usage and through == direct


ENVELOPE = ("--header", "X-Stream-Format: envelope-v1")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_the_envelope_says_the_same(path: str, llama: str, sidecar: str) -> None:
    body = openai_body(Question("tiny"))
    direct = said(CLIENTS["curl"](llama, Question("tiny")))
    *chunks, complete = curled(sidecar + path, body, *ENVELOPE)
    assert chunks == [
        {"type": "chunk", "data": {"content": word, "index": index}}
        for index, word in enumerate(["Yes,", " that", " is", " quite", " so."])
    ]
    data = complete["data"]
    assert complete["type"] == "complete" and data["final_response"] == direct.text == SHORT
    assert (data["finish_reason"], data["model"], data["usage"]["source"]) == ("stop", "tiny", "reported")
    assert (data["usage"]["input_tokens"], data["usage"]["output_tokens"]) == direct.usage


def test_a_client_that_leaves_frees_its_slot(client: Client, llama: str, sidecar: str) -> None:
    with closing(client(sidecar, Question("tiny", ENDLESS))) as pieces:
        next(pieces)
        assert busy(llama) == 1
    eventually(lambda: busy(llama) == 0)


def busy(llama: str) -> int:
    """How many slots generate. An endless answer would keep one for more than a minute."""
    return sum(slot["is_processing"] for slot in httpx2.get(f"{llama}/slots").json())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_an_error_inside_a_stream_becomes_the_last_frame(path: str, crowded: SidecarProcess) -> None:
    bodies = [openai_body(Question(f"{path} {number}", ENDLESS, more={"max_tokens": 9999})) for number in (1, 2)]
    url = crowded.url + path
    with closing(curled(url, bodies[0], *ENVELOPE)) as first, closing(curled(url, bodies[1], *ENVELOPE)) as second:
        next(first), next(second)
        for frames in (list(first), list(second)):
            assert {frame["type"] for frame in frames[:-1]} == {"chunk"}
            assert frames[-1]["type"] == "error"
            assert frames[-1]["data"]["message"] == "Context size has been exceeded."
    assert {crowded.told(model=body["model"])["outcome"] for body in bodies} == {"upstream_error"}


@pytest.mark.parametrize(
    ("name", "error"), [("openai-python", openai.APIError), ("anthropic-python", anthropic.APIStatusError)]
)
def test_an_error_inside_a_stream_is_raised_by_its_sdk(
    name: str, error: type[Exception], crowded: SidecarProcess
) -> None:
    client, question = CLIENTS[name], Question("tiny", ENDLESS, more={"max_tokens": 9999})
    with closing(client(crowded.url, question)) as first, closing(client(crowded.url, question)) as second:
        next(first), next(second)
        for pieces in (first, second):
            with pytest.raises(error, match="Context size has been exceeded"):
                list(pieces)


@pytest.fixture(scope="module")
def crowded() -> Iterator[SidecarProcess]:
    """A sidecar before a server whose cache is too small for two endless answers."""
    with llama_server(context=4096, slots=2) as url, SidecarProcess(url) as process:
        yield process


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/props", None),
        ("POST", "/tokenize", {"content": "naïve 日本"}),
        ("POST", "/v1/chat/completions", {"stream": True}),
        ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 70000}], "stream": True}),
        ("GET", "/nowhere", None),
    ],
    ids=["props", "tokenize", "invalid", "too-long", "missing"],
)
def test_what_is_no_stream_passes_untouched(method: str, path: str, body: Any, llama: str, sidecar: str) -> None:
    direct, through = (httpx2.request(method, url + path, json=body) for url in (llama, sidecar))
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    assert through.headers["content-type"] == direct.headers["content-type"]
