"""Python's, Node's and Go's own HTTP servers behind the sidecar, and their clients before it.

Each client asks each server the same things, on connections that it keeps: a length, chunks, a HEAD, trailers, 204,
304, 103, bodies with a length and in chunks, other methods, a 404, a body up to the close, a refused upload. What it
is answered directly it is answered through the sidecar.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.seam import TRANSPORTS
from tests.process import Process
from tests.sidecar_process import SidecarProcess
from tests.tools import require

PEERS = Path(__file__).parent / "peers"
LANGUAGES = ("python", "node", "go")
CONFIG = """
version: 1
upstreams: {{ backend: {{ url: "http://{server}", transport: {transport} }} }}
defaults: {{ format: passthrough }}
"""


class Peer(Process):
    """A peer's server; `address` is its host and port."""

    def __init__(self, *command: str) -> None:
        super().__init__()
        self.command = list(command)

    @property
    def address(self) -> str:
        return "127.0.0.1:" + self.line(lambda line: line.startswith("port ")).split()[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the Go peers as programs."""
    folder = tmp_path_factory.mktemp("go")
    go = require("go", "see https://go.dev/dl")
    for part in ("server", "client"):
        subprocess.run([go, "build", "-o", folder / part, PEERS / f"{part}.go"], check=True, capture_output=True)
    return folder


def command(part: str, language: str, request: pytest.FixtureRequest) -> list[str]:
    if language == "go":
        return [str(request.getfixturevalue("built") / part)]
    if language == "node":
        return [require("node", "apt-get install nodejs"), str(PEERS / f"{part}.mjs")]
    return [sys.executable, str(PEERS / f"{part}.py")]


@pytest.fixture(params=LANGUAGES, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with Peer(*command("server", request.param, request)) as peer:
        yield peer.address


@pytest.fixture(params=TRANSPORTS, scope="module")
def sidecar(request: pytest.FixtureRequest, server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("config") / "sidecar.yaml"
    file.write_text(CONFIG.format(server=server, transport=request.param))
    with SidecarProcess(None, "--config", str(file)) as process:
        yield process.url.removeprefix("http://")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_client_is_answered_as_without_us(
    language: str, server: str, sidecar: str, request: pytest.FixtureRequest
) -> None:
    def answers(address: str) -> list[Any]:
        run = subprocess.run([*command("client", language, request), address], capture_output=True, timeout=60)
        assert run.returncode == 0, run.stderr.decode()
        return [json.loads(line) for line in run.stdout.splitlines()]

    direct = answers(server)
    assert len(direct) == 16
    assert answers(sidecar) == direct
