"""Gemini's generateContent."""

from collections.abc import Iterator

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech
from sidecar.tools.speakers.speaker import SSE, Piece, compact


class Gemini:
    """`:streamGenerateContent`: SSE with CRLF and no last word."""

    content_type = SSE
    status = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        parts: list[Json] = [{"text": word, "thought": True} for word in speech.reasoning]
        parts += [{"text": word} for word in speech.text]
        parts += [{"functionCall": {"name": call.name, "args": call.arguments}} for call in speech.calls]
        for at, part in enumerate(parts, 1):
            yield Piece(self.in_band(self._response(ask, speech, [part], at)), True)
        last = self._response(ask, speech, [{"text": ""}], len(parts))
        last["candidates"][0]["finishReason"] = self._finish(speech)
        yield Piece(self.in_band(last))

    def whole(self, ask: Ask, speech: Speech) -> Json:
        parts: list[Json] = [{"functionCall": {"name": call.name, "args": call.arguments}} for call in speech.calls]
        parts = parts or [{"text": "".join(speech.text)}]
        answer = self._response(ask, speech, parts, speech.tokens)
        answer["candidates"][0]["finishReason"] = self._finish(speech)
        return answer

    def error(self, status: int, message: str) -> Json:
        return {"error": {"code": status, "message": message, "status": self.status.get(status, "UNAVAILABLE")}}

    def in_band(self, error: Json) -> bytes:
        return b"data: " + compact(error) + b"\r\n\r\n"

    def _finish(self, speech: Speech) -> str:
        return "MAX_TOKENS" if speech.finish == "length" else "STOP"

    def _response(self, ask: Ask, speech: Speech, parts: list[Json], output: int) -> Json:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
        thought = min(output, len(speech.reasoning))
        usage = {"promptTokenCount": ask.input_tokens, "candidatesTokenCount": output - thought}
        usage |= {"totalTokenCount": ask.input_tokens + output} | ({"thoughtsTokenCount": thought} if thought else {})
        identity = {"modelVersion": ask.model, "responseId": f"fake{ask.number}"}
        return {"candidates": [candidate], "usageMetadata": usage} | identity
