"""When a client leaves, the backend sees it at once: before the head, in mid-stream, and while nothing is read."""

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.load.flow import Flow, ask
from tests.process import eventually
from tests.sidecar_process import SidecarProcess

TRIES = 50
AT_ONCE_S = 0.1


@pytest.fixture(scope="module")
def flow() -> Iterator[Flow]:
    with Flow() as backend:
        yield backend


@pytest.fixture(scope="module")
def sidecar(flow: Flow) -> Iterator[SidecarProcess]:
    with SidecarProcess(flow.url) as process:
        yield process


def delay(flow: Flow, sidecar: SidecarProcess, phase: str) -> float:
    """Seconds from the client's close to the backend's knowledge of it."""
    path = {"prefill": "/silent", "mid-stream": "/tokens", "not reading": "/flood"}[phase]
    before = len(flow.left)
    client = ask(sidecar.url, path, receive_buffer=4096 if phase == "not reading" else 0)
    assert flow.asked.acquire(timeout=20)
    if phase == "mid-stream":
        while b'"chunk"' not in client.recv(65536):
            pass
    elif phase == "not reading":
        flow.blocked(0.05)
    left_at = time.monotonic()
    client.close()
    eventually(lambda: len(flow.left) > before)
    return flow.left[-1] - left_at


@pytest.mark.parametrize("phase", ["prefill", "mid-stream", "not reading"])
def test_the_backend_sees_the_client_leave_at_once(flow: Flow, sidecar: SidecarProcess, phase: str) -> None:
    delays = [delay(flow, sidecar, phase) for _ in range(TRIES)]
    median = statistics.median(delays)
    print(f"{phase}: median of {TRIES} {median * 1000:.1f} ms, slowest {max(delays) * 1000:.1f} ms")
    assert median < AT_ONCE_S
