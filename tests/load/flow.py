"""A backend on bare sockets and threads that measures: how much it sent, when its client left."""

import socket
import threading
import time
from typing import Any, Self

CHUNK = b"x" * 65536
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}\n\n' % (b"y" * 900)
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)


class Flow:
    """One request at a time. Its path says what is answered:

    `/silent` nothing; `/tokens` a token every 5 ms; `/flood/BYTES` tokens of that many bytes in all, as fast as they
    are taken; `/file/BYTES` so many bytes with a length; `/upload` 200 once the body has been read.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Semaphore(0)
        self.left: list[float] = []  # when each client's close was seen
        self.received = 0
        self.sent = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()

    def blocked(self, seconds: float = 0.3) -> int:
        """Wait until nothing could be sent for so long; how many bytes were."""
        deadline = time.monotonic() + 30
        before, since = self.sent, time.monotonic()
        while time.monotonic() - since < seconds or not self.sent:
            assert time.monotonic() < deadline, "the backend was never held up"
            if self.sent != before:
                before, since = self.sent, time.monotonic()
            time.sleep(0.005)
        return self.sent

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (piece := connection.recv(65536)):
                    return
                head += piece
            head, _, body = head.partition(b"\r\n\r\n")
            self.sent, self.received = 0, len(body)
            self.asked.release()
            kind, _, size = head.split(b" ")[1].lstrip(b"/").partition(b"/")
            try:
                self._answer(connection, kind, int(size or 0), _length(head))
            except OSError:
                pass

    def _answer(self, connection: socket.socket, kind: bytes, size: int, length: int) -> None:
        if kind == b"upload":
            while self.received < length:
                self.received += len(connection.recv(1 << 20))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            return
        threading.Thread(target=self._watch, args=(connection,), daemon=True).start()
        if kind == b"silent":
            threading.Event().wait(60)
        elif kind == b"file":
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % size)
            self._send(connection, CHUNK, size)
        else:
            connection.sendall(STREAM)
            burst = TOKEN * 16 if kind == b"flood" else TOKEN
            self._send(connection, b"%x\r\n%s\r\n" % (len(burst), burst), size or 1 << 40, kind == b"tokens")
            connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(END), END))

    def _send(self, connection: socket.socket, piece: bytes, size: int, paced: bool = False) -> None:
        pace = threading.Event()
        while self.sent < size:
            connection.sendall(piece)
            self.sent += len(piece)
            if paced:
                pace.wait(0.005)

    def _watch(self, connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass
        self.left.append(time.monotonic())


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def ask(url: str, path: str, *, body: int = 0, passthrough: bool = False, receive_buffer: int = 0) -> socket.socket:
    """A raw connection to the sidecar with a request on it: a GET that asks for a stream, or a POST of `body` bytes."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(60)
    client.connect((host, int(port)))
    lines = [
        f"{'POST' if body else 'GET'} {path} HTTP/1.1",
        "host: x",
        "accept: text/event-stream",
        "connection: close",
    ]
    lines += [f"content-length: {body}", "content-type: application/octet-stream"] if body else []
    lines += ["x-stream-format: passthrough"] if passthrough else []
    client.sendall("\r\n".join([*lines, "", ""]).encode())
    return client


def drain(client: socket.socket) -> int:
    """Read to the end; how many bytes there were."""
    total = 0
    buffer = memoryview(bytearray(1 << 20))
    while count := client.recv_into(buffer):
        total += count
    return total


class Resident:
    """The resident memory of a process in bytes, and the most it was while the block ran."""

    def __init__(self, pid: int) -> None:
        self._status = f"/proc/{pid}/statm"
        self.before = self.most = self.now()

    def now(self) -> int:
        with open(self._status) as file:
            return int(file.read().split()[1]) * 4096

    @property
    def growth(self) -> int:
        return self.most - self.before

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._over.set()
        self._thread.join()
        self.most = max(self.most, self.now())

    def _look(self) -> None:
        while not self._over.wait(0.01):
            self.most = max(self.most, self.now())
