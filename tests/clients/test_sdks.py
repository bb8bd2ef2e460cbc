"""Real clients through the sidecar's default configuration get what they get without it, and can leave."""

import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.clients.sdk import CLIENTS, Client, Question, said
from tests.process import Process, eventually
from tests.sidecar_process import SidecarProcess


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    with Process("-u", "-m", "sidecar.tools.fakellm", "--pace", "0.001") as fake:
        yield fake.line(lambda line: "listening on" in line).rpartition(" ")[2]


@pytest.fixture(scope="module")
def sidecar(backend: str) -> Iterator[SidecarProcess]:
    with SidecarProcess(backend) as process:
        yield process


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


def model(switches: str = "", kind: str = "fake") -> str:
    """A name that no other test asks for; `switches` are the fake backend's."""
    return f"{kind}-{uuid.uuid4().hex}" + (f";{switches}" if switches else "")


def witness(backend: str, model: str) -> dict[str, Any]:
    """What the backend says became of the one request for this model."""
    (record,) = [
        record for record in httpx2.get(f"{backend}/witness").json() if record["model"] == model.partition(";")[0]
    ]
    return record


def test_the_answer_is_the_same(client: Client, backend: str, sidecar: SidecarProcess) -> None:
    direct, through = (said(client(url, Question(model()))) for url in (backend, sidecar.url))
    assert direct.text.endswith("That is all that a stream is for.")
    assert direct.usage and through == direct


def test_the_reasoning_is_the_same(client: Client, backend: str, sidecar: SidecarProcess) -> None:
    direct, through = (said(client(url, Question(model(kind="thinking")))) for url in (backend, sidecar.url))
    assert direct.reasoning.startswith("They ask") and direct.text.startswith("Every token")
    assert through == direct


def test_a_tool_call_is_the_same(client: Client, backend: str, sidecar: SidecarProcess) -> None:
    direct, through = (said(client(url, Question(model(), tools=True))) for url in (backend, sidecar.url))
    assert direct.calls == [("get_weather", {"city": "Zürich"})]
    assert through == direct


def test_tokens_come_one_by_one(client: Client, backend: str, sidecar: SidecarProcess) -> None:
    name = model("tokens=40; pace=0.03")
    with closing(client(sidecar.url, Question(name))) as pieces:
        next(piece for piece in pieces if piece.text)
        first = witness(backend, name)
        rest = [piece for piece in pieces if piece.text]
    assert first["state"] == "streaming" and first["tokens"] < 20
    assert len(rest) == 39
    assert sidecar.told(model=name)["outcome"] == "completed"


def test_the_backend_sees_the_client_leave(client: Client, backend: str, sidecar: SidecarProcess) -> None:
    name = model("tokens=1000; pace=0.02")
    with closing(client(sidecar.url, Question(name))) as pieces:
        next(pieces)
    record = eventually(lambda: (seen := witness(backend, name))["state"] != "streaming" and seen)
    assert record["state"] == "cancelled" and record["tokens"] < 500
    assert sidecar.told(model=name)["outcome"] == "client_left"


def test_google_bytes_pass_untouched(backend: str, sidecar: SidecarProcess) -> None:
    path = f"/v1beta/models/{model()}:streamGenerateContent?alt=sse"
    headers = {"user-agent": "google-genai-sdk/3.4.0 gl-python/3.11.7", "x-goog-api-key": "none"}
    body = {"contents": [{"parts": [{"text": "Say something short."}], "role": "user"}]}
    direct, through = (httpx2.post(url + path, headers=headers, json=body) for url in (backend, sidecar.url))
    assert through.headers["x-stream-format"] == "passthrough"
    assert through.headers["content-type"] == direct.headers["content-type"]
    assert re.sub(rb"fake\d+", b"", through.content) == re.sub(rb"fake\d+", b"", direct.content)
