"""Anthropic Messages."""

from collections.abc import Iterator

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Speech
from sidecar.tools.speakers.speaker import SSE, Piece, compact


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
