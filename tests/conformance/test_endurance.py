"""Streams without an end through one process, ended in every way: its memory stays flat, and nothing is left open.

`SIDECAR_STREAMS` says how many; 60000 take some two minutes.
"""

import asyncio
import contextlib
import json
import os
import random
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.process import eventually
from tests.proxy.speech import DONE, ask, delta
from tests.proxy.test_memory import resident
from tests.sidecar_process import SidecarProcess
from tests.wire.backend import Backend, Talk
from tests.wire.client import Client
from tests.wire.message import END, parse_answer

pytestmark = pytest.mark.anyio

STREAMS = int(os.environ.get("SIDECAR_STREAMS", "4000"))
LEGS = 10
AT_ONCE = 80
WARM = 5
"""Legs after which all that is kept for the next stream is there."""
GROWTH_KB = 4096
"""A stream that was kept would be 24."""

FATES = ("whole", "whole", "cut", "reset", "drop")
FORMATS = ("envelope-v1", "envelope-v2", "openai", "passthrough")
TOKENS = [delta(f"word {number} ") for number in range(6)]
LAST = (delta(finish="stop"), DONE)


async def backend(talk: Talk) -> None:
    """Ends as the client's `X-Fate` says, after a few tokens."""
    fate = talk.asked.get("x-fate")
    # uvloop raises RuntimeError for a write to what was reset
    with contextlib.suppress(RuntimeError):
        if fate != "drop":
            await talk.stream(*TOKENS)
        if fate == "whole":
            await talk.say(*LAST)
            await talk.send(END)
        elif fate == "reset" and not talk.writer.is_closing():
            talk.reset()
        else:
            talk.close()


async def client(port: int, chance: random.Random) -> str:
    """Stays to the end, or leaves anywhere. What it got: a "whole" answer, which may be one that tells of a cut, a
    "cut" one, a refusal's status, or "left"."""
    asked = ask(f"X-Fate: {chance.choice(FATES)}", f"X-Stream-Format: {chance.choice(FORMATS)}")
    async with Client(port) as client:
        await client.send(asked)
        if chance.random() < 0.6:
            reply = await client.reply()
            return str(reply.status) if reply.status != 200 else "whole" if reply.whole else "cut"
        reads = chance.randrange(6)
        while reads and not client.ended and not parse_answer(client.received):
            await client.more(300)
            reads -= 1
        # before anything has come, a reset might overtake the request
        client.leave(reset=bool(client.received) and chance.random() < 0.5)
        return "left"


async def leg(port: int, count: int, chance: random.Random) -> Counter[str]:
    """So many streams, a number of them at any time."""
    got = Counter[str]()
    left = iter(range(count))

    async def one_after_another() -> None:
        for _ in left:
            got[await client(port, chance)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_another())
    return got


class Usage:
    """What a process holds."""

    def __init__(self, process: SidecarProcess) -> None:
        self._process = process
        self._folder = Path(f"/proc/{process.child.pid}")

    @property
    def kilobytes(self) -> int:
        return resident(self._process.child.pid, "VmRSS")

    @property
    def descriptors(self) -> int:
        """Without those of /dev/null: libuv keeps one for when there are no more."""
        return sum(os.readlink(link) != os.devnull for link in (self._folder / "fd").iterdir())

    @property
    def threads(self) -> int:
        return len(list((self._folder / "task").iterdir()))

    @property
    def streams(self) -> list[object]:
        with urllib.request.urlopen(f"{self._process.admin}/streams", timeout=10) as page:
            found: list[object] = json.load(page)["streams"]
        return found

    def told(self) -> int:
        return sum('"event": "stream"' in line for line in self._process.lines)


async def test_nothing_grows() -> None:
    chance, got = random.Random(7), Counter[str]()
    kilobytes, threads = list[int](), list[int]()
    with ExitStack() as stack:
        async with Backend(backend) as upstream:
            process = stack.enter_context(SidecarProcess(f"http://127.0.0.1:{upstream.port}"))
            usage, port = Usage(process), int(process.url.rpartition(":")[2])
            async with Client(port) as first:
                await first.send(ask("X-Fate: drop"))
                assert (await first.reply()).status == 502
                descriptors = usage.descriptors - 1
            for _ in range(LEGS):
                got += await leg(port, STREAMS // LEGS, chance)
                upstream.talks.clear()
                kilobytes.append(usage.kilobytes)
                threads.append(usage.threads)
        # the backend's end closed the connections that were kept for the next stream
        await asyncio.to_thread(eventually, lambda: usage.descriptors <= descriptors)
        await asyncio.to_thread(eventually, lambda: usage.told() == got.total() + 1)
        assert await asyncio.to_thread(lambda: usage.streams) == []
    print(f"\n{got.total()} streams, {dict(got)}: resident kilobytes {kilobytes}")
    assert got.keys() == {"whole", "cut", "502", "left"}
    assert max(threads) == threads[0]
    assert max(kilobytes[WARM:]) - kilobytes[WARM - 1] < GROWTH_KB
