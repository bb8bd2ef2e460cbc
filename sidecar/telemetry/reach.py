"""Whether backends accept a TCP connection, asked about once a second at most."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence

from sidecar.telemetry import genai
from sidecar.telemetry.told import Backend

TIMEOUT_S = 1.0
FRESH_S = 1.0


class Reach:
    """Remembers each backend's last answer for `FRESH_S`; probes that come meanwhile wait for the same one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, tuple[float, str]] = {}
        self._asking = asyncio.Lock()

    async def problems(self, backends: Sequence[Backend]) -> dict[str, str]:
        """What is wrong with each backend, by its name; empty where nothing is."""
        async with self._asking:
            found = await asyncio.gather(*(self._problem(backend.url) for backend in backends))
        return {backend.name: problem for backend, problem in zip(backends, found, strict=True)}

    async def _problem(self, url: str) -> str:
        known = self._known.get(url)
        if known is not None and self._clock() - known[0] < FRESH_S:
            return known[1]
        problem = await _connect(*genai.address(url))
        self._known[url] = (self._clock(), problem)
        return problem


async def _connect(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return f"no answer from {host}:{port} within {TIMEOUT_S:g} s"
    except OSError as error:
        return f"{host}:{port}: {_reason(error)}"
    writer.close()
    return ""


def _reason(error: OSError) -> str:
    # asyncio's own text is "Connect call failed (...)"; a resolver's number is negative and not the system's.
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
