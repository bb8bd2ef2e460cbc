"""uvicorn's server on our sockets and connections: what stands between a client and the app."""

import socket
from typing import Any

from sidecar.proxy.connection import Connection
from sidecar.proxy.edge import Edge, Limits

__all__ = ["Protocol", "address_of", "listen", "uvicorn_config"]

Protocol = Connection

_SEND_BUFFER = 128 << 10
_DEAD_AFTER_MS = 30_000


def listen(address: str) -> socket.socket:
    """A listening socket whose accepted connections notice dead and slow clients: its options are inherited."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, value in (
        ("TCP_USER_TIMEOUT", _DEAD_AFTER_MS),
        ("TCP_KEEPIDLE", 15),
        ("TCP_KEEPINTVL", 5),
        ("TCP_NOTSENT_LOWAT", _SEND_BUFFER),
    ):
        if hasattr(socket, option):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    try:
        sock.bind((host, int(port)))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{address}: {error.strerror or error}") from None
    return sock


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def uvicorn_config(app: Any, limits: Limits | None = None) -> Edge:
    """What uvicorn must be told for this app, wherever it runs."""
    return Edge(app, Protocol, limits)
