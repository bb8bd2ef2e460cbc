"""How an app's stream ends for its client: well where it is whole, and broken where it failed."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sidecar import SidecarMiddleware
from tests.middleware.chat import KINDS, YAML, Chat, build
from tests.middleware.host import Host
from tests.middleware.test_streams import ASK, JSON
from tests.wire import eventually

pytestmark = pytest.mark.anyio

HALF = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'


def answering(*parts: bytes, config: str = "", raises: bool = False) -> Starlette:
    """An app whose generator says these parts and returns, or raises."""

    async def speech() -> Any:
        for part in parts:
            yield part
        if raises:
            raise ValueError("canary-7f3a")

    async def endpoint(request: Any) -> Any:
        return StreamingResponse(speech(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(SidecarMiddleware, config=YAML + config)
    return app


@pytest.mark.parametrize("kind", KINDS)
async def test_a_failure_breaks_the_connection_where_its_frame_could_be_skipped(kind: str) -> None:
    config = "defaults: { format: openai }"
    async with Host(build(Chat(fail_at=3), config)) as host:
        reply = await host.ask("POST", f"/chat/{kind}", JSON, body=ASK)
        assert not reply.whole and b'"error":{"message":"the app failed"' in reply.body


@pytest.mark.parametrize("format", ["openai", "passthrough"])
async def test_an_answer_that_was_cut_is_broken_off(format: str) -> None:
    """The server is not ours and knows of it by an exception."""
    async with Host(answering(HALF, config=f"defaults: {{ format: {format} }}")) as host:
        reply = await host.ask("GET", "/")
        assert not reply.whole and b'"error":{' in reply.body
        await eventually(lambda: [line for line in host.lines if '"outcome": "truncated"' in line])
        await eventually(lambda: [line for line in host.lines if "Unfinished" in line])
