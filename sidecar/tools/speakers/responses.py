"""OpenAI Responses."""

import time
from collections.abc import Iterator

from sidecar.tools.asked import Json
from sidecar.tools.dialogue import Ask, Call, Speech
from sidecar.tools.speakers.openai import OpenAI
from sidecar.tools.speakers.speaker import SSE, Piece, compact

Event = tuple[str, Json, bool]
"""A type, the fields beside it, and whether it is a token."""

Item = tuple[Json, list[Event]]
"""An item of the output as it is in the end, and the events between its opening and its closing."""


class Responses:
    """`/v1/responses`: named and numbered events; each item is opened, told in deltas, told whole and closed."""

    content_type = SSE

    def stream(self, ask: Ask, speech: Speech) -> Iterator[Piece]:
        for number, (name, fields, token) in enumerate(self._events(ask, speech)):
            yield Piece(self._event(name, sequence_number=number, **fields), token)

    def _events(self, ask: Ask, speech: Speech) -> Iterator[Event]:
        begun = self._response(ask, "in_progress", [])
        yield "response.created", {"response": begun}, False
        yield "response.in_progress", {"response": begun}, False
        for index, (item, told) in enumerate(self._items(ask, speech)):
            yield "response.output_item.added", {"output_index": index, "item": self._opened(item)}, False
            for name, fields, token in told:
                yield f"response.{name}", {"item_id": item["id"], "output_index": index, **fields}, token
            yield "response.output_item.done", {"output_index": index, "item": item}, False
        whole = self.whole(ask, speech)
        yield f"response.{whole['status']}", {"response": whole}, False

    def _items(self, ask: Ask, speech: Speech) -> Iterator[Item]:
        if speech.reasoning:
            yield self._reasoning(ask, speech)
        if speech.text:
            yield self._message(ask, speech)
        yield from map(self._call, speech.calls)

    def _reasoning(self, ask: Ask, speech: Speech) -> Item:
        part = {"type": "summary_text", "text": "".join(speech.reasoning)}
        at: Json = {"summary_index": 0}
        deltas = [("reasoning_summary_text.delta", at | {"delta": word}, True) for word in speech.reasoning]
        opening = ("reasoning_summary_part.added", at | {"part": part | {"text": ""}}, False)
        done = ("reasoning_summary_text.done", at | {"text": part["text"]}, False)
        closing = ("reasoning_summary_part.done", at | {"part": part}, False)
        item = {"id": f"rs_fake{ask.number}", "type": "reasoning", "summary": [part]}
        return item, [opening, *deltas, done, closing]

    def _message(self, ask: Ask, speech: Speech) -> Item:
        part: Json = {"type": "output_text", "annotations": [], "text": "".join(speech.text)}
        at: Json = {"content_index": 0}
        deltas = [("output_text.delta", at | {"delta": word, "logprobs": []}, True) for word in speech.text]
        opening = ("content_part.added", at | {"part": part | {"text": ""}}, False)
        done = ("output_text.done", at | {"text": part["text"], "logprobs": []}, False)
        closing = ("content_part.done", at | {"part": part}, False)
        status = "incomplete" if speech.finish == "length" else "completed"
        item = {"id": f"msg_fake{ask.number}", "type": "message", "status": status, "role": "assistant"}
        return item | {"content": [part]}, [opening, *deltas, done, closing]

    def _call(self, call: Call) -> Item:
        arguments = "".join(call.fragments)
        item = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed"}
        told: list[Event] = [("function_call_arguments.delta", {"delta": part}, True) for part in call.fragments]
        done = {"name": call.name, "arguments": arguments}
        return item | {"call_id": call.id} | done, [*told, ("function_call_arguments.done", done, False)]

    def _opened(self, item: Json) -> Json:
        """The item as it is before anything has been said of it."""
        emptied = {name: type(item[name])() for name in ("summary", "content", "arguments") if name in item}
        return item | emptied | ({"status": "in_progress"} if "status" in item else {})

    def whole(self, ask: Ask, speech: Speech) -> Json:
        cut = speech.finish == "length"
        items = [item for item, _ in self._items(ask, speech)]
        answer = self._response(ask, "incomplete" if cut else "completed", items)
        counts = {"input_tokens": ask.input_tokens, "output_tokens": speech.tokens}
        details: Json = {"input_tokens_details": {"cached_tokens": 0}}
        details["output_tokens_details"] = {"reasoning_tokens": len(speech.reasoning)}
        answer["usage"] = counts | {"total_tokens": ask.input_tokens + speech.tokens} | details
        return answer | ({"incomplete_details": {"reason": "max_output_tokens"}} if cut else {})

    def error(self, status: int, message: str) -> Json:
        return OpenAI().error(status, message)

    def in_band(self, error: Json) -> bytes:
        """The error alone, then the response that failed of it."""
        said = error["error"]
        failed = {"id": "resp_fake", "object": "response", "created_at": int(time.time()), "status": "failed"}
        failed |= {"output": [], "error": {"code": said["code"] or said["type"], "message": said["message"]}}
        last = self._event("response.failed", sequence_number=1, response=failed)
        return self._event("error", sequence_number=0, **error) + last

    def _response(self, ask: Ask, status: str, output: list[Json]) -> Json:
        head = {"id": f"resp_fake{ask.number}", "object": "response", "created_at": int(time.time())}
        head |= {"status": status, "error": None, "incomplete_details": None, "model": ask.model, "output": output}
        settings = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": None}
        return head | settings

    def _event(self, name: str, /, **fields: object) -> bytes:
        return f"event: {name}\ndata: ".encode() + compact({"type": name, **fields}) + b"\n\n"
