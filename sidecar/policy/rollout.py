"""Another format for a share of the clients: who is on the new arm, and when the arm turns itself off."""

import zlib
from collections import deque
from collections.abc import Iterable

from sidecar.policy.config import Abort, Rollout

LEAST = 20
"""Streams of the arm within the window before its failures are a rate."""


def chosen(rollout: Rollout, headers: Iterable[tuple[bytes, bytes]], chance: float) -> bool:
    """Whether this client is on the new arm. `chance` (0 to 1) decides where there is no key to stick to."""
    if not rollout.percent:
        return False
    name = rollout.key.removeprefix("header:").encode()
    value = next((value for header, value in headers if header == name), None) if name else None
    point = chance if value is None else zlib.crc32(value) / 2**32
    return point * 100 < rollout.percent


class Arm:
    """The failures of one rule's new arm. Off once, off until a new one is made by a reload."""

    def __init__(self, abort: Abort) -> None:
        self._abort = abort
        self._streams: deque[tuple[float, bool]] = deque(maxlen=10_000)
        self._failures = 0
        self.off = False

    def ended(self, now: float, failed: bool) -> bool:
        """Count one stream; True if it was the one that turned the arm off."""
        if not self._abort.failure_rate or self.off:
            return False
        if len(self._streams) == self._streams.maxlen or (
            self._streams and self._streams[0][0] <= now - self._abort.window
        ):
            self._forget(now)
        self._streams.append((now, failed))
        self._failures += failed
        rate = 100 * self._failures / len(self._streams)
        self.off = len(self._streams) >= LEAST and rate >= self._abort.failure_rate
        return self.off

    def _forget(self, now: float) -> None:
        while self._streams and (
            self._streams[0][0] <= now - self._abort.window or len(self._streams) == self._streams.maxlen
        ):
            self._failures -= self._streams.popleft()[1]
