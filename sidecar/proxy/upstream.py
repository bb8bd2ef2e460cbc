"""One attempt at the backend: a request goes out, an `Answer` comes back, and foreign exceptions end here."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

import httpx2

from sidecar.policy.config import Timeouts, Upstream
from sidecar.proxy import headers
from sidecar.proxy.headers import Header

Body = bytes | AsyncIterator[bytes]


class Failure(Exception):
    """The backend did not do its part. `outcome` is a word of the outcome table."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class Answer(Protocol):
    """A backend's answer. `read()` gives raw body bytes, b"" at a clean end, and raises Failure("truncated")."""

    status: int
    headers: list[Header]

    async def read(self) -> bytes: ...

    async def aclose(self) -> None: ...


class Backend:
    """An upstream and its pooled connections. `url` is http or https, HTTP/1.1."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        parts = urlsplit(upstream.url)
        self.authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
        self._prefix = parts.path.rstrip("/").encode()
        self._url = httpx2.URL(f"{parts.scheme}://{self.authority.decode()}")
        # httpx2.AsyncClient would share cookies between users and rewrite paths: only its transport is used.
        self._transport = httpx2.AsyncHTTPTransport(
            verify=parts.scheme == "https",
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=4.0),
        )
        self._active = 0
        self._retired = False

    async def ask(self, method: str, target: bytes, request: list[Header], body: Body, timeouts: Timeouts) -> Answer:
        """The head of the answer is here when this returns. Raises Failure."""
        framing = (
            [(b"content-length", b"%d" % len(body))]
            if isinstance(body, bytes)
            else [(b"transfer-encoding", b"chunked")]
        )
        if body == b"" and method in ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"):
            framing = []
        message = httpx2.Request(
            method,
            self._url,
            headers=request + framing,
            stream=httpx2.ByteStream(body) if isinstance(body, bytes) else _Upload(body),
            extensions={"target": self._prefix + target, "timeout": {"connect": timeouts.connect or None}},
        )
        self._active += 1
        answer = None
        try:
            with _mapped(self.upstream.name):
                answer = _HttpxAnswer(self, await self._transport.handle_async_request(message))
        finally:
            if answer is None:
                await self._done()
        return answer

    async def retire(self) -> None:
        """No new request comes; the connections close when the last answer is over."""
        self._retired = True
        if not self._active:
            await self._transport.aclose()

    async def _done(self) -> None:
        self._active -= 1
        if self._retired and not self._active:
            await self._transport.aclose()


class _Upload(httpx2.AsyncByteStream):
    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body


class _HttpxAnswer:
    def __init__(self, backend: Backend, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = [(name.lower(), value) for name, value in response.headers.raw]
        self._backend = backend
        self._response = response
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        self._chunks = aiter(response.stream)
        self._closed = False

    async def read(self) -> bytes:
        try:
            while not (chunk := await anext(self._chunks)):
                pass
        except StopAsyncIteration:
            return b""
        except httpx2.TransportError as error:
            raise Failure("truncated", f"the backend's answer broke off: {_words(error)}") from error
        return chunk

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._response.aclose()
            await self._backend._done()


class Inflated:
    """An answer whose body came compressed although it was asked not to be: the same, plain."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers
        self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its header

    async def read(self) -> bytes:
        while chunk := await self._answer.read():
            try:
                if plain := self._inflate.decompress(chunk):
                    return plain
            except zlib.error as error:
                raise Failure("malformed", f"the backend's compressed answer is broken: {error}") from error
        return self._inflate.flush()

    async def aclose(self) -> None:
        await self._answer.aclose()


def decoded(answer: Answer) -> Answer | None:
    """The answer with a body that can be read; None where its content coding is not known."""
    coding = headers.get(answer.headers, b"content-encoding").strip().lower()
    if coding in ("", "identity"):
        return answer
    return Inflated(answer) if coding in ("gzip", "x-gzip", "deflate") else None


@contextmanager
def _mapped(name: str) -> Iterator[None]:
    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise Failure("connect_timeout", f"{name} did not accept a connection in time") from error
    except httpx2.ConnectError as error:
        raise Failure("connect_failed", f"{name} cannot be reached: {_words(error)}") from error
    except httpx2.LocalProtocolError as error:
        raise Failure("rejected", f"the request cannot be forwarded: {_words(error)}") from error
    except httpx2.RemoteProtocolError as error:
        gone = "disconnected" in str(error)
        said = f"{name} closed the connection without an answer" if gone else f"{name} does not speak HTTP: {error}"
        raise Failure("connect_failed" if gone else "malformed", said) from error
    except httpx2.TransportError as error:
        raise Failure("connect_failed", f"{name} broke the connection before its answer: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


async def let_go(answer: Answer) -> None:
    """Read what little follows a stream's last word, so that its connection can be used again."""
    try:
        async with asyncio.timeout(0.2):
            for _ in range(16):
                if not await answer.read():
                    break
    except (Failure, TimeoutError):
        pass
