"""What a client hears: a head, the answer in its format, and an end that tells the truth.

A failure before the status line is out is an HTTP status. After it, it is said in-band where the client's format has a
word for it, and by breaking the connection: langchaingo, langchain4j, Spring AI, ollama-rs and others skip an error
frame, and a clean end behind it is a success to them. Only the envelope's `error` is a last word that its readers know.
"""

import os
import time

from sidecar.policy import cors, outcome
from sidecar.policy.config import Policy, Upstream
from sidecar.policy.outcome import OUTCOMES
from sidecar.proxy import headers
from sidecar.proxy.answer import Answer
from sidecar.proxy.door import Admitted
from sidecar.proxy.downstream import Downstream
from sidecar.proxy.headers import Header
from sidecar.proxy.request import Request
from sidecar.stream import dialects
from sidecar.stream.events import Error, Start
from sidecar.stream.wires import EVENT_STREAM, Wire, make, padding
from sidecar.telemetry.life import Life


class Reply:
    """The answer to one request, as its client gets it.

    `outcome` is the word that it ended by, empty before. `ending`: the last word is being said, and nothing can change
    it. `asked`: the client wants a stream; `streaming`: it is, or was opened as, one; `can_open`: it may be opened
    before the backend's is here. `dialect` is what the client speaks, as far as its path tells; `wire` encodes.
    `auto` is there until the answer has shown in which format it leaves: nothing of it may leave before.
    """

    def __init__(
        self,
        request: Request,
        downstream: Downstream,
        policy: Policy,
        upstream: Upstream,
        admitted: Admitted,
        life: Life,
    ) -> None:
        self.downstream = downstream
        self.asked = admitted.asked
        self.auto = admitted.auto
        self.outcome = ""
        self.ending = self.streaming = False
        self.head: tuple[int, list[Header]] = (200, [])
        self.blank_line_is_an_event = request.header(b"user-agent").startswith("OpenAI/Go")
        spoken = upstream.dialect
        query = request.scope["query_string"].decode("latin-1")
        self.dialect = dialects.of_path(request.path, query) if spoken == "auto" else spoken
        self._request = request
        self._policy = policy
        self._upstream = upstream
        self._life = life
        self.speak(admitted.format)
        self.can_open = self.asked and (self.wire.normalises or bool(dialects.ping(self.dialect))) and not self._unsure

    def speak(self, format: str) -> None:
        """Use this format from now on; nothing is out yet that another one would end."""
        self._format = self._life.format = format
        asked = self._request.asked
        self.wire: Wire = make(format, self.dialect, self._life.stream_id, int(time.time()), asked.usage)

    @property
    def _unsure(self) -> bool:
        """Whether a head would have to say what only the answer shows."""
        return self.auto is not None and self.auto.shared

    def settle(self, dialect: str, spoken: bool) -> None:
        """The answer has shown its dialect, and whether it has words: its format is known, and stays."""
        auto, self.auto = self.auto, None
        format = auto.of(dialect) if auto and (spoken or auto.shared) else self._format
        if format != self._format:
            event_stream = self.wire.event_stream
            self.speak(format)
            self.wire.event_stream = self.wire.event_stream or event_stream
        self.can_open = self.wire.event_stream

    async def open(self) -> None:
        """Begin a stream before the backend has begun its answer."""
        self.streaming = self.wire.event_stream = True
        await self._start()

    def begin(self, answer: Answer, event_stream: bool) -> None:
        """The backend has begun a stream, of server-sent events or of something else."""
        self.head = (answer.status, answer.headers)
        self.streaming = True
        self.wire.event_stream = self.wire.event_stream or event_stream
        self.can_open = self.wire.event_stream and not self._unsure

    async def write(self, data: bytes) -> float:
        """Write the bytes, if there are any; the seconds that the client let us wait."""
        if not data:
            return 0.0
        if not self.downstream.started:
            await self._start()
        return await self.downstream.write(data)

    async def finish(self, outcome: str, data: bytes = b"", clean: bool = True) -> None:
        """All is out, with these last bytes. What failed may end well only where the backend did so (`clean`), or where
        its last word is one that every reader of the format knows."""
        if not self.downstream.started:
            await self._start()
        self.ending = True
        failed = self.outcome or OUTCOMES[outcome].sli == "bad"
        self.outcome = self.outcome or outcome
        if failed and not (clean or self.wire.error_ends):
            await self.downstream.abort(data, said=True)
        else:
            await self.downstream.finish(data)

    async def untouched(self, answer: Answer) -> None:
        """An answer that is no stream, as it is."""
        await self.as_it_is(answer)

    async def as_it_is(self, answer: Answer, read: bytes = b"") -> None:
        """All of an answer's own bytes, with those that were `read` of it."""
        downstream = self.downstream
        self.streaming = self.can_open = False
        wanted = headers.wanted(answer.headers) if answer.status == 426 else []
        await downstream.start(answer.status, headers.plain(answer.headers, self._own_headers()) + wanted)
        if read:
            await downstream.write(read)
        while chunk := await answer.read():
            await downstream.write(chunk)
        self.ending = True
        self.outcome = "completed" if answer.status < 400 else outcome.of_status(answer.status)
        await downstream.finish()

    async def fail(self, error: Error) -> None:
        """Say it: as an HTTP status where nothing is out, in-band where the format can, and by breaking off."""
        downstream = self.downstream
        error = outcome.complete(error)
        self.outcome = error.outcome
        if downstream.finished:
            return
        self.ending = True
        if not downstream.started:
            await self._refuse(error)
            return
        begun = Start(self._life.response_model, self._life.response_id)
        words = self.wire.failed(error, begun) if self.streaming and not downstream.writing else b""
        await (downstream.finish(words) if words and self.wire.error_ends else downstream.abort(words))

    async def _refuse(self, error: Error, status: int = 0) -> None:
        await self.downstream.refuse(error, self._own_headers(), self._upstream.name, status=status)

    async def _start(self) -> None:
        """The head of a stream, and the padding that goes with it."""
        status, given = self.head
        content_type = self.wire.content_type or (None if given else EVENT_STREAM)
        head = headers.on_stream(given, self._own_headers(), self._policy, self._format, content_type)
        await self.downstream.start(status, head)
        size = self._policy.padding.initial_bytes
        if size and self.wire.bears_padding:
            noise = os.urandom(size) if self._policy.padding.content == "random" else b""
            comment = padding(size, noise, not self.blank_line_is_an_event)
            await self.downstream.keep_alive(comment)
            self._life.padded(len(comment))

    def _own_headers(self) -> list[Header]:
        return self._life.response_headers() + cors.answer(self._policy.cors, self._request.header(b"origin"))
