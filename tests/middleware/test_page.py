"""The programs of the page do what it says."""

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.middleware.chat import frames
from tests.test_docs import blocks

PAGE = Path(__file__).parents[2] / "runbook" / "in-your-app.md"


def program(number: int) -> dict[str, Any]:
    made: dict[str, Any] = {"__name__": "page"}
    exec(compile(blocks(PAGE, "python")[number], str(PAGE), "exec"), made)
    return made


def test_the_app_streams_the_envelope_and_shows_its_metrics() -> None:
    with TestClient(program(0)["app"]) as client:
        said = frames(client.post("/chat", json={"stream": True}).content)
        assert [frame["type"] for frame in said] == ["status", "chunk", "complete"]
        page = client.get("/metrics").text
    assert 'outcome="completed"' in page


def test_the_mount_answers_for_a_backend_that_is_not_there() -> None:
    with TestClient(program(1)["app"]) as client:
        assert client.get("/llm/.sidecar/x").json()["error"]["hint"] == "/.sidecar/ is the sidecar's own"
