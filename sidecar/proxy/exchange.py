"""One request and its answer, from the door to the last byte: what is asked, what becomes of it, how it ends."""

import time
from collections.abc import Callable
from contextlib import aclosing, suppress

from sidecar.policy import streams, usage
from sidecar.policy.config import Policy
from sidecar.policy.outcome import OUTCOMES
from sidecar.policy.patience import NEVER, Patience
from sidecar.proxy import headers, upstream
from sidecar.proxy.keepalive import KeepAlive
from sidecar.proxy.relay import Relay
from sidecar.proxy.reply import Reply
from sidecar.proxy.request import ClientLeft, Request
from sidecar.proxy.upstream import Answer, Backend, Body, Failure
from sidecar.proxy.vigil import Interrupted, Vigil
from sidecar.stream import dialects, failure
from sidecar.stream.events import Error
from sidecar.telemetry import log
from sidecar.telemetry.life import Life

MAX_ERROR_BODY = 1 << 20


class Exchange:
    """Between a request and its reply. It has one outcome, whatever happens: the reply's."""

    def __init__(
        self,
        request: Request,
        reply: Reply,
        backend: Backend,
        policy: Policy,
        life: Life,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._request = request
        self._reply = reply
        self._downstream = reply.downstream
        self._backend = backend
        self._policy = policy
        self._life = life
        self._clock = clock
        self._relay: Relay | None = None
        self._patience = Patience(policy.timeouts, clock(), reply.asked)
        self._keep_alive = KeepAlive(policy, reply, life)
        self._vigil = Vigil(self._judge, request.left, lambda: reply.ending, clock)

    @property
    def failed(self) -> bool:
        """Whether it ended in a way that counts against the service."""
        return OUTCOMES[self._reply.outcome].sli == "bad" if self._reply.outcome else True

    async def run(self) -> None:
        """Serve the exchange to its end. Whatever happens, it has one outcome and its resources are free."""
        life, reply = self._life, self._reply
        try:
            await self._guarded()
        except Exception as error:
            log.failed("relay_failed", error, stream=life.stream_id)
            await reply.fail(Error("sidecar_error", OUTCOMES["sidecar_error"].message))
        finally:
            status = 499 if reply.outcome == "client_left" else self._downstream.status
            if self._relay:
                parser = self._relay.parser
                life.dialect, life.unknown_frames = parser.dialect, parser.unknown_frames
            life.end(reply.outcome or "drained", status, self._clock())

    async def _guarded(self) -> None:
        try:
            async with self._vigil:
                await self._carry()
        except Failure as error:
            await self._reply.fail(Error(error.outcome, str(error)))
        except Interrupted as interruption:
            await self._interrupted(interruption.outcome)
        except ClientLeft:
            self._reply.outcome = "client_left"

    async def _carry(self) -> None:
        request, policy = self._request, self._policy
        sent = headers.to_backend(
            request.scope,
            self._backend.upstream,
            self._backend.authority,
            self._reply.asked,
            self._life.upstream_headers(),
        )
        answer = await self._backend.ask(request.method, request.target, sent, self._body(), policy.timeouts)
        async with aclosing(answer):
            self._patience.headed = True
            self._life.head(answer.status, self._clock())
            if self._policy.redirects == "rewrite":
                upstream, scope = self._backend.upstream, request.scope
                answer.headers = headers.located(answer.headers, upstream.url, self._backend.authority, scope)
            await self._answer(answer)

    def _body(self) -> Body:
        """The request's body, byte for byte, unless the rule lets the backend be asked to count tokens."""
        body = self._request.body()
        if self._policy.usage != "ask" or not self._reply.asked or not isinstance(body, bytes):
            return body
        edited = usage.asking(self._request.path, body)
        self._reply.wire.hides_usage = edited is not body
        return edited

    async def _answer(self, answer: Answer) -> None:
        kind = headers.get(answer.headers, b"content-type")
        request = self._request
        ours = request.method != "HEAD" and self._policy.stream != "off"
        ours = ours and not streams.untouchable(request.first, request.asked)
        asked = self._reply.asked and not streams.takes_json(request.method, request.header(b"accept"))
        is_stream = ours and streams.is_stream_answer(answer.status, kind, asked)
        # what was opened as a stream is one, whatever type its answer has
        is_stream = is_stream or (self._downstream.started and ours and 200 <= answer.status < 300)
        readable = upstream.decoded(answer) if is_stream else None
        if readable:
            await self._stream(readable, kind.lower().startswith("text/event-stream"))
        elif self._downstream.started:
            await self._in_band(answer)
        elif is_stream and self._reply.wire.normalises:
            raise Failure("malformed", "the backend compressed its stream in a way that is not known here")
        else:
            self._patience.stream = False
            await self._reply.untouched(answer)

    async def _stream(self, answer: Answer, event_stream: bool) -> None:
        reply = self._reply
        if self._downstream.started and not reply.wire.normalises and not event_stream:
            if reply.dialect != "openai-chat":
                await self._retold(answer)
                return
            reply.speak("openai")
        reply.begin(answer, event_stream)
        self._patience.stream = True
        source = self._backend.upstream
        end = "body" if "body" in (self._policy.end, source.end) else answer.end
        self._relay = Relay(source, event_stream, self._policy, end, reply, self._patience, self._life, self._clock)
        self._life.streaming()
        if not reply.asked:
            self._vigil.look()  # nobody has waited for a first token until now
        await self._relay.run(answer)

    async def _retold(self, answer: Answer) -> None:
        """The answer was opened as a stream of a format that cannot be written from events, and came whole."""
        body = bytearray()
        while chunk := await answer.read():
            body += chunk
            if len(body) > self._policy.limits.frame_bytes:
                raise Failure("malformed", "the answer was opened as a stream, and is too long to be told as one")
        if told := dialects.retold(self._reply.dialect, bytes(body)):
            await self._reply.finish("completed", told)
            return
        await self._reply.write(b"".join(b"data: " + line + b"\n\n" for line in body.splitlines() if line.strip()))
        raise Failure("malformed", "the answer was opened as an event stream, and the backend's is none")

    async def _in_band(self, answer: Answer) -> None:
        """The answer was opened as a stream before the backend refused: its error is said in the stream."""
        if answer.status < 400:
            raise Failure("malformed", f"the backend answered {answer.status} and no stream")
        body = b""
        with suppress(Failure):  # what there is of it says more than that it broke off
            while len(body) < MAX_ERROR_BODY and (chunk := await answer.read()):
                body += chunk
        error = failure.read_body(body, answer.status, headers.get(answer.headers, b"retry-after"))
        await self._reply.fail(error)

    async def _interrupted(self, why: str) -> None:
        # many clients close at the last word and not at the body's end
        whole = self._relay and (why == "over" or (why == "client_left" and self._relay.all_out))
        if self._relay:
            await self._relay.settle()  # what was held came in time
        if self._downstream.finished:
            return
        if self._relay and whole:
            # all was said, and only the backend's connection stays open
            await self._relay.end(clean=True)
        elif OUTCOMES[why].code:
            await self._reply.fail(Error(why, OUTCOMES[why].message))
        else:
            self._reply.outcome = why

    def _judge(self, now: float) -> float:
        """What is due beside the path, done; the time to look again."""
        patience, parser = self._patience, self._relay and self._relay.parser
        patience.blocked = self._downstream.writing
        if parser:
            patience.said_all = parser.done or parser.finished
            self._reply.blank_line_is_an_event |= parser.has_ids
        why, due = patience.judge(now)
        if why:
            self._vigil.interrupt(why)
            return NEVER
        return due if parser and parser.done else min(due, self._keep_alive.judge(now))
