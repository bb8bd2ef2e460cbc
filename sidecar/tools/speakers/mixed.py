"""A home-made backend."""

from collections.abc import Iterator

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech
from sidecar.tools.speakers.speaker import SSE, Piece, compact


class Mixed:
    """`/mixed`: what a home-made backend sends after five years: four formats in turns, then `done`."""

    content_type = SSE

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        yield Piece(self.in_band({"chunk": "reading the question", "type": "status"}))
        for at, word in enumerate(speech.text):
            yield Piece(self._shapes(word)[at % 3], True)
            if at % 8 == 7:
                progress = round((at + 1) / len(speech.text), 2)
                yield Piece(self.in_band({"type": "status", "data": {"message": "writing", "progress": progress}}))
        yield Piece(self.in_band({"done": True}))

    def _shapes(self, word: str) -> tuple[bytes, bytes, bytes]:
        plain = b"data: " + word.encode() + b"\n\n"
        return self.in_band({"chunk": word, "type": "text"}), self.in_band({"content": word}), plain

    def whole(self, ask: Ask, speech: Speech) -> Json:
        return {"content": "".join(speech.text)}

    def error(self, status: int, message: str) -> Json:
        return {"error": message}

    def in_band(self, error: Json) -> bytes:
        return b"data: " + compact(error) + b"\n\n"
