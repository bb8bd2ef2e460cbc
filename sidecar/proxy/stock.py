"""The transport that httpx2 brings: slower than ours by far, and the one with another pair of eyes on it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2

from sidecar.proxy.answer import Answer, Body, Failure, framing
from sidecar.proxy.headers import Header


class Stock:
    """Connections to `url`, a scheme and an authority. `name` is what messages call the backend."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = httpx2.URL(url)
        # httpx2.AsyncClient would share cookies between users and rewrite paths: only its transport is used.
        self._transport = httpx2.AsyncHTTPTransport(
            verify=self._url.scheme == "https",
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=4.0),
        )
        self._active = 0
        self._retired = False

    async def ask(self, method: str, target: bytes, request: list[Header], body: Body, patience: float) -> Answer:
        """The head of the answer is here when this returns. Raises Failure."""
        unframed = [header for header in request if header[0].lower() != b"content-length"]
        message = httpx2.Request(
            method,
            self._url,
            headers=unframed + framing(request, body),
            stream=httpx2.ByteStream(body) if isinstance(body, bytes) else _Upload(body),
            extensions={"target": target, "timeout": {"connect": patience or None}},
        )
        self._active += 1
        answer = None
        try:
            with _mapped(self._name):
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


class _HttpxAnswer(Answer):
    def __init__(self, stock: Stock, response: httpx2.Response) -> None:
        self.status = response.status_code
        self.headers = [(name.lower(), value) for name, value in response.headers.raw]
        self._stock = stock
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
            await self._stock._done()


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
