"""The demo as a person runs it: whole, with and without a terminal, on its own backend and on another."""

import asyncio
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sidecar.tools import demo
from sidecar.tools.scenes import buffered
from sidecar.tools.scenes.cast import Cast
from sidecar.tools.show import Show, Verdict
from sidecar.tools.stage import Failed, Sidecar, free_port
from tests.tools import require

COMMAND = [sys.executable, "-m", "sidecar", "demo"]
PATIENCE = 120


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )


def test_every_scene_shows_what_it_should_and_the_report_is_left(tmp_path: Path) -> None:
    require("nginx", "apt-get install nginx")
    played = run("--report", str(tmp_path / "new"))
    assert played.returncode == 0, played.stdout + played.stderr
    assert re.findall(r"^    (ok|FAILED|skipped) ", played.stdout, re.M) == ["ok"] * 5
    assert "request 6 cancelled by its client after" in played.stdout and "generation" in played.stdout
    said = played.stdout.replace(str(tmp_path), "")
    assert "\x1b" not in said and max(map(len, said.splitlines())) <= 80
    lump, live = json.loads((tmp_path / "new" / "timestamps.json").read_text())["deliveries"]
    assert lump["tokens"] == live["tokens"] == len(live["at_s"]) == 40
    assert lump["ttft_s"] > 5 * live["ttft_s"] and live["tpot_s"] > 5 * lump["tpot_s"]
    assert ElementTree.parse(tmp_path / "new" / "deliveries.svg").getroot().tag.endswith("svg")


@contextmanager
def own_backend() -> Iterator[str]:
    """A server that the demo did not start."""
    command = [sys.executable, "-m", "sidecar.tools.fakellm", "--pace", "0.03"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield re.findall(r"http://\S+", process.stdout.readline())[0]
        finally:
            process.terminate()


@contextmanager
def at_a_terminal(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """The demo with a terminal as its standard input."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        os.close(theirs)
        try:
            yield process
        finally:
            process.kill()
            os.close(ours)


def test_at_a_terminal_it_stays_for_the_persons_own_curl() -> None:
    require("curl", "apt-get install curl")
    with own_backend() as backend, at_a_terminal("--backend", backend + "/v1/") as process:
        assert process.stdout
        lines: list[str] = []
        while not (lines and lines[-1].startswith("  -d ")):
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        curl = "".join(lines[-2:])
        answer = subprocess.run(curl, shell=True, capture_output=True, text=True, timeout=PATIENCE).stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, "".join(lines)
    frames = [line for line in answer.splitlines() if line.startswith("data: ")]
    assert json.loads(frames[0][6:])["type"] == "chunk" and json.loads(frames[-1][6:])["type"] == "complete"


def test_a_backend_that_is_not_there_is_said_in_a_sentence() -> None:
    played = run("--backend", f"http://127.0.0.1:{free_port()}")
    assert played.returncode == 1
    assert "The demo could not start" in played.stdout and "Traceback" not in played.stdout + played.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_all_that_it_started(number: signal.Signals) -> None:
    with at_a_terminal() as process:
        assert process.stdout
        port = re.findall(r"sidecar http://127.0.0.1:(\d+)", process.stdout.readline())[0]
        socket.create_connection(("127.0.0.1", int(port))).close()
        process.send_signal(number)
        assert process.wait(PATIENCE) == 130
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


async def alone(required: bool = False) -> Cast:
    """A cast without nginx, and with a sidecar that has nothing to say."""
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    return Cast(Sidecar(process), "m", nginx_required=required)


@pytest.mark.parametrize(("required", "state"), [(False, "skipped"), (True, "FAILED")])
def test_without_nginx_its_scene_is_left_out_and_says_how_to_get_it(required: bool, state: str) -> None:
    async def scene() -> Verdict:
        return await buffered.play(2, await alone(required), Show(out))

    out = io.StringIO()
    assert asyncio.run(scene()).state == state
    assert "apt-get install nginx" in out.getvalue()


@pytest.mark.parametrize("error", [Failed("it ended"), TimeoutError(), IndexError("no token")])
def test_a_scene_that_breaks_has_failed_and_the_next_one_plays(error: Exception) -> None:
    async def broken(number: int, cast: Cast, show: Show) -> Verdict:
        raise error

    async def scene() -> Verdict:
        return await demo.played(1, broken, await alone(), Show(io.StringIO()))

    assert asyncio.run(scene()).state == "FAILED"
