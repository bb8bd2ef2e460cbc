"""What a client hears while the backend is silent: the early opening, and pings between whole frames."""

from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.policy.config import Policy
from sidecar.policy.patience import NEVER
from sidecar.proxy.reply import Reply
from sidecar.telemetry.life import Life

Work = Callable[[], Coroutine[Any, Any, None]]


class KeepAlive:
    """Beside the path of one exchange: what its client hears when there is nothing to say."""

    def __init__(self, policy: Policy, reply: Reply, life: Life) -> None:
        self._interval = policy.ping.interval if policy.ping.shape != "off" else 0.0
        self._shape = policy.ping.shape
        self._open_after = policy.ping.interval if policy.open_after is None else policy.open_after
        self._reply = reply
        self._downstream = reply.downstream
        self._life = life
        self._accepted = reply.downstream.last_write

    def judge(self, now: float) -> float:
        """Do what is due now; the time at which to look again, early enough for what may begin until then."""
        reply = self._reply
        if self._downstream.started:
            return self._when(now, self._downstream.last_write, self._interval if reply.streaming else 0.0, self._ping)
        due = self._when(now, self._accepted, self._open_after if reply.can_open else 0.0, self._open)
        expected = self._interval and (reply.asked or reply.streaming)
        return min(due, now + self._interval) if expected else due

    def _when(self, now: float, since: float, wait: float, act: Work) -> float:
        if not wait:
            return NEVER
        if now < since + wait:
            return since + wait
        if not self._downstream.busy and self._reply.wire.at_boundary:
            self._downstream.beside(act())
        return now + wait

    async def _open(self) -> None:
        if not self._downstream.started:  # the answer may have come just now
            await self._reply.open()
            words = self._reply.wire.opening()
            await (self._say(words) if words or not self._interval else self._ping())

    async def _ping(self) -> None:
        await self._say(self._reply.wire.ping(self._shape, self._reply.blank_line_is_an_event))

    async def _say(self, data: bytes) -> None:
        if data:
            await self._downstream.keep_alive(data)
            self._life.pinged(len(data))
