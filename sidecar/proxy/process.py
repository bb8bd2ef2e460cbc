"""The process: its sockets, its admin thread, its reloads, its signals."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from sidecar import __version__
from sidecar.proxy.app import Sidecar
from sidecar.proxy.reload import Source, Watch
from sidecar.proxy.server import address_of, listen, uvicorn_config
from sidecar.stream import dialects
from sidecar.telemetry import log, redact
from sidecar.telemetry.admin import AdminServer, AdminState
from sidecar.telemetry.server import Server
from sidecar.telemetry.telemetry import Telemetry


class Process(Server):
    """Ends when a signal says so, in order: uvicorn raises the signal again and so skips all that must follow."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def serve(source: Source) -> None:
    """Serve until a signal ends it. Raises Invalid for a bad configuration, OSError for an address in use."""
    dialects.load_all()
    rules = source.load()
    telemetry = Telemetry(__version__)
    app = Sidecar(rules, telemetry)
    # each stream takes two descriptors, and a shell's soft limit is often 1024 where the hard one is a million
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    edge = uvicorn_config(app)
    telemetry.refused(edge.refused)
    server = Process(edge)
    admin = AdminServer(
        rules.config.admin.listen,
        AdminState(
            heartbeat=telemetry.heartbeat,
            metrics=telemetry.metrics_page,
            streams=lambda: telemetry.streams(time.monotonic()),
            config=lambda: app.rules.config,
            # a refused file leaves the one in force: the gauge and the log tell of it, readiness must not
            config_problem=lambda: "",
            draining=lambda: server.should_exit,
            backends=lambda: [u for u in app.rules.config.upstreams if _beside(u.url)],
        ),
    )
    sock = listen(rules.config.listen)
    admin.start()
    helpers = [asyncio.create_task(telemetry.heartbeat.run())]
    if source.path:
        helpers.append(
            asyncio.create_task(
                Watch(source, rules, app.swap, lambda problem: telemetry.reload_failed(bool(problem))).run()
            )
        )
    host = rules.config.admin.listen.rpartition(":")[0]
    log.event(
        logging.INFO,
        "listening",
        listen=address_of(sock),
        admin=f"{host}:{admin.port}",
        config=source.name,
        upstreams=[redact.url(upstream.url) for upstream in rules.config.upstreams],
        format=rules.config.defaults.format,
        note="streams leave in this format, except where a rule says otherwise",
    )
    # what is loaded by now stays: to look through it again took 20 ms, in which no stream moved
    gc.collect()
    gc.freeze()
    # An exchange leaves nothing to the collector, and holds 130 objects that it need not look through again and again:
    # 400 streams cost it 75 ms at the usual 700, one pause of 25 among them
    gc.set_threshold(10_000, 10, 10)
    try:
        await server.serve(sockets=[sock])
    finally:
        for helper in helpers:
            helper.cancel()
        await app.aclose()
        admin.stop()
        await asyncio.to_thread(telemetry.shutdown)


def _beside(url: str) -> bool:
    """Whether a backend stands in this pod, so that readiness may depend on it."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
