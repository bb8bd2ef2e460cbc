"""What the middleware counts: streams, and all else that passes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from sidecar import SidecarMiddleware
from sidecar.telemetry.telemetry import Telemetry
from tests.middleware.chat import YAML, Chat, build
from tests.middleware.host import Host
from tests.middleware.test_streams import ASK, JSON
from tests.wire import eventually
from tests.wire.message import request

pytestmark = pytest.mark.anyio


async def test_it_is_measured_and_the_host_shows_it() -> None:
    telemetry = Telemetry(environ={})
    app = build(Chat(), None)
    app.add_middleware(SidecarMiddleware, config=YAML, telemetry=telemetry)
    async with Host(app) as host:
        await host.ask("POST", "/chat/async", JSON, body=ASK)
        await host.ask("GET", "/chat/sync")
        await host.ask("POST", "/validated", JSON, body=ASK)
        await host.ask("GET", "/json")
    page = telemetry.metrics_page().decode()
    counted = [line for line in page.splitlines() if line.startswith("sidecar_stream_outcomes_total{")]
    assert sorted((line.split('outcome="')[1].split('"')[0], line.split()[-1]) for line in counted) == [
        ("completed", "2.0"),
        ("rejected", "1.0"),
    ]
    assert 'server_address=""' not in page
    assert "sidecar_stream_active 0.0" in page


def counted(telemetry: Telemetry) -> Counter[tuple[str, str]]:
    """(method, status) of the requests."""
    families = text_string_to_metric_families(telemetry.metrics_page().decode())
    samples = (sample for family in families for sample in family.samples)
    return Counter(
        {
            (each.labels["http_request_method"], each.labels["http_response_status_code"]): int(each.value)
            for each in samples
            if each.name == "http_server_request_duration_seconds_count"
        }
    )


def said(host: Host, event: str = "request") -> list[dict[str, Any]]:
    return [line for line in map(json.loads, list(host.lines)) if line["event"] == event]


async def test_what_is_no_stream_is_counted_and_told_only_where_it_failed() -> None:
    spans = InMemorySpanExporter()
    telemetry = Telemetry(environ={}, spans=SimpleSpanProcessor(spans))
    app = build(Chat(), None)
    app.add_middleware(SidecarMiddleware, config=YAML, telemetry=telemetry)
    async with Host(app) as host:
        for method, path in (("GET", "/json"), ("HEAD", "/text"), ("GET", "/text"), ("GET", "/nothing")):
            await host.ask(method, path)
        await host.ask("POST", "/validated", JSON, body=ASK)
        await host.ask("GET", "/fails")
        lines = await eventually(lambda: len(found := said(host)) == 5 and found)
        streams = said(host, "stream")
    assert counted(telemetry) == {
        ("GET", "200"): 2,
        ("GET", "404"): 1,
        ("GET", "500"): 1,
        ("HEAD", "405"): 1,
        ("POST", "422"): 1,
    }
    assert [(line["path"], line["outcome"], line["level"]) for line in lines] == [
        ("/json", "completed", "debug"),
        ("/text", "rejected", "debug"),
        ("/text", "completed", "debug"),
        ("/nothing", "rejected", "debug"),
        ("/fails", "upstream_error", "warning"),
    ]
    assert lines[2]["bytes"] == len("one two") and lines[4]["status"] == 500
    assert [(line["outcome"], line["status"]) for line in streams] == [("rejected", 422)]
    assert streams[0]["bytes"] > 0
    finished = spans.get_finished_spans()
    assert [span.name for span in finished].count("GET") + [span.name for span in finished].count("HEAD") >= 5
    assert {span.kind.name for span in finished} >= {"SERVER"}


async def gone(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("canary-7f3a")


async def silent(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def half(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


@pytest.mark.parametrize(
    ("app", "outcome", "status"), [(gone, "upstream_error", 500), (silent, "truncated", 500), (half, "truncated", 200)]
)
async def test_an_app_that_ends_without_its_answer_has_failed(app: Any, outcome: str, status: int) -> None:
    telemetry = Telemetry(environ={})
    async with Host(SidecarMiddleware(app, YAML, telemetry), lifespan="off") as host, host.client() as client:
        await client.send(request("GET", "/"))
        (line,) = await eventually(lambda: said(host))
    assert (line["outcome"], line["status"], line["level"]) == (outcome, status, "warning")
    assert counted(telemetry) == {("GET", str(status)): 1}


async def test_it_ends_with_its_last_byte_and_not_with_what_runs_after_it() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def later() -> None:
        begun.set()
        await go.wait()

    async def endpoint(request: Any) -> Any:
        return PlainTextResponse("done", background=BackgroundTask(later))

    telemetry = Telemetry(environ={})
    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(SidecarMiddleware, config=YAML, telemetry=telemetry)
    async with Host(app) as host:
        await host.ask("GET", "/")
        await begun.wait()
        assert counted(telemetry) == {("GET", "200"): 1}
        go.set()


@pytest.mark.parametrize("asked", [ASK, b"{}"])
@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_a_client_that_leaves_in_mid_answer_is_nobodys_fault(version: str, asked: bytes) -> None:
    ended: list[str] = []

    async def words() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0)
        finally:
            ended.append("generator")

    async def endpoint(request: Any) -> Any:
        return StreamingResponse(words(), status_code=404, media_type="text/plain")

    left = asyncio.Event()

    async def speaking(scope: Any, receive: Any, send: Any) -> None:
        async def raising(message: Any) -> None:
            if version == "2.4" and left.is_set():
                raise OSError("gone")
            await send(message)

        with suppress(Exception):  # Starlette's ClientDisconnect
            await app({**scope, "asgi": {"version": "3.0", "spec_version": version}}, receive, raising)

    telemetry = Telemetry(environ={})
    app = Starlette(routes=[Route("/", endpoint, methods=["POST"])])
    app.add_middleware(SidecarMiddleware, config=YAML, telemetry=telemetry)
    async with Host(speaking, lifespan="off") as host:
        async with host.client() as client:
            await client.send(request("POST", "/", JSON, body=asked))
            await client.until(b"xxx")
        left.set()
        await eventually(lambda: ended)
        (line,) = await eventually(lambda: said(host) + said(host, "stream"))
    assert (line["outcome"], line["status"]) == ("client_left", 499)
    assert counted(telemetry) == {("POST", "499"): 1}
