"""One connection of a client: requests one by one, each in bounded time and memory, its leaving always seen.

uvicorn's own HTTP protocol cannot be bent to this: it has no bound on heads and no deadline for them, parses pipelined
requests while one runs (whose disconnect is then lost), misses a disconnect while reading is paused, and chunks answers
to HTTP/1.0. What is kept of uvicorn is its server and its contract: `server_state`, `shutdown()`.

A client that closes its sending half counts as gone, as for nginx and llama.cpp: on the wire that is the same FIN as a
closed tab's, and going on to generate for nobody costs more than a client that half-closes after its request.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn.server import ServerState

from sidecar.proxy.body import Chunked, Counted, Malformed
from sidecar.proxy.cycle import Cycle
from sidecar.proxy.edge import Edge
from sidecar.proxy.flow import Flow
from sidecar.proxy.head import Head
from sidecar.proxy.refusal import Refusal
from sidecar.proxy.scope import ends_of, scope_of
from sidecar.proxy.watch import NEVER, Watch
from sidecar.telemetry import log

MAX_AHEAD = 16 << 10
"""Bytes of pipelined requests that are kept, unread, while one runs; and one read more. Above it reading stops."""

_LOOK_EVERY_S = 1.0
_LATE = Refusal(408, "the request did not arrive in time", "a request's head has 10 s, its body may not pause for long")
_FULL = Refusal(503, "too many connections", "raise the limit of open files, or add a replica")
_FAILED = Refusal(500, "the sidecar failed", "please report it with the log line")


class Connection(asyncio.Protocol):
    """`cycle` is the request that runs."""

    transport: asyncio.Transport
    flow: Flow

    def __init__(
        self,
        config: Edge,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.cycle: Cycle | None = None
        self._edge = config
        self._limits = config.limits
        self._state = server_state
        self._app_state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        self._head: Head | None = None
        self._body: Chunked | Counted = Counted(0)
        self._ahead = b""
        self._lingers = False
        self._parts = self._resets = False
        self._until = 0.0
        self._since = self.loop.time()
        self._watch = Watch(self.loop, self._due, self._expire)

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.flow = Flow(transport)
        self._ends = ends_of(transport)
        connections: set[Any] = self._state.connections
        connections.add(self)
        if len(connections) > self._limits.connections:
            self._refuse(_FULL)
            transport.close()  # lingering would let them pile up above the limit
        self._watch.look()

    def connection_lost(self, exc: Exception | None) -> None:
        connections: set[Any] = self._state.connections
        connections.discard(self)
        self._watch.stop()
        if self._head:
            self._head.close()
        if self.cycle:
            self.cycle.lose()
            self.cycle = None
        self.flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        self._read(data)
        self._watch.look()

    def eof_received(self) -> None:
        """Returning nothing closes the transport."""

    def pause_writing(self) -> None:
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        self.flow.resume_writing()

    def shutdown(self) -> None:
        """uvicorn stops: this connection ends with the request that runs, or now."""
        if self.cycle:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    # ---- reading

    def _read(self, data: bytes) -> None:
        try:
            while data and not self._lingers:
                if not self.cycle:
                    data = self._read_head(data)
                elif not self._body.over:
                    data = self._read_body(data)
                else:
                    self._ahead += data
                    if len(self._ahead) > MAX_AHEAD:
                        self.pause()
                    return
        except Refusal as refusal:
            self._refuse(refusal)

    def _read_head(self, data: bytes) -> bytes:
        head = self._head
        if not head:
            data = data.lstrip(b"\r\n")  # RFC 9112, 2.2: old clients end a body with an empty line
            if not data:
                return b""
            head = self._head = Head()
            self._since = self.loop.time()
        data = head.feed(data)
        if head.whole:
            self._head = None
            self._body = Chunked() if head.chunked else Counted(head.length)
            self._begin(head)
        return data

    def _read_body(self, data: bytes) -> bytes:
        assert self.cycle
        self._since = self.loop.time()
        try:
            body = self._body.feed(data)
        except Malformed as error:
            raise Refusal(400, "the request's body is not valid", f"malformed: {error}") from None
        self.cycle.take(body, self._body.over)
        return self._body.rest

    def pause(self) -> None:
        """Stop reading. The client's leaving is then looked for once a second."""
        if self.flow.pause_reading():
            self._since = self.loop.time()
            self._watch.look()

    def resume(self) -> None:
        self.flow.resume_reading()
        self._since = self.loop.time()
        self._watch.look()

    # ---- a request

    def _begin(self, head: Head) -> None:
        self.cycle = cycle = Cycle(self, head, self._body.over)
        scope = scope_of(head, cycle, self._ends, self._app_state)
        task = self.loop.create_task(self._edge.loaded_app(scope, cycle.receive, cycle.send))
        self._state.tasks.add(task)
        task.add_done_callback(partial(self._ended, cycle))

    def _ended(self, cycle: Cycle, task: "asyncio.Task[None]") -> None:
        """The app returned. What it raised may hold a client's words, so only the place is told."""
        self._state.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        unfinished = not (cycle.over or cycle.disconnected)
        if error or (unfinished and not task.cancelled()):
            log.failed("app_failed", error)
        if not unfinished:
            return
        if cycle.started:
            cycle.abort()
        else:
            self._refuse(_FAILED)

    def answered(self) -> None:
        """The response is out: on to the next request, or the end."""
        keeps = self.cycle is not None and self.cycle.keep_alive
        self.cycle = None
        self._state.total_requests += 1
        if self.transport.is_closing():
            return
        if not self._body.over or (self._ahead and not keeps):
            self._linger()
        elif keeps:
            self.resume()
            if self._ahead:
                ahead, self._ahead = self._ahead, b""
                self.data_received(ahead)
        else:
            self.transport.close()

    # ---- ends

    def part(self, reset: bool) -> None:
        """The last words of a failed answer are out: the break comes when the client has had the time to read them."""
        self._parts, self._resets = True, reset
        self._lingers = True
        self._ahead = b""
        self._until = self.loop.time() + self._limits.linger
        self.resume()

    def _leave(self) -> None:
        now = self.loop.time()
        if self._resets and self.flow.undelivered() and now < self._until:
            self._since = now  # a reset throws away what is not delivered
            self._watch.look()
        elif self._resets or self._body.over:
            self.flow.break_off(self._resets)
        else:
            self._parts = False
            self._linger()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer by ourselves and end the connection; in mid-answer there is only the end."""
        cycle, self.cycle = self.cycle, None
        self._edge.refuse(refusal, self._ends.client)
        if cycle and cycle.started:
            cycle.abort()
            return
        if cycle:
            cycle.lose()
        self.transport.write(refusal.response())
        self._linger()

    def _linger(self) -> None:
        """Say the end, and throw away what still comes: closing with bytes unread would reset what the client reads."""
        self._lingers = True
        self._since = self.loop.time()
        self._ahead = b""
        self.transport.write_eof()
        self.resume()

    # ---- its time

    def _due(self) -> float:
        """When the client's time is over, if nothing changes; or when to look whether it is there."""
        limits = self._limits
        if self.flow.read_paused:
            return self._since + _LOOK_EVERY_S
        if self._lingers:
            return self._since + (limits.farewell if self._parts else limits.linger)
        if not self.cycle:
            return self._since + (limits.head if self._head else limits.idle)
        if self._body.over or self.cycle.expects:
            return NEVER
        return self._since + limits.body

    def _expire(self) -> None:
        if self.flow.read_paused and not self.flow.left():
            self._since = self.loop.time()
            self._watch.look()
        elif self.flow.read_paused:
            self.transport.abort()
        elif self._parts:
            self._leave()
        elif self._lingers or not (self.cycle or self._head):
            self.transport.close()
        else:
            self._refuse(_LATE)
