"""The real nginx and HAProxy, with a given configuration, and what a client hears through them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from sidecar.tools import stage
from sidecar.tools.client import asked
from sidecar.tools.fakellm import FakeLLM
from tests.tools import require

PACE = 0.04
TOKENS = 50
"""An answer of less than 4 KiB: beyond that nginx passes a buffer on whenever it is full."""
Front = Callable[[str, str, Path], AbstractAsyncContextManager[str]]
SHIPPED = Path(__file__).parents[2] / "config" / "proxies"

AS_ROOT = "user root; " if os.geteuid() == 0 else ""
"""Its workers would become `nobody`, who may not enter a test's folder."""

TEMPORARY = """
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""

NGINX = """
error_log stderr;
events {{ }}
http {{
    access_log off;
    {extra}
    server {{
        listen 8080;
        location / {{ proxy_pass http://127.0.0.1:9900; {location} }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend clients
    bind :8080
    default_backend sidecar
backend sidecar
    server local 127.0.0.1:9900
"""


def nginx_default(extra: str = "", location: str = "") -> str:
    """nginx as a distribution ships it, with more lines for `http` and `location`."""
    return NGINX.format(extra=extra, location=location)


def shipped(name: str) -> str:
    """A configuration of ours, as it is."""
    return (SHIPPED / name).read_text()


@asynccontextmanager
async def nginx(config: str, upstream: str, folder: Path) -> AsyncIterator[str]:
    """nginx with this configuration, its two addresses replaced; where it listens."""
    nginx = require("nginx", "apt-get install nginx")
    port = stage.free_port()
    text = placed(config, "listen 8080", port, upstream).replace(
        "http {", "http {" + TEMPORARY.format(folder=folder), 1
    )
    path = written(folder / "nginx.conf", f"{AS_ROOT}daemon off; pid {folder}/pid;\n{text}")
    async with stage.child(nginx, "-p", str(folder), "-c", path, "-e", "stderr") as process:
        await stage.accepts(port, process)
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def haproxy(config: str, upstream: str, folder: Path) -> AsyncIterator[str]:
    """HAProxy with this configuration, its two addresses replaced; where it listens."""
    haproxy = require("haproxy", "apt-get install haproxy")
    port = stage.free_port()
    path = written(folder / "haproxy.cfg", placed(config, "bind :8080", port, upstream))
    async with stage.child(haproxy, "-db", "-f", path) as process:
        await stage.accepts(port, process)
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def standing(proxy: Front, config: str, folder: Path) -> AsyncIterator[tuple[FakeLLM, str]]:
    """The fake backend, the sidecar before it, a proxy before that; the proxy's URL."""
    async with (
        FakeLLM(pace=PACE) as llm,
        stage.sidecar(llm.url, folder) as sidecar,
        proxy(config, sidecar.url, folder) as url,
    ):
        yield llm, url


def placed(config: str, listen: str, port: int, upstream: str) -> str:
    """The configuration with a free port and the sidecar's own; each stands in it once."""
    assert config.count(listen) == config.count("127.0.0.1:9900") == 1
    there = config.replace(listen, f"{listen.split()[0]} 127.0.0.1:{port}")
    return there.replace("127.0.0.1:9900", upstream.removeprefix("http://"))


def written(path: Path, text: str) -> str:
    """The path of a file with this text."""
    path.write_text(text)
    return str(path)


class Heard(NamedTuple):
    """When tokens left the backend and when they reached the client, in seconds from the request; the reads."""

    sent: list[float]
    arrived: list[float]

    @property
    def reads(self) -> int:
        """How often the client got something: arrivals more than half a millisecond apart."""
        return 1 + sum(gap > 0.0005 for gap in gaps(self.arrived))

    @property
    def gap_error(self) -> float:
        """The 99th percentile of how far a gap at the client is from the same gap at the backend, in seconds."""
        errors = sorted(abs(a - b) for a, b in zip(gaps(self.arrived), gaps(self.sent), strict=True))
        return errors[min(len(errors) - 1, int(len(errors) * 0.99))]

    def told(self, what: str) -> None:
        """A line for the runbook."""
        first, last = self.arrived[0], self.arrived[-1]
        print(
            f"\n{what}: {len(self.arrived)} tokens in {self.reads} reads, from {first:.3f} s to {last:.3f} s;", end=" "
        )
        print(f"backend from {self.sent[0]:.3f} s; p99 of the gap error {self.gap_error * 1000:.1f} ms")


def gaps(times: list[float]) -> list[float]:
    """From each moment to the next."""
    return [b - a for a, b in zip(times, times[1:], strict=False)]


async def hear(llm: FakeLLM, front: str, headers: dict[str, str]) -> Heard:
    """One answer of the fake backend through a proxy."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    sent = {"x-fake": f"tokens={TOKENS}", **headers}
    began = time.monotonic()
    async with asyncio.timeout(30), asked(f"{front}/v1/chat/completions", body, sent) as heard:
        arrived = [frame.at - began async for frame in heard if frame.type == "chunk"]
    return Heard([at - began for at in llm.records[-1].sent_at], arrived)
