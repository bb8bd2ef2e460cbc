"""Clients of every kind read a long answer with pings, padding and a tool call in it, unharmed."""

import json
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.clients import golang
from tests.clients.browser import opened
from tests.clients.sdk import CLIENTS, Client, Piece, Question, installed, lines_of, said
from tests.clients.test_sdks import backend, model, witness
from tests.sidecar_process import SidecarProcess
from tests.tools import require

__all__ = ["backend"]

ROOT = Path(__file__).parents[2]
TOKENS = "tokens=6"
SLOW = f"{TOKENS}; pace=0.1; think=0.2"
CALL = "pace=0.1; think=0.2"
PINGED = "ping: { interval: 40ms }, padding: { initial_bytes: 64 }"


def printing(command: Callable[[], list[str]]) -> Client:
    """A client that is a program of ours: asked for a URL and a question, it prints a piece a line."""

    def client(url: str, question: Question) -> Generator[Piece, None, None]:
        asked = {"model": question.model, "prompt": question.prompt, "tools": question.tools}
        with lines_of([*command(), url, json.dumps(asked)]) as lines:
            for piece in map(json.loads, lines):
                yield Piece(piece.get("text", ""), call=tuple(piece["call"]) if "call" in piece else None)

    return client


def node(script: str) -> list[str]:
    return [require("node", "apt install nodejs npm"), str(installed() / f"{script}.mjs")]


def go(name: str) -> list[str]:
    return [str(golang.program(name))]


NODE = ("anthropic", "genai", "ai", "ollama", "eventsource-parser")
GO = {name: printing(partial(go, name)) for name in golang.VERSIONS}
EVERYBODY = CLIENTS | {f"{name}-npm": printing(partial(node, name)) for name in NODE} | GO
OF_CHUNKS = {name: EVERYBODY[name] for name in ("openai-python", "openai-node", "curl", "ai-npm", *GO)}
OF_CHUNKS["splitter"] = printing(partial(node, "splitter"))


@pytest.fixture(scope="module")
def pinged(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    """The default configuration, but that it pings after 40 ms and pads."""
    text = (ROOT / "config" / "sidecar.yaml").read_text()
    default = "ping: { interval: 15s, shape: auto }\n  padding: { initial_bytes: 0, content: spaces }"
    assert default in text and "http://127.0.0.1:8000" in text
    text = text.replace(default, PINGED.replace(", padding", "\n  padding")).replace("http://127.0.0.1:8000", backend)
    file = tmp_path_factory.mktemp("config") / "sidecar.yaml"
    file.write_text(text.replace("{ credentials: off", "{ origins: ['*']"))
    with SidecarProcess(None, "--config", str(file)) as process:
        yield process


@pytest.mark.parametrize("name", EVERYBODY)
def test_pings_and_padding_harm_no_client(name: str, backend: str, pinged: SidecarProcess) -> None:
    asked = model(SLOW)
    direct = said(CLIENTS["openai-python"](backend, Question(model(TOKENS))))
    through = said(EVERYBODY[name](pinged.url, Question(asked)))
    assert direct.text and through.text == direct.text
    assert pinged.told(model=asked)["outcome"] == "completed"


@pytest.mark.parametrize("name", EVERYBODY)
def test_nor_a_tool_call(name: str, backend: str, pinged: SidecarProcess) -> None:
    through = said(EVERYBODY[name](pinged.url, Question(model(CALL), tools=True)))
    assert through.calls == [("get_weather", {"city": "Zürich"})]


def test_they_were_pinged(backend: str, pinged: SidecarProcess) -> None:
    body = {"model": model(SLOW), "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    answers = {}
    for kind in ("envelope-v1", "envelope-v2", "openai", "passthrough"):
        answer = httpx2.post(f"{pinged.url}/v1/chat/completions", json=body, headers={"x-stream-format": kind})
        answers[kind] = answer.text
    assert all(text.startswith(":" + " " * 61 + "\n\n") for text in answers.values())
    assert all(answers[kind].count(": ping\n") > 5 for kind in ("envelope-v1", "envelope-v2", "passthrough"))
    assert answers["openai"].count('"delta":{}') > 5


@pytest.fixture(scope="module")
def chunks(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SidecarProcess]:
    """Everybody gets OpenAI's chunks, and a ping after 40 ms."""
    file = tmp_path_factory.mktemp("config") / "sidecar.yaml"
    upstreams = f"upstreams: {{ backend: {{ url: {backend} }} }}"
    file.write_text(f"version: 1\n{upstreams}\ndefaults: {{ format: openai, ping: {{ interval: 40ms }} }}\n")
    with SidecarProcess(None, "--config", str(file)) as process:
        yield process


@pytest.mark.parametrize("name", OF_CHUNKS)
def test_openais_pings_are_chunks_that_say_nothing(name: str, backend: str, chunks: SidecarProcess) -> None:
    """A reader that wants `data:` in every block, as people write it by hand, takes them as well."""
    client = OF_CHUNKS[name]
    direct = said(client(backend, Question(model(TOKENS))))
    through = said(client(chunks.url, Question(model(SLOW))))
    assert direct.text and through.text == direct.text
    called = said(client(chunks.url, Question(model(CALL), tools=True)))
    assert called.calls == [("get_weather", {"city": "Zürich"})]


EVENT_SOURCE = """
const seen = [];
const source = new EventSource(%s);
source.onmessage = ({ data }) => seen.push(JSON.parse(data));
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) fetch("/report", { method: "POST", body: JSON.stringify(seen) });
};
"""


def test_an_event_source_in_a_browser_causes_one_generation(backend: str, pinged: SidecarProcess) -> None:
    before = len(asked_of(backend, "/mixed"))
    with opened(EVENT_SOURCE % json.dumps(f"{pinged.url}/mixed")) as page:
        seen = page.reports.get(timeout=60)
    assert [frame["type"] for frame in seen].count("complete") == 1 and seen[-1]["type"] == "complete"
    chunks = [frame["data"]["content"] for frame in seen if frame["type"] == "chunk"]
    assert "".join(chunks) == seen[-1]["data"]["final_response"]
    assert len(asked_of(backend, "/mixed")) == before + 1


FETCH = """
const [url, body] = %s;
const headers = { "content-type": "application/json", "x-stream-format": "envelope-v1" };
const answer = await fetch(url, { method: "POST", headers, body });
const text = await answer.text();
await fetch("/report", { method: "POST", body: JSON.stringify([answer.headers.get("x-stream-format"), text]) });
"""


def test_a_fetch_from_another_origin_reads_the_stream_and_its_headers(backend: str, pinged: SidecarProcess) -> None:
    name = model(SLOW)
    body = json.dumps({"model": name, "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    script = FETCH % json.dumps([f"{pinged.url}/v1/chat/completions", body])
    with opened(f"(async () => {{ {script} }})()") as page:
        kind, text = page.reports.get(timeout=60)
    assert kind == "envelope-v1" and ": ping\n\n" in text
    assert '"type":"complete"' in text and witness(backend, name)["state"] == "finished"


def asked_of(backend: str, path: str) -> list[Any]:
    return [record for record in httpx2.get(f"{backend}/witness").json() if record["path"] == path]
