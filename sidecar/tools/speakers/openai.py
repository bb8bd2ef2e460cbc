"""OpenAI Chat Completions, as most servers speak it."""

import time
from collections.abc import Iterator

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech
from sidecar.tools.speakers.speaker import SSE, Piece, compact


class OpenAI:
    """`/v1/chat/completions`: `data:` chunks, usage on request, `[DONE]`."""

    content_type = SSE

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        head = {"id": f"chatcmpl-fake{ask.number}", "object": "chat.completion.chunk", "created": int(time.time())}
        head |= {"model": ask.model, "system_fingerprint": "fp_fake"}
        asked = (ask.body.get("stream_options") or {}).get("include_usage")
        unknown = {"usage": None} if asked else {}

        def chunk(delta: Json, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return self.in_band({**head, "choices": [choice], **unknown})

        yield Piece(chunk({"role": "assistant", "content": None if speech.calls else ""}))
        for word in speech.reasoning:
            yield Piece(chunk({"reasoning_content": word}), True)
        for word in speech.text:
            yield Piece(chunk({"content": word}), True)
        for index, call in enumerate(speech.calls):
            function = {"name": call.name, "arguments": ""}
            opened = {"index": index, "id": call.id, "type": "function", "function": function}
            yield Piece(chunk({"tool_calls": [opened]}))
            for part in call.fragments:
                yield Piece(chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]}), True)
        yield Piece(chunk({}, speech.finish))
        if asked:
            yield Piece(self.in_band({**head, "choices": [], "usage": self._usage(ask, speech)}))
        yield Piece(b"data: [DONE]\n\n")

    def whole(self, ask: Ask, speech: Speech) -> Json:
        message: Json = {"role": "assistant", "content": "".join(speech.text) or None}
        if speech.reasoning:
            message["reasoning_content"] = "".join(speech.reasoning)
        if speech.calls:
            named = [(call.id, {"name": call.name, "arguments": "".join(call.fragments)}) for call in speech.calls]
            message["tool_calls"] = [{"id": id, "type": "function", "function": function} for id, function in named]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": speech.finish}
        answer = {"id": f"chatcmpl-fake{ask.number}", "object": "chat.completion", "created": int(time.time())}
        return answer | {"model": ask.model, "choices": [choice], "usage": self._usage(ask, speech)}

    def error(self, status: int, message: str) -> Json:
        kind, code = {
            401: ("invalid_request_error", "invalid_api_key"),
            404: ("invalid_request_error", "model_not_found"),
            429: ("requests", "rate_limit_exceeded"),
        }.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def in_band(self, error: Json) -> bytes:
        return b"data: " + compact(error) + b"\n\n"

    def _usage(self, ask: Ask, speech: Speech) -> Json:
        counts = {"prompt_tokens": ask.input_tokens, "completion_tokens": speech.tokens}
        total = {"total_tokens": ask.input_tokens + speech.tokens}
        return counts | total | {"completion_tokens_details": {"reasoning_tokens": len(speech.reasoning)}}
