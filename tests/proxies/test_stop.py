"""A Stop passes through the proxies too, also while the backend is silent."""

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sidecar.tools.fakellm import FakeLLM
from tests.proxies import front
from tests.proxies.front import Front, standing

SILENT = b"GET /mixed HTTP/1.1\r\nhost: x\r\nx-fake: silence=60\r\n\r\n"


async def leave_in_silence(llm: FakeLLM, url: str) -> float:
    """A client asks, waits until the backend has the request, and leaves; when it left."""
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.write(SILENT)
    await llm.begun(1)
    writer.close()
    return time.monotonic()


@pytest.mark.parametrize(
    ("proxy", "config"),
    [
        (front.nginx, front.nginx_default()),
        (front.nginx, front.shipped("nginx.conf")),
        (front.haproxy, front.shipped("haproxy.cfg")),
    ],
    ids=["nginx default", "nginx shipped", "haproxy shipped"],
)
def test_a_client_that_leaves_in_silence_ends_the_generation(proxy: Front, config: str, tmp_path: Path) -> None:
    async def scene() -> tuple[str, float]:
        async with standing(proxy, config, tmp_path) as (llm, url):
            left = await leave_in_silence(llm, url)
            record = await asyncio.wait_for(llm.ended(1), 10)
            return record.state, (record.ended_at or 0) - left

    state, delay = asyncio.run(scene())
    print(f"\n{proxy.__name__}: the backend saw the Stop after {delay * 1000:.1f} ms")
    assert state == "cancelled" and delay < 1


def test_haproxy_by_default_hides_it(tmp_path: Path) -> None:
    async def scene() -> str:
        async with standing(front.haproxy, front.HAPROXY, tmp_path) as (llm, url):
            await leave_in_silence(llm, url)
            await asyncio.wait([asyncio.ensure_future(llm.ended(1))], timeout=1)
            return llm.records[0].state

    assert asyncio.run(scene()) == "streaming"
