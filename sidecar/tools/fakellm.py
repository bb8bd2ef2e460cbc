"""A fake LLM backend on bare asyncio: every dialect's real bytes, human pacing, faults on request, and a witness.

`async with FakeLLM(pace=0.03) as llm: ... llm.url`, or `python -m sidecar.tools.fakellm --port 8000`.
The header `x-fake: silence=2; cut-after=5`, or the same words after a `;` in the model's name, throw switches:

    silence=S      nothing at all for S seconds          status=N       an HTTP error, with retry-after=S
    think=S        the head, then S seconds of nothing   rate-limit     an in-band rate limit before any token
    pace=S         seconds between tokens                error-after=N  an in-band error after N tokens
    tokens=N       that many tokens of text              stall-after=N  silent for ever after N tokens
    token-bytes=N  each of them so long                  eof-after=N    a clean end of the body after N tokens
    calls=N        call the first N tools, not one       cut-after=N    the connection closed after N tokens
    drop           the connection closed, no head        reset-after=N  the same with a TCP reset
    repeat         say what the tools have said

A model with `thinking` in its name reasons first; a request with tools is answered by a call of the first one, or of
the one that its prompt asks for by a line that ends with `Call NAME with {"its": "arguments"}`.
`GET /witness` tells what became of each request, `/v1/models` and `/health` what they always do.
"""

import argparse
import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable

import msgspec

from sidecar.tools.asked import model_in
from sidecar.tools.dialogue import Ask, switches_of
from sidecar.tools.fakeanswer import JSON, Answer, Gap, Record, Tap
from sidecar.tools.fakehttp import Connection, Request
from sidecar.tools.speakers import speaker_of
from sidecar.tools.speakers.openai import OpenAI
from sidecar.tools.speakers.speaker import compact


class FakeLLM:
    """The backend and its witness. `pace` is the mean gap in seconds, `seed` fixes the jitter of every request.

    `say` gets the witness's lines; `tap` may be set to be shown each piece of a stream just before it leaves.
    """

    def __init__(self, pace: float = 0.0, seed: int = 7, port: int = 0, say: Callable[[str], None] | None = None):
        self.pace = pace
        self.seed = seed
        self.port = port
        self.records: list[Record] = []
        self.tap: Tap = lambda piece: None
        self._say = say
        self._open: set[Connection] = set()
        self._moments: defaultdict[tuple[str, int], asyncio.Event] = defaultdict(asyncio.Event)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "FakeLLM":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._answer, self._open), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await asyncio.gather(*[connection.abort() for connection in self._open], return_exceptions=True)
        await self._server.wait_closed()

    async def begun(self, id: int) -> Record:
        """The record of request `id`, counted from 1, once that has come in."""
        await self._moments["begun", id].wait()
        return self.records[id - 1]

    async def ended(self, id: int) -> Record:
        """The same once it is over."""
        await self._moments["ended", id].wait()
        return self.records[id - 1]

    async def _answer(self, request: Request, connection: Connection) -> None:
        path, _, query = request.target.decode("latin-1").partition("?")
        speaker = speaker_of(path)
        if speaker is None:
            return await self._other(path, connection)
        try:
            body = msgspec.json.decode(request.body or b"{}", type=dict)
        except msgspec.DecodeError:
            return await connection.respond(400, JSON, compact(speaker.error(400, "the body is not a JSON object")))
        name, _, words = model_in(path, body).partition(";")
        switches = switches_of(words) | switches_of(request.headers.get("x-fake", ""))
        record = Record(len(self.records) + 1, path, name, time.monotonic())
        self.records.append(record)
        self._moments["begun", record.id].set()
        ask = Ask(record.id, path, query, name, body, switches, max(1, len(request.body) // 4))
        await self._witnessed(Answer(ask, speaker, connection, record, self.gaps(ask), self.tap), record)

    async def _witnessed(self, answer: Answer, record: Record) -> None:
        try:
            record.state = await answer.give()
        except asyncio.CancelledError:
            record.state, record.cancelled_at = "cancelled", time.monotonic()
            raise
        finally:
            record.ended_at = record.cancelled_at or time.monotonic()
            self._moments["ended", record.id].set()
            self._tell(record)

    def _tell(self, record: Record) -> None:
        if self._say and record.state == "cancelled":
            count = f"after {record.tokens} of {record.of} tokens" if record.tokens else "before its first token"
            self._say(f"backend: request {record.id} cancelled by its client {count}, generation stopped")

    async def _other(self, path: str, connection: Connection) -> None:
        model = {"id": "fake-mini", "object": "model", "created": 1767225600, "owned_by": "nobody"}
        pages: dict[str, object] = {
            "/health": {"status": "ok"},
            "/witness": [record.told() for record in self.records],
            "/v1/models": {"object": "list", "data": [model, model | {"id": "fake-thinking"}]},
        }
        page = pages.get(path, OpenAI().error(404, f"nothing is served at {path}"))
        await connection.respond(200 if path in pages else 404, JSON, msgspec.json.encode(page))

    def gaps(self, ask: Ask) -> Gap:
        """Makes the seconds before each token of this answer."""
        chance = random.Random(self.seed)
        pace = ask.switch("pace")
        mean = self.pace if pace is None else pace
        return lambda: mean * (0.5 + chance.random())


async def serve(port: int, pace: float, seed: int) -> None:
    """Run until cancelled, telling on standard output where and what was cancelled."""
    async with FakeLLM(pace, seed, port, say=lambda line: print(line, flush=True)) as llm:
        print(f"backend: listening on {llm.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """`python -m sidecar.tools.fakellm`."""
    parser = argparse.ArgumentParser(description="A fake LLM backend that speaks every dialect.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--pace", type=float, default=0.04, help="mean seconds between tokens")
    parser.add_argument("--seed", type=int, default=7, help="of the jitter")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.port, options.pace, options.seed))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
