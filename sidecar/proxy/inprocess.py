"""An app in this process as a backend: what it sends is an answer, which the relay reads.

The app runs in the task of its own ASGI call, so that its context variables, cancel scopes and exceptions are what they
are without us; the relay runs beside it. Between the two is one chunk: `send()` returns when the relay has taken it.
"""

import asyncio
import gc
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from sidecar.policy.streams import is_stream_answer
from sidecar.proxy import headers
from sidecar.proxy.answer import Answer, Body, Failure
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.headers import Header
from sidecar.proxy.heard import Heard, Message
from sidecar.proxy.passing import Passing

_IN_VAIN = 64
"""Chunks that an app may send after a stream's last word before it is ended."""

_PIECE = 64 << 10


class Call(Answer):
    """One call of the app, around which it is entered: `async with call: await app(scope, call.receive, call.send)`.

    `receive` and `send` are the app's; `ask`, `read` and `aclose` the relay's, to which this is transport and answer.
    `relay` serves the exchange; it runs from the beginning where a stream is `asked` for, else from the head of an
    answer that is one. What is no stream, or what the relay lets pass by, goes by `passing` as it is.
    """

    end = "returned"  # a generator that fails raises

    def __init__(
        self,
        scope: Any,
        heard: Heard,
        passing: Passing,
        downstream: Downstream,
        relay: Callable[[], Any],
        asked: bool,
    ) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.failure: Failure | None = None
        self._heard = heard
        self._passing = passing
        self._downstream = downstream
        self._make = relay
        self._asked = asked
        version = scope.get("asgi", {}).get("spec_version", "2.0")
        self._raises = tuple(map(int, version.split("."))) >= (2, 4)
        self._relay: asyncio.Task[None] | None = None
        self._chunk = b""
        self._headed, self._decided, self._filled, self._taken = (asyncio.Event() for _ in range(4))
        self._gone = asyncio.Event()
        self._direct = self._complete = self._left = self._cut = False
        self._listening = self._in_vain = 0
        self._watch: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        """Whether the app has begun its answer."""
        return self.status > 0

    @property
    def _deaf(self) -> bool:
        return self._gone.is_set() or self._relay is None or self._relay.done()

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task
        self._task = task
        if self._asked:
            self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        cancelled = kind is asyncio.CancelledError
        if self._direct or not self._relay:
            self._passing.close(kind)
        if self._relay:
            raised = Failure("upstream_error", "the app failed")
            self.failure = raised if kind else Failure("truncated", "the app returned before its answer was whole")
            self._headed.set()
            self._filled.set()
            if cancelled and not self._cut:
                self._relay.cancel()
            try:
                await asyncio.wait([self._relay])
            finally:
                self._relay.cancel()
        self._heard.close()
        if self._watch:
            self._watch.cancel()
        if self._left:
            # the traceback with which anyio cancels a task refers to itself, and so keeps a sync generator open
            asyncio.get_running_loop().call_soon(gc.collect, 1)
        return bool(self._cut and not self._task.uncancel() and cancelled)

    # ---- the app's side

    async def receive(self) -> Message:
        """What the client sent; `http.disconnect` when nobody waits for the answer any more."""
        if message := await self._heard.again():
            return message
        self._watch = self._watch or asyncio.create_task(self._watching())
        self._listening += 1
        try:
            await self._gone.wait()
        finally:
            self._listening -= 1
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Returns when the relay has taken a chunk, and at the end of the answer when that is with the client."""
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            self.status = message["status"]
            self.headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            if not self._relay and is_stream_answer(self.status, headers.get(self.headers, b"content-type"), False):
                self._begin()
            await self._judged()
            if self._direct:
                await self._passing.send(message)
        elif self._direct or not self.started:
            await self._passing.send(message)
        elif kind == "http.response.body":
            await self._hand(bytes(message.get("body", b"")), message.get("more_body", False))
        elif kind == "http.response.pathsend":
            await self._hand_file(message["path"])

    async def _judged(self) -> None:
        if self._relay:
            self._headed.set()
            await self._decided.wait()
        else:
            self._direct = True

    async def _hand(self, body: bytes, more: bool) -> None:
        assert self._relay
        while body and self._chunk and not self._deaf:
            # two tasks of the app send at once, as sse-starlette does for its pings
            await self._taken.wait()
        if body and self._deaf:
            await self._unheard()
        elif body:
            self._chunk = body
            self._taken.clear()
            self._filled.set()
            await self._taken.wait()
        if not more:
            self._complete = True
            self._filled.set()
            await asyncio.wait([self._relay])
            self._gone.set()

    async def _hand_file(self, path: str) -> None:
        file = await asyncio.to_thread(open, path, "rb")
        with file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await self._hand(piece, True)
        await self._hand(b"", False)

    async def _unheard(self) -> None:
        """Nobody reads. After the last word the app may come to its own end, with a few words more."""
        self._in_vain += 1
        if self._in_vain > _IN_VAIN:
            self._leave()
        await asyncio.sleep(0)
        if self._gone.is_set() and self._raises:
            raise OSError("the client is gone")

    async def _watching(self) -> None:
        await self._heard.left()
        if self._direct or not self._relay:
            self._gone.set()

    # ---- the relay's side

    async def ask(self, method: str, target: bytes, request: list[Header], body: Body, patience: float) -> Answer:
        """The head of the app's answer is here when this returns. The app has the request already."""
        try:
            await self._headed.wait()
        except asyncio.CancelledError:
            self._leave()
            raise
        if not self.started and self.failure:
            raise self.failure
        return self

    async def retire(self) -> None:
        """There is no connection."""

    async def read(self) -> bytes:
        self._decided.set()
        while not self._chunk:
            if self._complete:
                return b""
            if self.failure:
                raise self.failure
            self._filled.clear()
            await self._filled.wait()
        chunk, self._chunk = self._chunk, b""
        self._taken.set()
        return chunk

    async def aclose(self) -> None:
        if not self._downstream.finished and not self._direct:
            self._leave()

    async def pass_by(self) -> str:
        """The answer is no stream: the app's messages go to the client as they are. Its outcome, when it is over."""
        self._direct = True
        self._decided.set()
        await self._passing.over.wait()
        return self._passing.outcome

    def _begin(self) -> None:
        self._relay = asyncio.create_task(self._make())
        self._relay.add_done_callback(self._over)

    def _over(self, relay: "asyncio.Task[None]") -> None:
        if not self._direct and not self._downstream.finished:
            self._leave()
        self._taken.set()
        self._decided.set()

    def _leave(self) -> None:
        """Nobody waits for the answer: the app is told where it listens, and is cancelled where it does not."""
        if self._gone.is_set() or self._complete or self.failure:
            return
        self._left = True
        self._gone.set()
        self._taken.set()
        self._decided.set()
        if not self._listening:
            self._cut = True
            self._task.cancel()
