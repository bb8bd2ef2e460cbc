"""Ollama's own API."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech
from sidecar.tools.speakers.speaker import Piece, compact


class Ollama:
    """`/api/chat` and `/api/generate`: one JSON object a line, calls whole, `done: true` last."""

    content_type = "application/x-ndjson"

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        for word in speech.reasoning:
            yield Piece(self._line(ask, "", {"thinking": word}), True)
        for word in speech.text:
            yield Piece(self._line(ask, word, {}), True)
        for call in speech.calls:
            function = {"name": call.name, "arguments": call.arguments}
            yield Piece(self._line(ask, "", {"tool_calls": [{"function": function}]}), True)
        yield Piece(compact(self._said(ask, "", {}) | self._last(ask, speech)) + b"\n")

    def whole(self, ask: Ask, speech: Speech) -> Json:
        more: Json = {"thinking": "".join(speech.reasoning)} if speech.reasoning else {}
        if speech.calls:
            calls = [{"name": call.name, "arguments": call.arguments} for call in speech.calls]
            more["tool_calls"] = [{"function": call} for call in calls]
        return self._said(ask, "".join(speech.text), more) | self._last(ask, speech)

    def error(self, status: int, message: str) -> Json:
        return {"error": message}

    def in_band(self, error: Json) -> bytes:
        return compact(error) + b"\n"

    def _line(self, ask: Ask, content: str, more: Json) -> bytes:
        return compact(self._said(ask, content, more) | {"done": False}) + b"\n"

    def _said(self, ask: Ask, content: str, more: Json) -> Json:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        head = {"model": ask.model, "created_at": now}
        if ask.path == "/api/generate":
            return head | {"response": content, **more}
        return head | {"message": {"role": "assistant", "content": content, **more}}

    def _last(self, ask: Ask, speech: Speech) -> Json:
        reason = "length" if speech.finish == "length" else "stop"
        counts = {"prompt_eval_count": ask.input_tokens, "eval_count": speech.tokens}
        durations = {"total_duration": 182242375, "load_duration": 41295167, "eval_duration": 115959084}
        return {"done": True, "done_reason": reason} | durations | counts
