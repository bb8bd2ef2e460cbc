"""Whatever flows through, and however slowly it is taken, the sidecar's memory stays where it was."""

from collections.abc import Iterator

import pytest

from tests.load.flow import Flow, Resident, ask, drain
from tests.sidecar_process import SidecarProcess

MOST = 4 << 20
GIB = 1 << 30
LONG = 100 << 20


@pytest.fixture(scope="module")
def flow() -> Iterator[Flow]:
    with Flow() as backend:
        yield backend


@pytest.fixture(scope="module")
def sidecar(flow: Flow) -> Iterator[SidecarProcess]:
    with SidecarProcess(flow.url) as process:
        for _ in range(3):  # what is loaded and allocated once is there before anything is measured
            upload(process, 8 << 20)
            for path, passthrough in (("/file/8388608", False), ("/flood/8388608", False), ("/flood/8388608", True)):
                with ask(process.url, path, passthrough=passthrough) as client:
                    drain(client)
        yield process


def upload(sidecar: SidecarProcess, size: int) -> bytes:
    with ask(sidecar.url, "/upload", body=size) as client:
        piece = b"u" * (1 << 20)
        for _ in range(size // len(piece)):
            client.sendall(piece)
        return client.recv(65536)


def test_an_upload_of_a_gibibyte(flow: Flow, sidecar: SidecarProcess) -> None:
    with Resident(sidecar.child.pid) as resident:
        assert upload(sidecar, GIB).startswith(b"HTTP/1.1 200")
    assert flow.received == GIB
    print(f"upload of 1 GiB: {resident.growth / 1024:.0f} KiB more")
    assert resident.growth < MOST


def test_a_download_of_a_gibibyte(sidecar: SidecarProcess) -> None:
    with Resident(sidecar.child.pid) as resident, ask(sidecar.url, f"/file/{GIB}") as client:
        assert drain(client) > GIB
    print(f"download of 1 GiB: {resident.growth / 1024:.0f} KiB more")
    assert resident.growth < MOST


@pytest.mark.parametrize("passthrough", [False, True], ids=["envelope", "passthrough"])
def test_a_fast_client_of_a_long_stream(sidecar: SidecarProcess, passthrough: bool) -> None:
    with Resident(sidecar.child.pid) as resident:
        with ask(sidecar.url, f"/flood/{LONG}", passthrough=passthrough) as client:
            assert drain(client) > LONG * 0.9
    print(f"stream of 100 MiB, passthrough {passthrough}: {resident.growth / 1024:.0f} KiB more")
    assert resident.growth < MOST


@pytest.mark.parametrize("passthrough", [False, True], ids=["envelope", "passthrough"])
def test_a_client_of_a_kilobyte_at_a_time(flow: Flow, sidecar: SidecarProcess, passthrough: bool) -> None:
    """Each kilobyte is taken when the backend could send nothing for a while: slower than one a second."""
    with Resident(sidecar.child.pid) as resident:
        with ask(sidecar.url, f"/flood/{LONG}", passthrough=passthrough, receive_buffer=4096) as client:
            for _ in range(4):
                sent = flow.blocked()
                assert client.recv(1024)
    print(f"1 KB at a time, passthrough {passthrough}: {resident.growth / 1024:.0f} KiB more, {sent} bytes on the way")
    assert sent < 12 << 20  # in the kernel's buffers, ours are 64 KiB
    assert resident.growth < MOST
