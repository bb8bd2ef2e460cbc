"""Backends that are silent until a test says go, and what clients hear meanwhile."""

import asyncio

from tests.wire.backend import Script, Talk
from tests.wire.house import House
from tests.wire.message import Message, head

PING = b": ping\n\n"
WAITING = b'data: {"type":"status","data":{"message":"waiting"}}\n\n'
EVENT_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
MESSAGES = "/v1/messages"
WHOLE = b'{"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}'


def after(go: asyncio.Event, *parts: bytes, first: bytes = b"") -> Script:
    """`first`, silence until `go`, then these bytes; the last ones end the connection."""

    async def script(talk: Talk) -> None:
        await talk.send(first)
        await go.wait()
        await talk.send(*parts)
        talk.close()

    return script


def gone() -> asyncio.Event:
    """No silence at all."""
    event = asyncio.Event()
    event.set()
    return event


def events(*frames: bytes) -> bytes:
    return head(200, "Content-Type: text/event-stream", "X-Own: yes", "Connection: close") + b"".join(frames)


async def opened(config: str, asked: bytes, wanted: bytes, *parts: bytes, first: bytes = b"") -> tuple[bytes, Message]:
    """What the client had got when `wanted` was among it, and all of the answer that came after."""
    go = asyncio.Event()
    async with House(after(go, *parts, first=first), config) as house, house.client() as client:
        await client.send(asked)
        early = await client.until(wanted)
        go.set()
        return early, await client.reply()
