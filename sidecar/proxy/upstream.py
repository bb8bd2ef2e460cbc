"""A backend as the relay sees it: which transport fetches its answers, and how their bodies become readable."""

import asyncio
import zlib
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy.answer import Answer as Answer
from sidecar.proxy.answer import Body as Body
from sidecar.proxy.answer import Failure as Failure
from sidecar.proxy.answer import Transport
from sidecar.proxy.dial import Dialer
from sidecar.proxy.headers import Header
from sidecar.proxy.pool import Pool
from sidecar.proxy.stock import Stock


class Backend:
    """An upstream and its pooled connections, HTTP/1.1; or the `transport` that stands for them."""

    def __init__(self, upstream: Upstream, transport: Transport | None = None) -> None:
        self.upstream = upstream
        host = urlsplit(upstream.url).netloc or "localhost"
        self.authority = host.encode("ascii" if host.isascii() else "idna")
        self._transport: Transport
        if transport:
            self._transport = transport
        elif upstream.transport == "lean":
            tls = upstream.tls
            self._transport = Pool(
                upstream.name,
                Dialer(
                    upstream.url,
                    ca=tls.ca,
                    cert=tls.cert,
                    key=tls.key,
                    verify=tls.verify == "on",
                    server_name=tls.server_name,
                ),
            )
        else:
            self._transport = Stock(upstream.name, upstream.url)

    def ask(
        self, method: str, target: bytes, request: list[Header], body: Body, timeouts: Timeouts
    ) -> Coroutine[Any, Any, Answer]:
        """The head of the answer is here when this is awaited. Raises Failure."""
        return self._transport.ask(method, target, request, body, timeouts.connect)

    async def retire(self) -> None:
        """No new request comes; the connections close when the last answer is over."""
        await self._transport.retire()


_BURST = 256 << 10


class Inflated(Answer):
    """An answer that says it is compressed although it was asked not to be: the same, plain. One that is not what it
    says passes as it is; a gzip body may have many members, as of servers that compress each chunk by itself."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self.end = answer.end
        self._left = b""  # read, and not inflated yet
        self._inflate: Any = None  # of the member that is being read
        self._members = 0
        self._plain = False

    async def read(self) -> bytes:
        while True:
            if not self._left or (not self._inflate and not self._plain and len(self._left) < 2):
                more = await self._answer.read()
                if not more:
                    return self._end()
                self._left += more
            if plain := self._next():
                return plain

    def _next(self) -> bytes:
        """What can be told of what was read; empty where there is nothing yet."""
        if not self._inflate and not self._plain:
            if len(self._left) < 2:
                return b""
            self._begin()
        if self._plain:
            left, self._left = self._left, b""
            return left
        if not self._inflate:
            return b""
        try:
            # a little of it may be very much when it is inflated
            plain: bytes = self._inflate.decompress(self._left, _BURST)
        except zlib.error as error:
            raise Failure("malformed", f"the backend's compressed answer is broken: {error}") from error
        self._left = self._inflate.unconsumed_tail
        if self._inflate.eof:
            self._left, self._inflate = self._inflate.unused_data, None
        return plain

    def _begin(self) -> None:
        """The next member, by its first two bytes; what follows the last one and is none, is nothing."""
        first = int.from_bytes(self._left[:2], "big")
        if first == 0x1F8B or (self._left[0] & 0x0F == 8 and first % 31 == 0):
            self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header
            self._members += 1
        elif self._members:
            self._left = b""
        else:
            self._plain = True

    def _end(self) -> bytes:
        if self._inflate:
            raise Failure("truncated", "the backend's compressed answer broke off")
        left, self._left = (b"", b"") if self._members else (self._left, b"")
        return left

    async def aclose(self) -> None:
        await self._answer.aclose()


_NOTHING = frozenset(("", "identity", "none", "utf-8", "utf8", "binary", "chunked"))
"""What servers write where a content coding stands and encodes nothing."""


def decoded(answer: Answer) -> Answer | None:
    """The answer with a body that can be read; None where its content coding is not known."""
    said = (value.decode("latin-1") for name, value in answer.headers if name == b"content-encoding")
    codings = [word for word in (word.strip().lower() for value in said for word in value.split(",")) if word]
    codings = [word for word in codings if word not in _NOTHING]
    if not codings:
        return answer
    return Inflated(answer) if len(codings) == 1 and codings[0] in ("gzip", "x-gzip", "deflate") else None


async def let_go(answer: Answer) -> None:
    """Read what little follows a stream's last word, so that its connection can be used again."""
    if answer.over:
        return
    try:
        async with asyncio.timeout(0.2):
            for _ in range(16):
                if not await answer.read():
                    break
    except (Failure, TimeoutError):
        pass
