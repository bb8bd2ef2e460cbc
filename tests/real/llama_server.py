"""llama.cpp's own HTTP server with the tiny model, from a wheel that is kept in `.cache/real`."""

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.process import Process, eventually
from tests.real import tiny_model
from tests.tools import alone, lacking

WHEEL = "xllamacpp==2026.10.11549"


@contextmanager
def llama_server(context: int = 65536, slots: int = 4) -> Iterator[str]:
    """Its base URL. `context` tokens are shared by all slots, so that streams side by side can overflow it."""
    with llama_process(context, slots) as (_, url):
        yield url


@contextmanager
def llama_process(context: int, slots: int) -> Iterator[tuple[Process, str]]:
    """The same, with the process to be killed."""
    packages = installed()
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "tiny.gguf"
        tiny_model.write(model, context)
        serve = str(Path(__file__).with_name("llama_serve.py"))
        env = os.environ | {"PYTHONPATH": str(packages)}
        with Process(serve, str(model), str(context), str(slots), env=env) as server:
            url = server.line(lambda line: line.startswith("listening ")).partition(" ")[2]
            eventually(lambda: httpx2.get(f"{url}/health").status_code == 200)
            yield server, url


def installed() -> Path:
    """The folder that the wheel is unpacked in, for this Python; the first time this asks the package index."""
    with alone("real") as cache:
        folder = cache / f"{WHEEL}-{sys.implementation.cache_tag}"
        if not folder.exists():
            unpack(folder)
    if sys.platform == "linux":
        try:
            ctypes.CDLL("libgomp.so.1")  # GNU OpenMP, which the wheel links and does not bring
        except OSError as error:
            lacking(f"{WHEEL}: {error}", "apt-get install libgomp1")
    return folder


def unpack(folder: Path) -> None:
    scratch = tempfile.mkdtemp(dir=folder.parent)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    run = subprocess.run([*pip, "--target", scratch, WHEEL], capture_output=True, text=True)
    if run.returncode:
        shutil.rmtree(scratch)
        lacking(WHEEL, run.stderr)
    os.rename(scratch, folder)
