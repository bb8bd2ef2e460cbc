"""uvicorn, bounded and honest: what stands between a client's socket and the app."""

import asyncio
import socket
import struct
import urllib.parse
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

SHUTDOWN_S = 30
"""Seconds that streams in flight have after SIGTERM."""

_SEND_BUFFER = 128 << 10
_DEAD_AFTER_MS = 30_000


class Cycle(RequestResponseCycle):
    """One request and its response. uvicorn chunks answers to HTTP/1.0 clients too, which cannot read chunks."""

    _close_delimited = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            if self.scope["http_version"] == "1.0" and not _has_length(message):
                self._close_delimited = True
                self.chunked_encoding = False
            await super().send(message)
            if message["status"] in (204, 304):
                self.expected_content_length = 0
            return
        if self._close_delimited:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)

    def abort(self) -> None:
        """Break the connection: the client sees an error, not an end.

        A chunked or counted body is short without its end, and what is on its way may still arrive. A
        close-delimited one needs a reset, since its close is its end.
        """
        self.disconnected = True
        self.message_event.set()
        if self._close_delimited or self.flow.write_paused:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


def _has_length(message: Any) -> bool:
    return any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))


class Protocol(HttpToolsProtocol):
    """One connection."""

    def on_headers_complete(self) -> None:
        method = self.parser.get_method().decode("ascii")
        version = self.parser.get_http_version()
        if method == "CONNECT":
            # its target is an authority, not a path: the app serves `/` with its 501
            self.url = b"/"
            self.headers.append((b"upgrade", b"connect"))
        url = httptools.parse_url(self.url)
        raw_path = url.path or b"/"
        scope: Any = self.scope
        scope["method"] = method
        scope["http_version"] = version
        scope["raw_path"] = raw_path
        scope["path"] = urllib.parse.unquote(raw_path.decode("latin-1"))
        scope["query_string"] = url.query or b""
        # trailers are appended to the list that the parser fills
        scope["headers"] = list(self.headers)
        before, self.cycle = (
            self.cycle,
            Cycle(
                scope=self.scope,
                transport=self.transport,
                flow=self.flow,
                logger=self.logger,
                access_logger=self.access_logger,
                access_log=False,
                default_headers=self.server_state.default_headers,
                message_event=asyncio.Event(),
                expect_100_continue=self.expect_100_continue,
                keep_alive=version != "1.0" and self.parser.should_keep_alive(),
                on_response=self.on_response_complete,
            ),
        )
        # ASGI cannot tell `/a?` from `/a`
        target = self.url if url.schema is None else b"?".join(filter(None, (raw_path, url.query)))
        scope["extensions"] = {"sidecar.abort": self.cycle.abort, "sidecar.target": target}
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _unsupported_upgrade_warning(self) -> None:
        """The app answers 501 and says why."""


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
    sock.bind((host, int(port)))
    sock.listen(2048)
    return sock


def address_of(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def uvicorn_config(app: Any) -> uvicorn.Config:
    """What uvicorn must be told for this app, wherever it runs."""
    return uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
