"""How an app's stream ends for its client: well where it is whole, and broken where it failed."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, sse
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

from sidecar import SidecarMiddleware
from tests.middleware.chat import KINDS, YAML, Chat, build, frames
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


HOME_MADE = (b'data: {"content": "Hel"}\n\n', b'data: {"content": "lo"}\n\n')
LONG = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":"length"}]}\n\n'


async def said_by(app: Any) -> tuple[dict[str, Any], str]:
    """The last word that a client of the envelope gets, and the outcome."""
    async with Host(app) as host:
        reply = await host.ask("GET", "/")
        (told,) = await eventually(lambda: [line for line in host.lines if '"event": "stream"' in line])
    assert reply.whole
    return frames(reply.body)[-1], json.loads(told)["outcome"]


@pytest.mark.parametrize(
    "parts",
    [
        HOME_MADE,
        (b'data: {"text": "Hel"}\n\n', b'data: {"text": "lo"}\n\n'),
        (b'{"answer": "Hel"}\n', b'{"answer": "lo"}\n'),
    ],
)
async def test_a_generator_that_returned_has_ended_its_answer(parts: tuple[bytes, ...]) -> None:
    last, outcome = await said_by(answering(*parts))
    assert (last["data"]["final_response"], last["data"]["finish_reason"], outcome) == ("Hello", "stop", "completed")


async def test_fastapis_own_events_have_no_mark_of_their_end() -> None:
    app = FastAPI()

    @app.get("/", response_class=sse.EventSourceResponse)
    async def speech() -> AsyncIterator[dict[str, str]]:
        yield {"content": "Hel"}
        yield {"content": "lo"}

    app.add_middleware(SidecarMiddleware, config=YAML)
    last, outcome = await said_by(app)
    assert (last["data"]["final_response"], outcome) == ("Hello", "completed")


async def test_nor_have_those_of_sse_starlette() -> None:
    async def speech() -> AsyncIterator[dict[str, str]]:
        yield {"data": '{"content": "Hel"}'}
        yield {"data": '{"content": "lo"}'}

    async def endpoint(request: Any) -> Any:
        return EventSourceResponse(speech())

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(SidecarMiddleware, config=YAML)
    last, outcome = await said_by(app)
    assert (last["data"]["final_response"], outcome) == ("Hello", "completed")


async def test_a_generator_that_said_nothing_said_all_it_had() -> None:
    last, outcome = await said_by(answering())
    assert (last["data"]["final_response"], outcome) == ("", "completed")


@pytest.mark.parametrize("parts", [HOME_MADE, (HALF,), (b"data: Hel\n\n",)])
async def test_a_generator_that_raised_has_not(parts: tuple[bytes, ...]) -> None:
    last, outcome = await said_by(answering(*parts, raises=True))
    assert (last["type"], last["data"]["code"], outcome) == ("error", "SERVER", "upstream_error")


async def test_a_dialects_own_mark_says_more() -> None:
    last, outcome = await said_by(answering(LONG))
    assert (last["data"]["finish_reason"], outcome) == ("length", "length")


async def test_a_generator_that_swallowed_the_break_of_its_source_has_not_ended_it() -> None:
    """What it passes on has a mark of its end, and that is missing; unless a rule knows better."""
    assert (await said_by(answering(HALF)))[1] == "truncated"
    assert (await said_by(answering(HALF, config="defaults: { end: body }")))[1] == "completed"


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
