"""One answer of the fake backend: the switches, the pace, the bytes, and the record of what became of it."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask
from sidecar.tools.fakehttp import Connection
from sidecar.tools.speakers.speaker import Speaker, compact

JSON = "application/json"
Gap = Callable[[], float]
Tap = Callable[[bytes], None]


class Record(msgspec.Struct):
    """What became of one request. Times are `time.monotonic()`; `state` is streaming, finished, cancelled or broken."""

    id: int
    path: str
    model: str
    began_at: float
    state: str = "streaming"
    of: int = 0
    sent_at: list[float] = []
    ended_at: float | None = None
    cancelled_at: float | None = None

    @property
    def tokens(self) -> int:
        """How many have left."""
        return len(self.sent_at)

    def told(self) -> Json:
        """The record as JSON, with its count of tokens and its seconds so far."""
        seconds = (self.ended_at or time.monotonic()) - self.began_at
        counted: Json = msgspec.to_builtins(self)
        return counted | {"tokens": self.tokens, "seconds": seconds}


class Answer:
    """One answer given: the switches, the pace, the bytes. Cancelled from outside when its client goes."""

    def __init__(self, ask: Ask, speaker: Speaker, to: Connection, record: Record, gap: Gap, tap: Tap):
        self.ask = ask
        self.speaker = speaker
        self.to = to
        self.record = record
        self.gap = gap
        self.tap = tap
        self.speech = ask.speech()
        record.of = self.speech.tokens

    async def give(self) -> str:
        """Give it; the state it ended in."""
        await asyncio.sleep(self.ask.switch("silence") or 0)
        status = int(self.ask.switch("status") or 0)
        if "drop" in self.ask.switches:
            self.to.cut()
            return "broken"
        if status:
            return await self._refuse(status)
        return await (self._stream() if self.ask.streams else self._whole())

    async def _refuse(self, status: int) -> str:
        after = self.ask.switches.get("retry-after")
        body = compact(self.speaker.error(status, "refused, as it was asked for"))
        await self.to.respond(status, JSON, body, **({"retry-after": after} if after else {}))
        return "finished"

    async def _whole(self) -> str:
        for _ in range(self.speech.tokens):
            await asyncio.sleep(self.gap())
        await self.to.respond(200, JSON, compact(self.speaker.whole(self.ask, self.speech)))
        self.record.sent_at += [time.monotonic()] * self.speech.tokens
        return "finished"

    async def _stream(self) -> str:
        await self.to.begin(self.speaker.content_type)
        await asyncio.sleep(self.ask.switch("think") or 0)
        if "rate-limit" in self.ask.switches:
            return await self._fail(429, "Rate limit reached, please slow down")
        for piece in self.speaker.stream(self.ask, self.speech):
            broken = await self._fault()
            if broken:
                return broken
            if piece.token:
                await asyncio.sleep(self.gap())
            self.tap(piece.raw)
            await self.to.send(piece.raw)
            if piece.token:
                self.record.sent_at.append(time.monotonic())
        await self.to.finish()
        return "finished"

    async def _fault(self) -> str:
        """The fault that is due after this many tokens, as the state it leaves; empty where there is none."""
        if self._due("error-after"):
            return await self._fail(500, "The model fell over")
        if self._due("stall-after"):
            await asyncio.Event().wait()
        if self._due("eof-after"):
            await self.to.finish()
            return "broken"
        if self._due("cut-after") or self._due("reset-after"):
            self.to.cut(reset=self._due("reset-after"))
            return "broken"
        return ""

    def _due(self, switch: str) -> bool:
        after = self.ask.switch(switch)
        return after is not None and self.record.tokens >= after

    async def _fail(self, status: int, message: str) -> str:
        await self.to.send(self.speaker.in_band(self.speaker.error(status, message)))
        await self.to.finish()
        return "broken"
