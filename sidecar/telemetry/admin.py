"""The admin port: probes, metrics, and what is going on, on a thread and an event loop of its own.

It answers while the data loop is busy or stuck; that is its purpose. It takes no request for the backend.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sidecar.telemetry.heartbeat import Heartbeat
from sidecar.telemetry.reach import Reach
from sidecar.telemetry.redact import redacted
from sidecar.telemetry.server import Server
from sidecar.telemetry.told import Backend

STUCK_S = 30.0
STOP_S = 2.0

INDEX = """\
/livez    200 while the data loop runs, 503 when it has not for 30 s
/readyz   200 when requests are welcome, else 503 with the reason
/metrics  Prometheus
/config   the configuration in force, without secrets
/streams  the streams in flight
"""


@dataclass(frozen=True)
class AdminState:
    """What the admin port shows; each callable is called on the admin thread.

    `config_problem` is empty when a valid configuration is in force; `backends` are those that must accept a
    connection for readiness: none where the sidecar does not stand beside its backend.
    """

    heartbeat: Heartbeat
    metrics: Callable[[], bytes]
    streams: Callable[[], list[dict[str, Any]]]
    config: Callable[[], Any]
    config_problem: Callable[[], str]
    draining: Callable[[], bool]
    backends: Callable[[], Sequence[Backend]]


class AdminServer:
    """Serves `state` on `listen` ("host:port"; port 0 takes any free one, told by `port` after `start`)."""

    def __init__(self, listen: str, state: AdminState) -> None:
        self._listen = listen
        config = uvicorn.Config(
            app(state),
            loop="asyncio",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        self._server = Server(config)
        self._thread: Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Listen and serve; OSError when the address cannot be had."""
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, int(port)), family=family)
        except OSError as error:
            raise OSError(error.errno, f"{self._listen}: {os.strerror(error.errno or 0)}") from None
        self.port = listener.getsockname()[1]
        self._thread = Thread(target=self._serve, args=(listener,), name="admin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving; blocks for two seconds at most."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _serve(self, listener: socket.socket) -> None:
        asyncio.run(self._server.serve([listener]))


def app(state: AdminState) -> Starlette:
    """The admin port's pages."""
    reach = Reach()

    async def index(_: Request) -> Response:
        return PlainTextResponse(INDEX)

    async def livez(_: Request) -> Response:
        age = state.heartbeat.age()
        return _json({"live": age <= STUCK_S, "heartbeat_age_s": round(age, 3)}, 200 if age <= STUCK_S else 503)

    async def readyz(_: Request) -> Response:
        checks = [_config_check(state), _drain_check(state), *await _backend_checks(state, reach)]
        ready = all(check["ok"] for check in checks)
        return _json({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(state.metrics(), media_type=CONTENT_TYPE_LATEST)

    async def config(_: Request) -> Response:
        return _json(redacted(state.config()))

    async def streams(_: Request) -> Response:
        return _json({"streams": state.streams()})

    pages = {"/": index, "/livez": livez, "/readyz": readyz, "/metrics": metrics, "/config": config}
    return Starlette(routes=[Route(path, page) for path, page in {**pages, "/streams": streams}.items()])


def _config_check(state: AdminState) -> dict[str, Any]:
    return _check("config", state.config_problem(), "Correct the file; `sidecar check FILE` says where it is wrong.")


def _drain_check(state: AdminState) -> dict[str, Any]:
    problem = "draining: no new streams are wanted here" if state.draining() else ""
    return _check("draining", problem, "Nothing: the replica is going away. Send requests to another one.")


async def _backend_checks(state: AdminState, reach: Reach) -> list[dict[str, Any]]:
    problems = await reach.problems(state.backends())
    return [
        _check(f"upstream {name}", problem, f"Start the backend, or correct upstreams.{name}.url.")
        for name, problem in problems.items()
    ]


def _check(name: str, problem: str, remedy: str) -> dict[str, Any]:
    return {"name": name, "ok": False, "problem": problem, "do": remedy} if problem else {"name": name, "ok": True}


def _json(value: Any, status: int = 200) -> Response:
    body = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
    return Response(body, status, {"cache-control": "no-store"}, "application/json")
