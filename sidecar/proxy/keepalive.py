"""What a client hears while the backend is silent: the early opening, and pings between whole frames."""

from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.policy.config import Policy
from sidecar.policy.patience import NEVER
from sidecar.proxy.downstream import Downstream
from sidecar.stream.wires import Wire
from sidecar.telemetry.life import Life

Work = Callable[[], Coroutine[Any, Any, None]]


class KeepAlive:
    """Beside the path of one exchange. `open_early` starts the answer, where it `can_open`."""

    def __init__(
        self,
        policy: Policy,
        downstream: Downstream,
        wire: Wire,
        life: Life,
        can_open: bool,
        open_early: Work,
    ) -> None:
        self._interval = policy.ping.interval if policy.ping.shape != "off" else 0.0
        self._shape = policy.ping.shape
        after = policy.ping.interval if policy.open_after is None else policy.open_after
        self._open_after = after
        self._downstream = downstream
        self.wire = wire
        self._life = life
        self._open_early = open_early
        self._accepted = downstream.last_write
        self.can_open = can_open
        self.streaming = False  # the answer is, or was opened as, a stream
        self.blank_line_is_an_event = False  # to this client, so no comment may end in one

    def judge(self, now: float) -> float:
        """Do what is due now; the time at which to look again."""
        if not self._downstream.started:
            return self._when(now, self._accepted, self._open_after if self.can_open else 0.0, self._open)
        return self._when(now, self._downstream.last_write, self._interval if self.streaming else 0.0, self._ping)

    def _when(self, now: float, since: float, wait: float, act: Work) -> float:
        if not wait:
            return NEVER
        if now < since + wait:
            return since + wait
        if not self._downstream.busy and self.wire.at_boundary:
            self._downstream.beside(act())
        return now + wait

    async def _open(self) -> None:
        if not self._downstream.started:  # the answer may have come just now
            await self._open_early()
            words = self.wire.opening()
            await (self._say(words) if words or not self._interval else self._ping())

    async def _ping(self) -> None:
        await self._say(self.wire.ping(self._shape, self.blank_line_is_an_event))

    async def _say(self, data: bytes) -> None:
        if data:
            await self._downstream.keep_alive(data)
            self._life.pinged(len(data))
