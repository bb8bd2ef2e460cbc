"""A backend as the relay sees it: which transport fetches its answers, and how their bodies become readable."""

import asyncio
import zlib
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy import headers
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
    """An answer whose body came compressed although it was asked not to be: the same, plain."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header

    async def read(self) -> bytes:
        while chunk := self._inflate.unconsumed_tail or await self._answer.read():
            try:
                # a little of it may be very much when it is inflated
                if plain := self._inflate.decompress(chunk, _BURST):
                    return plain
            except zlib.error as error:
                raise Failure("malformed", f"the backend's compressed answer is broken: {error}") from error
        if not self._inflate.eof:
            raise Failure("truncated", "the backend's compressed answer broke off")
        return b""

    async def aclose(self) -> None:
        await self._answer.aclose()


def decoded(answer: Answer) -> Answer | None:
    """The answer with a body that can be read; None where its content coding is not known."""
    coding = headers.get(answer.headers, b"content-encoding").strip().lower()
    if coding in ("", "identity"):
        return answer
    return Inflated(answer) if coding in ("gzip", "x-gzip", "deflate") else None


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
