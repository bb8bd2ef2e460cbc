"""What a client asked: the request as it came, and as much of its body as rules need to see."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote, unquote

from sidecar.policy.streams import Asked, read_body
from sidecar.proxy.upstream import Body

_READABLE = ("", "application/json", "text/plain", "application/x-www-form-urlencoded")  # curl -d says the last

_NOTHING = Asked()


class ClientLeft(Exception):
    """The client closed its connection before its request was whole."""


class Request:
    """One request. `target` is the path and query as they came, byte for byte; below the mount, if there is one.

    `first` has the first header of each name.
    """

    def __init__(self, scope: Any, receive: Any) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        root: str = scope.get("root_path", "")
        self.path: str = (scope["path"].removeprefix(root) if root else scope["path"]) or "/"
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.first: dict[bytes, bytes] = dict(reversed(self.headers))
        query = scope["query_string"]
        raw_path = scope.get("raw_path") or self.path.encode()
        exact: bytes | None = scope.get("extensions", {}).get("sidecar.target")
        target = exact or (raw_path + b"?" + query if query else raw_path)
        self.target = _below(root, target) or _spelt(self.path, query) if root else target
        self.asked = _NOTHING
        self.whole = False
        self._read = b""
        self._more = True
        self._uploaded: asyncio.Event | None = None  # where the body streams through

    def header(self, name: bytes) -> str:
        """The first header of that name, or the empty string; all names are lower-case here, as ASGI has them."""
        return self.first.get(name, b"").decode("latin-1")

    async def inspect(self, limit: int) -> None:
        """Read a JSON body of up to `limit` bytes and what it asks for; leave any other to stream through."""
        length = self.header(b"content-length")
        if not length and not self.header(b"transfer-encoding"):
            self._more = False
        elif self._readable() and not (length.isdecimal() and int(length) > limit):
            await self._keep(limit)
        self.whole = not self._more
        if not self.whole:
            self._uploaded = asyncio.Event()
        elif self._read:
            self.asked = read_body(self._read)

    def left(self) -> Awaitable[None]:
        """Done when the client has closed its connection."""
        # ASGI tells it only behind all of the body, which may wait for a backend that does not read
        left: Callable[[], Awaitable[None]] = self.scope.get("extensions", {}).get("sidecar.left", self._behind_body)
        return left()

    async def _behind_body(self) -> None:
        if self._uploaded:
            await self._uploaded.wait()
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def body(self) -> Body:
        """The body for the backend: bytes if it is whole, else what was read and then the rest as it comes."""
        read, self._read = self._read, b""
        return read if self.whole else self._rest(read)

    def _readable(self) -> bool:
        kind = self.header(b"content-type").partition(";")[0].strip().lower()
        return (kind in _READABLE or kind.endswith("+json")) and not self.header(b"content-encoding")

    async def _keep(self, limit: int) -> None:
        parts: list[bytes] = []
        size = 0
        while self._more and size <= limit:
            part = await self._next()
            size += len(part)
            parts.append(part)
            if len(parts) == 1 and part.lstrip()[:1] not in (b"", b"{", b"["):
                break
        self._read = b"".join(parts)

    async def _next(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        self._more = message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def _rest(self, read: bytes) -> AsyncIterator[bytes]:
        try:
            if read:
                yield read
            while self._more:
                if part := await self._next():
                    yield part
        finally:
            # an early answer ends the upload before its end, and the client may still leave
            if self._uploaded:
                self._uploaded.set()


def _below(root: str, target: bytes) -> bytes:
    """The target without the path that an app is mounted at; empty where it spells that with other slashes."""
    path, mark, query = target.partition(b"?")
    steps = path.split(b"/")
    for depth in range(1, len(steps) + 1):
        if unquote(b"/".join(steps[:depth]).decode("latin-1")) == root:
            return b"/" + b"/".join(steps[depth:]) + mark + query
    return b""


def _spelt(path: str, query: bytes) -> bytes:
    return quote(path).encode() + (b"?" + query if query else b"")
