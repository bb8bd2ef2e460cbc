"""A sign of life of the data loop, that another thread may read."""

import asyncio
import time
from collections.abc import Callable


class Heartbeat:
    """The time of the data loop's last beat; `late` is told by how many seconds each beat came too late."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, late: Callable[[float], None] | None = None
    ) -> None:
        self._clock = clock
        self._late = late
        self._last = clock()

    def beat(self) -> None:
        """The loop runs."""
        self._last = self._clock()

    def age(self) -> float:
        """Seconds since the last beat."""
        return self._clock() - self._last

    async def run(self, every: float = 1.0) -> None:
        """Beat until cancelled."""
        while True:
            due = self._clock() + every
            await asyncio.sleep(every)
            self.beat()
            if self._late is not None:
                self._late(max(0.0, self._last - due))
