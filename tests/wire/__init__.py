"""The wire: a scripted backend, the real sidecar and a raw client, in one loop, on real sockets.

async def script(talk: Talk) -> None:
    await talk.send(answer(b"{}"))

async with House(script, "defaults: { format: passthrough }") as house:
    reply = await house.ask(request(body=b"{}"))
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

SECONDS = 10.0
"""How long anything may be waited for."""


async def eventually(look: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What `look` returns once that is true, looked at every 2 ms; AssertionError if that never comes."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not (seen := look()):
        assert loop.time() < deadline, f"after {seconds} s still {seen!r}: {inspect.getsource(look).strip()}"
        await asyncio.sleep(0.002)
    return seen
