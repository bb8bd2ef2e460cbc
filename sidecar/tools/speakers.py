"""How each dialect says a speech: the bytes that the real servers send, in the shapes that recordings show."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec

from sidecar.tools.dialogue import Ask, Json, Speech

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


class Anthropic:
    """`/v1/messages`: named events, blocks by index, a ping after the first block's start."""

    content_type = SSE
    stop = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
    errors = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
    errors |= {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        usage = {"input_tokens": ask.input_tokens, "output_tokens": 1}
        started = self._message(ask) | {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        yield Piece(self._event("message_start", message=started))
        for index, (block, deltas, coda) in enumerate(self._blocks(speech)):
            yield Piece(self._event("content_block_start", index=index, content_block=block))
            if index == 0:
                yield Piece(b'event: ping\ndata: {"type": "ping"}\n\n')
            for delta in deltas:
                yield Piece(self._event("content_block_delta", index=index, delta=delta), True)
            ends = [self._event("content_block_delta", index=index, delta=delta) for delta in coda]
            yield Piece(b"".join([*ends, self._event("content_block_stop", index=index)]))
        delta = {"stop_reason": self.stop[speech.finish], "stop_sequence": None}
        yield Piece(self._event("message_delta", delta=delta, usage={"output_tokens": speech.tokens}))
        yield Piece(self._event("message_stop"))

    def _blocks(self, speech: Speech) -> Iterator[tuple[Json, list[Json], list[Json]]]:
        """Each block: how it starts, its paced deltas, and what follows the last of them."""
        if speech.reasoning:
            deltas = [{"type": "thinking_delta", "thinking": word} for word in speech.reasoning]
            signature = {"type": "signature_delta", "signature": "ZmFrZQ=="}
            yield {"type": "thinking", "thinking": "", "signature": ""}, deltas, [signature]
        if speech.text:
            yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in speech.text], []
        for call in speech.calls:
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in call.fragments]
            yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas, []

    def whole(self, ask: Ask, speech: Speech) -> Json:
        content: list[Json] = []
        if speech.reasoning:
            content.append({"type": "thinking", "thinking": "".join(speech.reasoning), "signature": "ZmFrZQ=="})
        if speech.text:
            content.append({"type": "text", "text": "".join(speech.text)})
        for call in speech.calls:
            content.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
        usage = {"input_tokens": ask.input_tokens, "output_tokens": speech.tokens}
        ending = {"stop_reason": self.stop[speech.finish], "stop_sequence": None}
        return self._message(ask) | {"content": content} | ending | {"usage": usage}

    def error(self, status: int, message: str) -> Json:
        error = {"type": self.errors.get(status, "api_error"), "message": message}
        return {"type": "error", "error": error, "request_id": "req_fake"}

    def in_band(self, error: Json) -> bytes:
        return b"event: error\ndata: " + compact(error) + b"\n\n"

    def _message(self, ask: Ask) -> Json:
        return {"id": f"msg_fake{ask.number}", "type": "message", "role": "assistant", "model": ask.model}

    def _event(self, name: str, **fields: object) -> bytes:
        return f"event: {name}\ndata: ".encode() + compact({"type": name, **fields}) + b"\n\n"


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


def speaker_of(path: str) -> Speaker | None:
    """Who answers on this path, None where nobody does."""
    if re.fullmatch(r"/v1(beta)?/models/[^/]+:(stream)?[gG]enerateContent", path):
        return Gemini()
    return _SPEAKERS.get(path)


_SPEAKERS: dict[str, Speaker] = {
    "/v1/chat/completions": OpenAI(),
    "/v1/messages": Anthropic(),
    "/api/chat": Ollama(),
    "/api/generate": Ollama(),
    "/mixed": Mixed(),
}
