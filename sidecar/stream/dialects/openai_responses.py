"""OpenAI Responses and those who speak it (Azure, Bedrock Mantle, DeepSeek, vLLM, LM Studio, llama.cpp, xAI).

`event: response.x` + `data: {"type":"response.x"}`. `response.completed`, `.incomplete`, `.failed` and `.cancelled` end
it; the error may be said twice. Items are correlated by `output_index`, since Copilot changes `item_id` on every event;
llama.cpp leaves both out. Wire: platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical
from sidecar.stream.sofar import SoFar

PATHS = ("/responses",)
PING = b": ping\n\n"
REFRAIN = ("obfuscation", "sequence_number")

_FINAL = {"completed", "incomplete", "failed", "cancelled"}


class _Said(msgspec.Struct, gc=False):
    type: str = ""
    delta: Any = None
    output_index: int | None = None
    item_id: str = ""


_decode = msgspec.json.Decoder(_Said).decode


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    kind = said.get("type")
    return (isinstance(kind, str) and kind.startswith("response.")) or (
        said.get("object") == "response" and isinstance(said.get("output"), list)
    )


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._client_side: set[int | None] = set()  # output indexes of function calls
        self._typed: set[int | None] = set()  # output indexes of custom calls whose free text came in deltas

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = _decode(data)
        # DashScope labels its events `response.x:HTTP_STATUS/200`
        kind = said.type.partition(":")[0]
        if kind == "response.output_text.delta" and isinstance(said.delta, str):
            return [TextDelta(said.delta)] if said.delta else []
        if kind in ("response.reasoning_text.delta", "response.reasoning_summary_text.delta"):
            return [ReasoningDelta(said.delta)] if isinstance(said.delta, str) and said.delta else []
        if kind == "response.refusal.delta":
            return [TextDelta(said.delta, refusal=True)] if isinstance(said.delta, str) and said.delta else []
        if kind == "response.function_call_arguments.delta":
            return [ToolCallDelta(said.output_index, arguments=said.delta)] if isinstance(said.delta, str) else []
        if kind == "response.custom_tool_call_input.delta":
            return self._free_text(said.output_index, said.delta) if isinstance(said.delta, str) else []
        return self._rest(kind, msgspec.json.decode(data))

    def _rest(self, kind: str, said: Any) -> Iterable[Event] | None:
        index = pointers.count(said, "/output_index")
        match kind:
            case "response.created" | "response.queued":
                return [Start(pointers.text(said, "/response/model"), pointers.text(said, "/response/id"))]
            case "response.output_item.added":
                return self._item(said.get("item"), index)
            case "response.output_item.done":
                return self._item_done(said.get("item"), index)
            case "error" | "response.error":
                return [failure.read(said.get("error") or said)]
        status = kind.removeprefix("response.")
        if status in _FINAL:
            return self._final(said.get("response"), status)
        if not kind and isinstance(said, dict) and said.get("error"):
            return [failure.read(said)]
        if not kind.startswith("response.") and kind != "keepalive":
            return self._body(said)
        return [Extension(kind, said)] if kind == "response.image_generation_call.partial_image" else []

    def _free_text(self, index: int | None, words: str) -> Iterable[Event]:
        """A custom tool takes free text, not JSON: a piece of it as a piece of `{"input": text}`."""
        begun = "" if index in self._typed else '{"input":"'
        self._typed.add(index)
        return [ToolCallDelta(index, arguments=begun + msgspec.json.encode(words)[1:-1].decode())]

    def _item(self, item: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(item, "/type")
        if kind in ("function_call", "custom_tool_call"):
            self._client_side.add(index)
            return [ToolCallDelta(index, _call_id(item), pointers.text(item, "/name"))]
        if kind in ("message", "reasoning", ""):
            return []
        return [Status("server_tool", {"id": pointers.text(item, "/id"), "name": kind})]

    def _item_done(self, item: Any, index: int | None) -> Iterable[Event]:
        kind = pointers.text(item, "/type")
        if kind not in ("function_call", "custom_tool_call"):
            return []
        begun: list[Event] = [] if index in self._client_side else list(self._item(item, index))
        whole = pointers.text(item, "/arguments", "/input")
        if index in self._typed:
            self._typed.discard(index)
            begun.append(ToolCallDelta(index, arguments='"}'))
        elif kind == "custom_tool_call":
            whole = msgspec.json.encode({"input": whole}).decode()
        return [*begun, ToolCallEnd(index, _call_id(item), pointers.text(item, "/name"), arguments_text=whole)]

    def _final(self, response: Any, status: str) -> Iterable[Event]:
        events: list[Event] = list(_usage(response))
        if status == "failed":
            return [*events, failure.read(pointers.at(response, "/error") or "the response failed")]
        raw = pointers.text(response, "/incomplete_details/reason") or pointers.text(response, "/status") or status
        return [*events, Finish(canonical(raw), raw), End()]

    def _body(self, said: Any) -> Iterable[Event] | None:
        """A non-streamed answer."""
        if not matches(Frame(b"", b""), said) or "type" in said:
            return None
        events: list[Event] = [Start(pointers.text(said, "/model"), pointers.text(said, "/id"))]
        for index, item in enumerate(said["output"]):
            content = pointers.at(item, "/content")
            for part in content if isinstance(content, list) else ():
                words = pointers.text(part, "/text", "/refusal")
                if words and pointers.text(item, "/type") == "reasoning":
                    events.append(ReasoningDelta(words))
                elif words:
                    events.append(TextDelta(words, refusal=pointers.text(part, "/type") == "refusal"))
            events += [*self._item(item, index), *self._item_done(item, index)]
        return [*events, *self._final(said, pointers.text(said, "/status"))]


def _call_id(item: Any) -> str:
    return pointers.text(item, "/call_id", "/id")


def _usage(response: Any) -> list[Any]:
    return pointers.usage(
        pointers.at(response, "/usage"),
        "/input_tokens",
        "/output_tokens",
        "/total_tokens",
        "/input_tokens_details/cached_tokens",
        "/output_tokens_details/reasoning_tokens",
    )


def error_frame(error: Error, so_far: SoFar) -> bytes:
    """Twice: openai-python raises only where an `error` key is there, Codex reads `response.failed` alone."""
    number = so_far.number("sequence_number", -1) + 1
    said = {"code": error.type or error.code.lower(), "message": error.message, "param": None}
    failed = {
        "id": so_far.id,
        "object": "response",
        "created_at": so_far.created,
        "status": "failed",
        "model": so_far.model,
        "output": [],
        "error": {
            "code": "rate_limit_exceeded" if error.outcome == "rate_limited" else "server_error",
            "message": error.message,
        },
    }
    return _framed(
        {"type": "error", "sequence_number": number, **said, "error": {"type": error.outcome, **said}}
    ) + _framed({"type": "response.failed", "sequence_number": number + 1, "response": failed})


def _framed(said: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (said["type"].encode(), msgspec.json.encode(said))
