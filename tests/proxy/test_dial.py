"""How a connection comes to be: addresses in turn, TLS that is believed for a reason, unix sockets."""

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sidecar.proxy.answer import Failure
from sidecar.proxy.dial import Dialer, connected, resolved
from sidecar.proxy.pool import Pool
from tests.tools import require
from tests.wire import SECONDS, eventually
from tests.wire.message import answer

pytestmark = pytest.mark.anyio

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]

CONFIG = """
[req]
distinguished_name = name
[name]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:backend.test, IP:127.0.0.1
authorityKeyIdentifier = keyid
"""


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and leaf.pem, its key within, that it signed; other-ca.pem signed nothing."""
    openssl = require("openssl", "apt-get install openssl")
    folder = tmp_path_factory.mktemp("papers")
    (folder / "config").write_text(CONFIG)

    def run(line: str) -> None:
        subprocess.run([openssl, *line.split()], cwd=folder, check=True, capture_output=True)

    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config config"
    for name in ("ca", "other-ca"):
        run(f"req -x509 {key} -keyout {name}.key -out {name}.pem -subj /CN={name} -extensions ca -days 2")
    run(f"req {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf")
    run(
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out leaf.crt -extfile config -extensions leaf"
    )
    (folder / "leaf.pem").write_bytes((folder / "leaf.crt").read_bytes() + (folder / "leaf.key").read_bytes())
    return folder


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer(b"hello"))
    writer.close()


@contextlib.asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def body(pool: Pool, patience: float = SECONDS) -> bytes:
    """What a GET brings; the pool is retired."""
    try:
        reply = await pool.ask("GET", b"/", [(b"host", b"backend.test")], b"", patience)
        parts = []
        try:
            while part := await reply.read():
                parts.append(part)
        finally:
            await reply.aclose()
    finally:
        await pool.retire()
    return b"".join(parts)


def over_tls(port: int, **options: Any) -> Pool:
    return Pool("backend", Dialer(f"https://127.0.0.1:{port}", **options))


def server_side(papers: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(papers / "leaf.pem")
    return context


async def test_a_certificate_is_checked_and_the_name_is_said(papers: Path) -> None:
    names: list[str | None] = []
    context = server_side(papers)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = lambda _, name, __: names.append(name)
    protocols = []

    async def telling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await hello(reader, writer)

    async with listening(telling, context) as port:
        ca = str(papers / "ca.pem")
        assert await body(over_tls(port, ca=ca, server_name="backend.test")) == b"hello"
        assert await body(over_tls(port, ca=ca)) == b"hello"
    assert names == ["backend.test", None]
    assert protocols == ["http/1.1"] * 2


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "certificate verify failed"),
        ({"ca": "other-ca.pem"}, "certificate verify failed"),
        ({"ca": "ca.pem", "server_name": "elsewhere.test"}, "Hostname mismatch"),
        ({"ca": "missing.pem"}, "No such file"),
    ],
)
async def test_a_certificate_that_is_not_believed(papers: Path, options: dict[str, Any], why: str) -> None:
    if "ca" in options:
        options = options | {"ca": str(papers / options["ca"])}
    async with listening(hello, server_side(papers)) as port:
        with pytest.raises(Failure, match=why) as failure:
            await body(over_tls(port, **options))
        assert failure.value.outcome == "connect_failed"
        assert await body(over_tls(port, **options | {"ca": "", "verify": False})) == b"hello"


async def test_a_client_shows_its_certificate(papers: Path) -> None:
    context = server_side(papers)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(papers / "ca.pem")
    ca, cert, crt, key = (str(papers / name) for name in ("ca.pem", "leaf.pem", "leaf.crt", "leaf.key"))
    async with listening(hello, context) as port:
        assert await body(over_tls(port, ca=ca, cert=cert)) == b"hello"
        assert await body(over_tls(port, ca=ca, cert=crt, key=key)) == b"hello"
        with pytest.raises(Failure) as failure:
            await body(over_tls(port, ca=ca))
        assert failure.value.outcome == "connect_failed"


@pytest.mark.parametrize("cut", [False, True], ids=["closed", "cut"])
async def test_a_body_up_to_the_close_needs_the_closing_word(papers: Path, cut: bool) -> None:
    """Without it anybody on the way could shorten the answer (RFC 9112, 9.8)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        if cut:
            writer.transport.abort()
        else:
            writer.close()

    async with listening(handle, server_side(papers)) as port:
        pool = over_tls(port, ca=str(papers / "ca.pem"))
        if cut:
            with pytest.raises(Failure) as failure:
                await body(pool)
            assert failure.value.outcome == "truncated"
        else:
            assert await body(pool) == b"hello"


async def test_a_handshake_that_nobody_answers() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(deaf) as port:
        with pytest.raises(Failure) as failure:
            await body(over_tls(port, verify=False), 0.05)
        assert failure.value.outcome == "connect_timeout"


async def test_a_server_that_does_not_speak_tls() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with listening(plain) as port:
        with pytest.raises(Failure) as failure:
            await body(over_tls(port, verify=False))
        assert failure.value.outcome == "connect_failed"


@pytest.mark.parametrize("form", ["unix://{}", "http+unix://{}"])
async def test_a_unix_socket(tmp_path: Path, form: str) -> None:
    path = str(tmp_path / "backend.sock")
    async with await asyncio.start_unix_server(hello, path):
        url = form.format(path if form.startswith("unix") else quote(path, safe=""))
        assert await body(Pool("backend", Dialer(url))) == b"hello"
    os.unlink(path)
    with pytest.raises(Failure) as failure:
        await body(Pool("backend", Dialer(f"unix://{path}")))
    assert failure.value.outcome == "connect_failed"


async def test_a_name_that_nobody_has() -> None:
    with pytest.raises(Failure, match="cannot be reached") as failure:
        await body(Pool("backend", Dialer("http://nobody.invalid:1")))
    assert failure.value.outcome == "connect_failed"


async def test_families_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    found = [(six, "a"), (six, "b"), (six, "c"), (four, "x"), (four, "y")]

    class Loop:
        async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
            return [(family, socket.SOCK_STREAM, 0, "", (host, 1)) for family, host in found]

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    order = await resolved("any", 1)
    assert [address[0] for _, address in order] == ["a", "x", "b", "y", "c"]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Addresses:
    """Loopback addresses that listen, refuse, or hear nobody: their queue of connections is full."""

    def __init__(self) -> None:
        self._sockets = contextlib.ExitStack()

    def __enter__(self) -> "Addresses":
        return self

    def __exit__(self, *exc: object) -> None:
        self._sockets.close()

    def listens(self) -> tuple[int, Any]:
        sock = self._sockets.enter_context(socket.socket())
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        return socket.AF_INET, sock.getsockname()

    def refuses(self) -> tuple[int, Any]:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            return socket.AF_INET, sock.getsockname()

    def hangs(self) -> tuple[int, Any]:
        sock = self._sockets.enter_context(socket.socket())
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        for _ in range(3):
            caller = self._sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(sock.getsockname())
        return socket.AF_INET, sock.getsockname()


@pytest.fixture
def addresses() -> Any:
    with Addresses() as made:
        yield made


async def test_the_first_address_that_answers_wins(addresses: Addresses) -> None:
    good = addresses.listens()
    for among in (
        [good],
        [addresses.refuses(), good],
        [addresses.hangs(), good],
        [addresses.hangs(), addresses.refuses(), good, addresses.listens()],
    ):
        held = descriptors()
        async with asyncio.timeout(SECONDS):
            with await connected(among, stagger=0.01) as sock:
                assert sock.getpeername() == good[1]
        await eventually(lambda held=held: descriptors() <= held)


async def test_a_refusal_does_not_wait_for_the_stagger(addresses: Addresses) -> None:
    async with asyncio.timeout(SECONDS):
        with await connected([addresses.refuses()] * 5 + [addresses.listens()], stagger=3600):
            pass


async def test_no_address_answers(addresses: Addresses) -> None:
    with pytest.raises(OSError, match="Errno 111.*; .*Errno 111"):
        await connected([addresses.refuses(), addresses.refuses()])


async def test_giving_up_leaves_no_trial(addresses: Addresses) -> None:
    among = [addresses.hangs(), addresses.hangs()]
    held, tasks = descriptors(), asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await connected(among, stagger=0.01)
    await eventually(lambda: asyncio.all_tasks() <= tasks and descriptors() <= held)


async def test_patience_is_for_the_whole_way(addresses: Addresses) -> None:
    family, (host, port) = addresses.hangs()
    with pytest.raises(Failure) as failure:
        await body(Pool("backend", Dialer(f"http://{host}:{port}")), 0.05)
    assert failure.value.outcome == "connect_timeout"
