"""Resident memory is bounded whatever passes through, and a slow client slows the backend."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proxy.speech import ask, delta
from tests.sidecar_process import SidecarProcess
from tests.wire.house import SECRET
from tests.wire.message import head, request

GROWTH_KB = 4096
GIB = 1 << 30
BIG = 100 << 20
PIECE = b"x" * (1 << 20)

Serve = Callable[[socket.socket, bytes], None]


class Backend:
    """A blocking server: `serve` gets each connection, with the request's head. `sent` counts what it got rid of."""

    def __init__(self, serve: Serve) -> None:
        self.sent = 0
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connection.recv(65536)
            try:
                self._serve(connection, asked)
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def resident(pid: int, what: str) -> int:
    """Kilobytes: VmRSS is now, VmHWM the most since `forget`."""
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def forget(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def running(serve: Serve, *arguments: str) -> Iterator[tuple[Backend, SidecarProcess, int]]:
    backend = Backend(serve)
    try:
        with SidecarProcess(backend.url, *arguments) as sidecar:
            yield backend, sidecar, int(sidecar.url.rpartition(":")[2])
            assert not [line for line in sidecar.lines if SECRET in line]
    finally:
        backend.close()


@contextmanager
def growth(sidecar: SidecarProcess) -> Iterator[list[int]]:
    """The most that resident memory grew meanwhile, in kilobytes."""
    pid = sidecar.child.pid
    forget(pid)
    before, grown = resident(pid, "VmRSS"), [0]
    yield grown
    grown[0] = resident(pid, "VmHWM") - before


def drink(port: int, asked: bytes) -> tuple[int, bytes]:
    """Read an answer to the end of the connection; how many bytes, and the last of them."""
    count, last = 0, b""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(asked)
        while data := client.recv(1 << 20):
            count += len(data)
            last = (last + data)[-400:]
    return count, last


def test_a_large_download(capsys: pytest.CaptureFixture[str]) -> None:
    def serve(connection: socket.socket, asked: bytes) -> None:
        size = int(asked.split(b"/", 1)[1].split(b" ")[0])
        connection.sendall(head(200, "Content-Type: application/octet-stream", f"Content-Length: {size}"))
        for _ in range(size >> 20):
            connection.sendall(PIECE)

    with running(serve) as (_, sidecar, port):
        drink(port, request("GET", f"/{64 << 20}", "Connection: close"))
        with growth(sidecar) as grown:
            count, _ = drink(port, request("GET", f"/{GIB}", "Connection: close"))
        assert count > GIB
        report(capsys, "a download of 1 GiB", grown)


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_large_upload(framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(connection: socket.socket, asked: bytes) -> None:
        got, last = asked.partition(b"\r\n\r\n")[2], b""
        count = len(got)
        buffer = bytearray(1 << 20)
        while not last.endswith(b"the end" if framing == "length" else b"the end\r\n0\r\n\r\n"):
            size = connection.recv_into(buffer)
            count += size
            last = (last + bytes(buffer[max(0, size - 40) : size]))[-40:]
        connection.sendall(head(200, "Content-Length: 2", "Connection: close") + b"ok")

    def upload(port: int, size: int) -> None:
        framed = f"Content-Length: {size + 7}" if framing == "length" else "Transfer-Encoding: chunked"
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(request("POST", "/", "Content-Type: application/octet-stream", "Connection: close", framed))
            for _ in range(size >> 20):
                client.sendall(PIECE if framing == "length" else b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
            client.sendall(b"the end" if framing == "length" else b"7\r\nthe end\r\n0\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

    with running(serve) as (_, sidecar, port):
        upload(port, 64 << 20)
        with growth(sidecar) as grown:
            upload(port, GIB)
        report(capsys, f"an upload of 1 GiB in {framing}", grown)


def talks(frame: bytes) -> Serve:
    """Says a frame for so many bytes as the request's path has, and the end."""
    block = frame * max(1, (256 << 10) // len(frame))

    def serve(connection: socket.socket, asked: bytes) -> None:
        size = int(asked.split(b"?", 1)[1].split(b" ")[0])
        connection.sendall(head(200, "Content-Type: text/event-stream", "Connection: close"))
        for _ in range(size // len(block)):
            connection.sendall(block)
        connection.sendall(delta(finish="stop") + b"data: [DONE]\n\n")

    return serve


FRAMES = {"tokens of a word": delta("word"), "tokens of a page": delta("x" * 2000)}


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_large_stream(frame: bytes, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    def asked(size: int) -> bytes:
        return ask("Connection: close", path=f"/v1/chat/completions?{size}")

    with running(talks(frame), "--format", format) as (_, sidecar, port):
        drink(port, asked(1 << 20))
        with growth(sidecar) as grown:
            count, last = drink(port, asked(BIG))
        assert count > BIG // 4 and (b'"complete"' if format == "envelope-v1" else b"[DONE]") in last
        report(capsys, f"a {format} stream of 100 MB", grown)


@pytest.mark.parametrize("format", ["envelope-v1", "passthrough"])
def test_a_slow_client(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It takes 1 KB a second, as long as it takes for the backend to be held up, and leaves."""
    stopped = threading.Event()

    frame = delta("x" * 2000)
    short = talks(frame)

    def serve(connection: socket.socket, asked: bytes) -> None:
        if b"?" in asked:
            short(connection, asked)
            return
        connection.sendall(head(200, "Content-Type: text/event-stream", "Connection: close"))
        connection.settimeout(2)
        try:
            while backend.sent < BIG:
                connection.sendall(frame)
                backend.sent += len(frame)
        except TimeoutError:
            stopped.set()
        connection.settimeout(None)
        connection.recv(1)

    with running(serve, "--format", format) as (backend, sidecar, port), socket.socket() as client:
        drink(port, ask("Connection: close", path=f"/v1/chat/completions?{1 << 20}"))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.connect(("127.0.0.1", port))
        with growth(sidecar) as grown:
            client.sendall(ask())
            while not stopped.wait(1):
                assert client.recv(1024)
        report(capsys, f"a slow client of {format} (the backend got rid of {backend.sent >> 10} KB)", grown)
        assert backend.sent < 16 << 20
        client.close()
        sidecar.told(event="stream", outcome="client_left")


def report(capsys: pytest.CaptureFixture[str], what: str, grown: list[int]) -> None:
    with capsys.disabled():
        print(f"\n{what}: resident memory grew by {grown[0]} KB at most")
    assert grown[0] < GROWTH_KB
