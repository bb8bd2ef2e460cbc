"""The data loop's sign of life."""

import asyncio
import contextlib

import pytest

from sidecar.telemetry.heartbeat import Heartbeat


def test_age_is_the_time_since_the_last_beat() -> None:
    now = 10.0
    heartbeat = Heartbeat(lambda: now)
    now = 12.5
    assert heartbeat.age() == 2.5
    heartbeat.beat()
    assert heartbeat.age() == 0.0


def test_it_beats_and_tells_how_late() -> None:
    now, lags = 0.0, []

    async def main() -> None:
        nonlocal now
        told = asyncio.Event()

        def late(lag: float) -> None:
            lags.append(lag)
            told.set()

        heartbeat = Heartbeat(lambda: now, late)
        beating = asyncio.create_task(heartbeat.run(every=0.001))
        await asyncio.sleep(0)
        now = 7.0
        async with asyncio.timeout(5):
            await told.wait()
        assert heartbeat.age() == 0.0
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating

    asyncio.run(main())
    assert lags[0] == pytest.approx(6.999)
