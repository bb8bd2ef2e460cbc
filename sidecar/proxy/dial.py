"""New connections to a backend: a name to addresses, the first address that answers, TLS over it."""

import asyncio
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from itertools import zip_longest
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

STAGGER_S = 0.25
"""What an address has to itself before the next is tried beside it (RFC 8305, 5: 250 ms)."""

_OPTIONS = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_USER_TIMEOUT", 30_000))

P = TypeVar("P", bound=asyncio.Protocol)


class Dialer:
    """The way to one url: http, https, `unix:///path` or `http+unix://%2Fpath`.

    `ca`, `cert` and `key` are files in PEM; without `ca` the system's store is trusted. `server_name` is what the
    certificate must say, where that is not the url's host; `verify` False trusts any.
    """

    def __init__(
        self, url: str, *, ca: str = "", cert: str = "", key: str = "", verify: bool = True, server_name: str = ""
    ) -> None:
        parts = urlsplit(url)
        self._path = {"unix": parts.path, "http+unix": unquote(parts.netloc)}.get(parts.scheme, "")
        host = parts.hostname or ""
        self._host = host if host.isascii() else host.encode("idna").decode()
        self._port = parts.port or (443 if parts.scheme == "https" else 80) if not self._path else 0
        self._secure = parts.scheme == "https"
        self._server_name = server_name or self._host
        self._files = ca, cert, key
        self._verify = verify
        self._context: ssl.SSLContext | None = None

    async def dial(self, protocol: Callable[[], P], patience: float) -> P:
        """A new connection. Raises TimeoutError after `patience` seconds (0: never), and OSError (SSLError is one)."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(patience or None):
            if self._path:
                return (await loop.create_unix_connection(protocol, self._path))[1]
            if self._secure and not self._context:
                # reading the system's store takes 20 ms, in which no stream would move
                self._context = await asyncio.to_thread(self._trust)
            sock = await connected(await resolved(self._host, self._port))
            with ExitStack() as undo:
                undo.callback(sock.close)
                name = self._server_name if self._context else None
                made = await loop.create_connection(protocol, sock=sock, ssl=self._context, server_hostname=name)
                undo.pop_all()
            return made[1]

    def _trust(self) -> ssl.SSLContext:
        ca, cert, key = self._files
        context = ssl.create_default_context(cafile=ca or None)
        context.set_alpn_protocols(["http/1.1"])
        if cert:
            context.load_cert_chain(cert, key or None)
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def resolved(host: str, port: int) -> list[tuple[int, Any]]:
    """The addresses of a host as (family, address), in the system's order but with the families in turn."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [(int(family), address) for family, _, _, _, address in found]
    first = [a for a in addresses if a[0] == addresses[0][0]]
    others = [a for a in addresses if a[0] != addresses[0][0]]
    return [a for pair in zip_longest(first, others) for a in pair if a]


async def connected(addresses: list[tuple[int, Any]], stagger: float = STAGGER_S) -> socket.socket:
    """A socket connected to the first address that answers; each has a head start over the next. Raises OSError.

    This is here because uvloop's `create_connection` knows no `happy_eyeballs_delay`.
    """
    if len(addresses) == 1:
        return await _connected(*addresses[0])
    waiting = deque(addresses)
    trials: list[asyncio.Task[socket.socket]] = []
    try:
        while True:
            if waiting:
                trials.append(asyncio.create_task(_connected(*waiting.popleft())))
            going = [trial for trial in trials if not trial.done()]
            if going:
                patience = stagger if waiting else None
                await asyncio.wait(going, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            won = next((trial for trial in trials if trial.done() and not trial.exception()), None)
            if won:
                trials.remove(won)
                return won.result()
            if not waiting and not going:
                raise OSError("; ".join(str(trial.exception()) for trial in trials))
    finally:
        for trial in trials:
            trial.add_done_callback(_forgotten)
            trial.cancel()


async def _connected(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(sock.close)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _OPTIONS:
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        await _connect(sock, address)
        undo.pop_all()
    return sock


async def _connect(sock: socket.socket, address: Any) -> None:
    """uvloop's `sock_connect` asks the resolver's four threads even for a number: 42 us of CPU against 21 here, and a
    place in the queue behind names that take long."""
    try:
        sock.connect(address)
    except BlockingIOError:
        loop = asyncio.get_running_loop()
        writable = asyncio.Event()
        loop.add_writer(sock, writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(sock)
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error)) from None


def _forgotten(trial: "asyncio.Task[socket.socket]") -> None:
    if not trial.cancelled() and not trial.exception():
        trial.result().close()
