"""A headless Chromium that opens one page of ours, and what the page reports back."""

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.tools import require

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()


class Page:
    """A page on an origin of its own; `reports` are the JSON values that its script posts to `/report`."""

    def __init__(self, script: str) -> None:
        self.reports: queue.Queue[Any] = queue.Queue()
        page = f"<!doctype html><title>test</title><script>{script}</script>".encode()
        reports = self.reports

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def do_POST(self) -> None:
                reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Said nowhere."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@contextmanager
def opened(script: str) -> Iterator[Page]:
    """The page in a browser that is closed at the end."""
    page = Page(script)
    threading.Thread(target=page.server.serve_forever, daemon=True).start()
    with browsing(page.url):
        yield page
    page.server.shutdown()
    page.server.server_close()


@contextmanager
def browsing(url: str) -> Iterator[None]:
    """A browser that looks at this page."""
    program = require("chromium", "apt install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
            try:
                yield
            finally:
                browser.kill()
