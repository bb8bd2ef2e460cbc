"""Every recorded stream that is whole leaves in OpenAI's format, and the Vercel AI SDK reads of it what was meant."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.clients.sdk import installed, lines_of
from tests.recorded.test_openai import as_openai_says_it, leaving
from tests.recorded.test_transcripts import STREAMS, Transcript, differences, excused
from tests.tools import require

Answers = dict[str, dict[str, Any]]


def whole() -> list[Transcript]:
    """Those of one choice: the SDK takes all choices for one."""
    whole = [each for each in STREAMS if not each.told["expected"]["error"]]
    return [each for each in whole if b'"choices":[{"index":1' not in leaving(each)]


WHOLE = whole()


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """What one program of the SDK's read of all, by the transcript's name."""
    bodies = {each.name: leaving(each) for each in WHOLE}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(bodies[asked["model"]])

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing of it is for people."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        program = [require("node", "apt install nodejs npm"), str(installed() / "ai-answers.mjs"), url]
        with lines_of([*program, *bodies]) as lines:
            yield {said["model"]: said for said in map(json.loads, lines)}
        server.shutdown()


@pytest.mark.parametrize("transcript", WHOLE, ids=lambda transcript: transcript.name)
def test_the_ai_sdk_reads_it(transcript: Transcript, answers: Answers) -> None:
    told, said = as_openai_says_it(transcript.told), answers[transcript.name]
    told["expected"] |= {"refusal": None}  # it reads none
    wrong = differences(told, heard(said))
    assert not wrong.keys() - excused(told), wrong


def heard(said: dict[str, Any]) -> dict[str, Any]:
    """As the transcripts tell it."""
    given, made = said["usage"] or (None, None)
    return {
        "end": "failed" if said["error"] else "whole",
        "error": said["error"],
        "text": said["text"],
        "refusal": "",
        "reasoning": said["reasoning"],
        "tool_calls": [tuple(call) for call in said["calls"]],
        "finish_reason": said["finish"].replace("-", "_"),
        "input_tokens": given,
        "output_tokens": made,
    }
