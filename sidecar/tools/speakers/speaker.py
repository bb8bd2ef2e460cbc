"""What a dialect's speaker is."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech

SSE = "text/event-stream; charset=utf-8"


class Piece(NamedTuple):
    """Bytes that go out in one write; a `token` is waited for and counted, the rest follows at once."""

    raw: bytes
    token: bool = False


class Speaker(Protocol):
    """One dialect: a streamed answer, the same answer whole, an error as a body and as a frame."""

    content_type: str

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]: ...
    def whole(self, ask: Ask, speech: Speech) -> Json: ...
    def error(self, status: int, message: str) -> Json: ...
    def in_band(self, error: Json) -> bytes: ...


def compact(value: Json) -> bytes:
    """JSON as OpenAI prints it: no blanks, UTF-8 unescaped."""
    return msgspec.json.encode(value)
