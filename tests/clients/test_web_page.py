"""A backend's own web page, which asks its API by `fetch` and reads OpenAI's chunks, works through the sidecar."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.clients.browser import browsing
from tests.sidecar_process import SidecarProcess

ANSWER = (Path(__file__).parents[1] / "fixtures" / "openai-chat" / "text.sse").read_bytes()
PAGE = rb"""<!doctype html><title>chat</title><p id=said></p><script type=module>
const body = JSON.stringify({model: "m", stream: true, messages: [{role: "user", content: "Hello"}]})
const headers = {"content-type": "application/json"}
const answer = await fetch("/v1/chat/completions", {method: "POST", body, headers})
const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
let rest = "", ended = false
for (let {value, done} = await reader.read(); !done; {value, done} = await reader.read()) {
  const lines = (rest + value).split("\n")
  rest = lines.pop()
  for (const line of lines.filter(line => line.startsWith("data: ")).map(line => line.slice(6).trim())) {
    if (line === "[DONE]") { ended = true; continue }
    for (const {delta} of JSON.parse(line).choices) said.textContent += delta.content ?? ""
  }
}
await fetch("/report", {method: "POST", body: JSON.stringify({text: said.textContent, ended})})
</script>"""


@contextmanager
def backend() -> Iterator[tuple[str, "queue.Queue[Any]"]]:
    """Its URL, and what its page reports."""
    reports: queue.Queue[Any] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say("text/html; charset=utf-8", PAGE)

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/report":
                reports.put(json.loads(asked))
            self._say("text/event-stream" if self.path == "/v1/chat/completions" else "text/plain", ANSWER)

        def _say(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Said nowhere."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", reports
        server.shutdown()


def test_it_reads_what_its_backend_says() -> None:
    with backend() as (url, reports), SidecarProcess(url) as sidecar, browsing(sidecar.url + "/"):
        assert reports.get(timeout=60) == {"text": 'Grüße, 世界 🌿\n"quoted"', "ended": True}
        assert sidecar.told(event="stream", format="passthrough")["outcome"] == "completed"
