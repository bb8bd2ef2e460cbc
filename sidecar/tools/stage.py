"""What stands on the demo's stage: the sidecar and nginx as children, with their own folder and free ports."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

CONFIG = """\
version: 1
upstreams:
  backend: {{ url: "{url}" }}
defaults: {{ format: envelope-v1, ping: {{ interval: 1s }} }}
rules:
  - name: without the headers that keep a stream unbuffered
    match: {{ headers: {{ x-demo: no-headers }} }}
    policy: {{ headers: off }}
"""

NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {url}; }}
    }}
}}
"""


class Failed(RuntimeError):
    """A child did not come up; the message holds what it said."""


class Sidecar:
    """A `sidecar serve` that runs: its two URLs and its log lines, decoded."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self._said: list[str] = []
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self.url = self.admin = ""

    async def listen(self) -> None:
        """Wait until it says where it listens."""
        line = await self.event(lambda line: line.get("event") == "listening")
        self.url, self.admin = f"http://{line['listen']}", f"http://{line['admin']}"

    async def event(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first log line that is wanted, as soon as it is there."""
        async with self._news:
            await self._news.wait_for(lambda: any(map(wanted, self._events)) or self._process.returncode is not None)
        found = [line for line in self._events if wanted(line)]
        if not found:
            raise Failed("the sidecar ended: " + " ".join(self._said[-5:]))
        return found[0]

    async def read(self) -> None:
        """Take in its output until it ends."""
        assert self._process.stdout
        async for raw in self._process.stdout:
            self._said.append(raw.decode(errors="replace").strip())
            event = _decoded(raw)
            async with self._news:
                self._events += [event] if event else []
                self._news.notify_all()
        await self._process.wait()
        async with self._news:
            self._news.notify_all()


@asynccontextmanager
async def sidecar(backend: str, folder: Path) -> AsyncIterator[Sidecar]:
    """`python -m sidecar serve` before this backend, on free ports."""
    config = folder / "sidecar.yaml"
    config.write_text(CONFIG.format(url=backend))
    ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    command = [sys.executable, "-m", "sidecar", "serve", "--config", str(config), *ports]
    async with child(*command) as process:
        running = Sidecar(process)
        reading = asyncio.create_task(running.read())
        try:
            await asyncio.wait_for(running.listen(), 20)
            yield running
        finally:
            reading.cancel()


@asynccontextmanager
async def nginx(url: str, folder: Path) -> AsyncIterator[str]:
    """nginx before this URL, buffering as it does by default; where it listens. Its workers must reach the folder."""
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, port=port, url=url))
    command = [nginx_path() or "nginx", "-p", str(folder), "-c", str(path), "-e", str(folder / "error.log")]
    async with child(*command) as process:
        await accepts(port, process)
        yield f"http://127.0.0.1:{port}"


def nginx_path() -> str | None:
    """Where nginx is; Debian keeps it where only root's PATH looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def accepts(port: int, process: asyncio.subprocess.Process, patience: float = 10) -> None:
    """Wait until the child takes connections on this port."""
    async with asyncio.timeout(patience):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.02)
    output = await process.stdout.read() if process.stdout else b""
    raise Failed(output.decode(errors="replace"))


@asynccontextmanager
async def child(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that ends with the context, and not by the terminal's Ctrl-C; its output is one pipe."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipe, merged = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    process = await asyncio.create_subprocess_exec(
        *command, stdout=pipe, stderr=merged, env=environment, start_new_session=True
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 5)
    except TimeoutError:
        process.kill()
        await process.wait()


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(line, type=dict)
    except msgspec.DecodeError:
        return None
