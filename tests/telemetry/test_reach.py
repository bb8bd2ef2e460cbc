"""Reachability over real sockets."""

import asyncio
import socket

from sidecar.telemetry.reach import Reach

from .exchange import Upstream


def test_an_open_port_is_reached_and_a_closed_one_is_named() -> None:
    async def main() -> dict[str, str]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            return await Reach().problems(
                [
                    Upstream("up", f"http://127.0.0.1:{listening.getsockname()[1]}"),
                    Upstream("down", f"http://127.0.0.1:{closed_port()}"),
                    Upstream("lost", "http://no-such-host.invalid:1"),
                ]
            )

    found = asyncio.run(main())
    assert found["up"] == ""
    assert "refused" in found["down"] and found["lost"] != ""


def test_an_answer_is_remembered_for_a_second() -> None:
    now = 0.0

    async def main() -> None:
        nonlocal now
        reach = Reach(lambda: now)
        listening = socket.create_server(("127.0.0.1", 0))
        backend = [Upstream("b", f"http://127.0.0.1:{listening.getsockname()[1]}")]
        assert await reach.problems(backend) == {"b": ""}
        listening.close()
        now = 0.9
        assert await reach.problems(backend) == {"b": ""}
        now = 1.0
        assert (await reach.problems(backend))["b"] != ""

    asyncio.run(main())


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
