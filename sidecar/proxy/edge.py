"""What is true of all connections: their limits, and how many were refused."""

import logging
import resource
from collections import Counter
from typing import Any

import msgspec
import uvicorn

from sidecar.proxy.flow import FAREWELL_S
from sidecar.proxy.refusal import Refusal
from sidecar.telemetry import log

SHUTDOWN_S = 30
"""Seconds that streams in flight have after SIGTERM."""


def _connections() -> int:
    """A stream takes two descriptors, one each way; some are kept for the rest of the process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(10_000, max(16, (soft - 64) // 2)) if soft != resource.RLIM_INFINITY else 10_000


class Limits(msgspec.Struct, frozen=True):
    """Seconds: `head` from its first byte to its last, `idle` before a request's first byte, `body` between two reads
    of a body, `linger` for bytes that come after the end, `farewell` from a failed answer's last words to the break.
    `connections`: how many at once."""

    head: float = 10.0
    idle: float = 75.0
    body: float = 75.0
    linger: float = 5.0
    farewell: float = FAREWELL_S
    connections: int = msgspec.field(default_factory=_connections)


class Edge(uvicorn.Config):
    """uvicorn's configuration for this app, wherever it runs. `refused` counts by status what the app never saw."""

    def __init__(self, app: Any, protocol: Any, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.refused: Counter[int] = Counter()
        super().__init__(
            app,
            http=protocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )

    def refuse(self, refusal: Refusal, client: tuple[str, int] | None) -> None:
        """Count and log it; a flood of connections above the limit is logged at each power of two."""
        self.refused[refusal.status] += 1
        count = self.refused[refusal.status]
        if refusal.status != 503 or not count & (count - 1):
            address = client[0] if client else ""
            fields = {"status": refusal.status, "message": refusal.message, "hint": refusal.hint}
            log.event(logging.WARNING, "refused", **fields, client=address, count=count)
