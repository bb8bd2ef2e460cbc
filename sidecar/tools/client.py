"""A client that notes when each frame reaches it."""

import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, NamedTuple

import httpx2
import msgspec

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Only plain HTTP is asked here; without it a client loads every CA first, 40 ms of each measured TTFT."""


class Frame(NamedTuple):
    """One block of an event stream and when it arrived, by `time.monotonic()`."""

    at: float
    block: str

    @property
    def data(self) -> str:
        """What stands after `data:`, empty for a comment."""
        lines = [line[5:].removeprefix(" ") for line in self.block.splitlines() if line.startswith("data:")]
        return "\n".join(lines)

    @property
    def ping(self) -> bool:
        """Whether it only keeps the connection alive."""
        return self.block.startswith(":") and not self.data

    def envelope(self) -> dict[str, Any]:
        """The frame of the envelope; empty for what is none."""
        try:
            return msgspec.json.decode(self.data, type=dict)
        except msgspec.DecodeError:
            return {}

    @property
    def type(self) -> str:
        """The envelope's type, empty for a comment."""
        return str(self.envelope().get("type", ""))

    @property
    def message(self) -> str:
        """A status's message, empty for what is none."""
        return str(self.envelope().get("data", {}).get("message", "")) if self.type == "status" else ""

    @property
    def content(self) -> str:
        """The text in it, empty where it carries none."""
        return str(self.envelope().get("data", {}).get("content", ""))


@asynccontextmanager
async def asked(
    url: str, body: object = None, headers: dict[str, str] | None = None
) -> AsyncIterator[AsyncIterator[Frame]]:
    """The frames of an answer as they come; leaving the context early closes the connection, as a Stop does."""
    content = b"" if body is None else msgspec.json.encode(body)
    sent = {"accept": "text/event-stream", "content-type": "application/json", **(headers or {})}
    method = "GET" if body is None else "POST"
    async with httpx2.AsyncClient(timeout=60, verify=PLAIN, trust_env=False) as client:
        async with client.stream(method, url, content=content, headers=sent) as response:
            response.raise_for_status()
            async with aclosing(frames(response)) as heard:
                yield heard


async def frames(response: httpx2.Response) -> AsyncGenerator[Frame, None]:
    """Blocks of the body, each with the time of the read that ended it."""
    rest = b""
    async for data in response.aiter_bytes():
        at = time.monotonic()
        *blocks, rest = (rest + data).split(b"\n\n")
        for block in blocks:
            yield Frame(at, block.decode())
