"""The admin port over real HTTP."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import pytest

from sidecar.telemetry.admin import AdminServer, AdminState
from sidecar.telemetry.heartbeat import Heartbeat
from sidecar.telemetry.telemetry import Telemetry

from .exchange import PROMPT, SECRET, Upstream, answered, telemetry
from .test_reach import closed_port


@dataclass
class World:
    now: float = 0.0
    problem: str = ""
    draining: bool = False
    backends: tuple[Upstream, ...] = ()
    told: Telemetry = field(default_factory=telemetry)
    port: int = 0

    def state(self) -> AdminState:
        return AdminState(
            heartbeat=Heartbeat(lambda: self.now),
            metrics=self.told.metrics_page,
            streams=lambda: self.told.streams(103.0),
            config=lambda: {"upstreams": [{"name": "b", "url": Upstream().url}], "admin": {"token": SECRET}},
            config_problem=lambda: self.problem,
            draining=lambda: self.draining,
            backends=lambda: self.backends,
        )

    def get(self, path: str) -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers["content-type"], body

    def json(self, path: str) -> tuple[int, Any]:
        status, kind, body = self.get(path)
        assert kind == "application/json"
        return status, json.loads(body)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    server = AdminServer("127.0.0.1:0", world.state())
    server.start()
    world.port = server.port
    yield world
    server.stop()
    assert "admin" not in {thread.name for thread in threading.enumerate()}


def test_livez_fails_when_the_data_loop_has_been_silent_for_30_s(world: World) -> None:
    assert world.json("/livez")[0] == 200
    world.now = 29.9
    assert world.json("/livez")[0] == 200
    world.now = 30.1
    assert world.json("/livez") == (503, {"live": False, "heartbeat_age_s": 30.1})


def test_readyz_is_yes_when_all_is_well(world: World) -> None:
    status, body = world.json("/readyz")
    assert (status, body["ready"]) == (200, True)


def test_readyz_says_what_is_wrong_and_what_to_do(world: World) -> None:
    world.problem = "sidecar.yaml:3:1: unknown key"
    world.draining = True
    world.backends = (Upstream("b", f"http://127.0.0.1:{closed_port()}"),)
    status, body = world.json("/readyz")
    failed = {check["name"]: check for check in body["checks"] if not check["ok"]}
    assert status == 503 and set(failed) == {"config", "draining", "upstream b"}
    assert failed["config"]["problem"] == world.problem
    assert "upstreams.b.url" in failed["upstream b"]["do"]


def test_readyz_reaches_the_backend(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        world.backends = (Upstream("b", f"http://127.0.0.1:{listening.getsockname()[1]}"),)
        assert world.json("/readyz")[0] == 200


def test_metrics_are_prometheus(world: World) -> None:
    answered(world.told).end("completed", 200, 101.5)
    status, kind, body = world.get("/metrics")
    assert status == 200 and kind.startswith("text/plain; version=")
    assert b"sidecar_stream_outcomes_total{" in body


def test_streams_show_no_content(world: World) -> None:
    life = answered(world.told)
    status, body = world.json("/streams")
    assert status == 200 and [row["id"] for row in body["streams"]] == [life.stream_id]
    assert PROMPT not in json.dumps(body)


def test_config_shows_no_secret(world: World) -> None:
    status, body = world.json("/config")
    assert status == 200 and body["upstreams"][0]["url"] == "http://10.0.0.7:8000/base"
    assert SECRET not in json.dumps(body)


def test_the_index_names_every_page(world: World) -> None:
    body = world.get("/")[2].decode()
    for page in ("/livez", "/readyz", "/metrics", "/config", "/streams"):
        assert page in body and world.get(page)[0] in (200, 503)
    assert world.get("/v1/chat/completions")[0] == 404


def test_a_taken_address_is_an_error_at_once(world: World) -> None:
    with pytest.raises(OSError):
        AdminServer(f"127.0.0.1:{world.port}", world.state()).start()


def test_it_listens_on_ipv6_too() -> None:
    server = AdminServer("[::1]:0", World().state())
    server.start()
    with socket.create_connection(("::1", server.port), timeout=5) as client:
        # to the end, so that no connection is still being accepted when the server stops
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200")
    server.stop()
