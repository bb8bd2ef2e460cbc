"""A FastAPI app as people have them: formats of its own, mixed within one stream, sent in three ways."""

import contextvars
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import jsonschema
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from sse_starlette import EventSourceResponse
from starlette.background import BackgroundTask

from sidecar import SidecarMiddleware
from tests.wire import eventually

KINDS = ["async", "sync", "sse"]

MIXED = [
    '{"chunk": "Let me see", "type": "status"}',
    '{"chunk": "Hel", "type": "text"}',
    '{"content": "lo"}',
    " wor",
    '{"type":"chunk","data":{"content":"ld","index":0}}',
    '{"done": true}',
]
"""Each the data of one event; the text is "Hello world"."""

FRAME = "data: %s\n\n"
YAML = "version: 1\nupstreams: { app: { url: 'app://' } }\n"

_SCHEMA = files("sidecar.stream.wires").joinpath("envelope-v1.schema.json").read_bytes()
_VALIDATE = jsonschema.Draft7Validator(json.loads(_SCHEMA)).validate

outer: contextvars.ContextVar[str] = contextvars.ContextVar("outer", default="")
inner: contextvars.ContextVar[str] = contextvars.ContextVar("inner", default="")


class Chat:
    """What the app did, and what it waits for: `gate` before the frame numbered `wait_at`, -1 is never."""

    def __init__(self, wait_at: int = -1, fail_at: int = -1) -> None:
        self.wait_at = wait_at
        self.fail_at = fail_at
        self.gate = threading.Event()
        self.calls = 0
        self.begun = False
        self.uploaded = 0
        self.yielded = 0
        self.ended_at = 0.0
        self.after: list[str] = []

    def step(self, number: int) -> None:
        if number == self.fail_at:
            raise ValueError("canary-7f3a")
        self.yielded += 1

    async def open(self) -> None:
        await eventually(self.gate.is_set)

    async def waits(self, form: str) -> AsyncIterator[str]:
        self.begun = True
        try:
            for number, data in enumerate(MIXED):
                if number == self.wait_at:
                    await self.open()
                self.step(number)
                yield form % data
            if self.wait_at == len(MIXED):
                await self.open()
            self.after.append("generator")
        finally:
            self.ended_at = time.monotonic()

    def blocks(self, form: str) -> Iterator[str]:
        self.begun = True
        try:
            for number, data in enumerate(MIXED):
                if number == self.wait_at:
                    # as a blocking SDK does: it comes back for a while, and is asked for more
                    while not self.gate.wait(0.05):
                        yield ": nothing yet\n\n"
                self.step(number)
                yield form % data
            self.after.append("generator")
        finally:
            self.ended_at = time.monotonic()


def answer(chat: Chat, kind: str, background: BackgroundTask | None = None) -> Any:
    if kind == "sse":
        return EventSourceResponse(chat.waits("%s"), sep="\n", ping=3600, background=background)
    content = chat.waits(FRAME) if kind == "async" else chat.blocks(FRAME)
    return StreamingResponse(content, media_type="text/event-stream", background=background)


def build(chat: Chat, config: str | None = "", **options: Any) -> FastAPI:
    """The app; `config` is more YAML for the middleware's rules, None is no middleware."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        chat.after.append("startup")
        yield {"pool": "of connections"}
        chat.after.append("shutdown")

    app = FastAPI(lifespan=lifespan, **options)

    def done() -> None:
        chat.after.append("background")

    @app.post("/chat/{kind}")
    async def post(kind: str, request: Request) -> Any:
        chat.calls += 1
        await request.json()
        return answer(chat, kind, BackgroundTask(done))

    @app.get("/chat/{kind}")
    async def get(kind: str) -> Any:
        chat.calls += 1
        return answer(chat, kind)

    @app.post("/slow")
    async def slow(question: dict[str, Any]) -> Any:
        chat.calls += 1
        try:
            await chat.open()
            if chat.fail_at == 0:
                raise ValueError("canary-7f3a")
            return answer(chat, "async")
        finally:
            chat.ended_at = time.monotonic()

    @app.get("/json")
    async def plain(background: BackgroundTasks) -> Any:
        background.add_task(done)
        return {"answer": 42, "list": list(range(300))}

    @app.post("/echo")
    async def echo(request: Request) -> Any:
        body = await request.body()
        return JSONResponse({"length": len(body), "hash": hash(body), "pool": request.state.pool})

    @app.post("/validated")
    async def validated(question: int) -> Any:
        return question

    @app.post("/upload")
    async def upload(request: Request) -> Any:
        async for part in request.stream():
            chat.uploaded += len(part)
        return answer(chat, "async")

    @app.get("/text")
    async def text() -> Any:
        return StreamingResponse(iter(["one ", "two"]), media_type="text/plain", headers={"X-Odd-CASE": "Kept"})

    @app.get("/fails")
    async def fails() -> Any:
        raise ValueError("canary-7f3a")

    @app.get("/scope")
    async def scope(request: Request) -> Any:
        inner.set("set inside")
        known = {name.decode(): value.decode() for name, value in request.scope["headers"]}
        return {"outer": outer.get(), "headers": known, "pool": request.state.pool, "root": request.scope["root_path"]}

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text((await socket.receive_text()).upper())
        await socket.close()

    if config is not None:
        app.add_middleware(SidecarMiddleware, config=YAML + config)
    return app


def frames(body: bytes) -> list[dict[str, Any]]:
    """The frames of an envelope, each checked against the schema; pings and padding are left out."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith((":", "id:"))]
        for line in lines:
            assert line.startswith("data: "), line
            frame = json.loads(line.removeprefix("data: "))
            _VALIDATE(frame)
            found.append(frame)
    return found
