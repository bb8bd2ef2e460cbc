"""The load generator sees what a proxy must not do to a stream."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bench.machine import built
from bench.proxies import backend
from bench.runs import Target, streams
from tests.tools import require

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OLD = 1


def stamp(number: int) -> bytes:
    return b"~%07d.%019d " % (number, OLD)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextmanager
def saying(answer: bytes, size: int) -> Iterator[int]:
    """The port of a server that gives one client this answer, in pieces of `size` bytes."""

    def serve() -> None:
        peer, _ = listening.accept()
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.recv(65536)
            for start in range(0, len(answer), size):
                peer.sendall(answer[start : start + size])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def loaded(answer: bytes, tokens: int, size: int = 1 << 20) -> dict[str, Any]:
    require("gcc", "apt-get install gcc libc6-dev")
    with saying(answer, size) as port:
        command = [str(built("load")), str(port), "/", "stream", "1", str(tokens)]
        done = subprocess.run(command, capture_output=True, timeout=20)
    said: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if said["errors"] else 0)
    return said


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_tokens_are_counted_however_they_are_cut(size: int) -> None:
    parts = [chunk(stamp(0)), chunk(stamp(1)[:9]), chunk(stamp(1)[9:] + stamp(2)), b"0\r\n\r\n"]
    said = loaded(HEAD + b"".join(parts), 3, size)
    assert (said["tokens"], said["answers"], said["errors"]) == (3, 1, 0)
    assert said["delay_p50"] > 0


def test_a_last_frame_that_repeats_the_answer_does_not_count() -> None:
    said = loaded(HEAD + chunk(stamp(0)) + chunk(stamp(1)) + chunk(stamp(0) + stamp(1)) + b"0\r\n\r\n", 2)
    assert (said["tokens"], said["errors"]) == (2, 0)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + chunk(stamp(0)) + chunk(stamp(2)) + b"0\r\n\r\n",
        HEAD + chunk(stamp(0)) + b"0\r\n\r\n",
        HEAD + chunk(stamp(0)) + chunk(stamp(1)) + chunk(stamp(2)),
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
    ids=["a token is lost", "it ends too early", "it has no end", "a status", "nothing"],
)
def test_what_is_wrong_is_an_error(answer: bytes) -> None:
    assert loaded(answer, 3)["errors"] > 0


@pytest.mark.parametrize("tokens", [2, 40], ids=["the first ends before the second begins", "they overlap"])
def test_steady_is_while_all_are_under_way(tokens: int) -> None:
    require("gcc", "apt-get install gcc libc6-dev")
    with backend(50) as server:
        run = streams(server, Target("", ""), 2, tokens)
    assert (run.tokens, run.answers, run.errors) == (2 * tokens, 2, 0)
    assert (run.steady_tokens > 0, run.steady > 0, run.edges != 0) == (tokens == 40,) * 3
