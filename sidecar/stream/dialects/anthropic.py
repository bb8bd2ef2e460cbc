"""Anthropic Messages: `event: X` + `data: {"type":"X"}`, blocks by index, `message_stop` is the end.

Relays may drop the `event:` lines and add `[DONE]`. Wire: docs.anthropic.com/en/docs/build-with-claude/streaming
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
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.pointers import number
from sidecar.stream.reasons import canonical
from sidecar.stream.sofar import SoFar

PATHS = ("/v1/messages", "/v1/complete", "/v1/sessions/*/events/stream", "/v1/sessions/*/threads/*/stream")
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
REFRAIN: tuple[str, ...] = ()


class _Block(msgspec.Struct, gc=False):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citations: Any = None
    input: msgspec.Raw = msgspec.Raw(b"")


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None


class _Said(msgspec.Struct, gc=False):
    type: str = ""
    index: int = 0
    delta: _Delta | None = None
    content_block: _Block | None = None
    message: _Message | str | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None


_decode = msgspec.json.Decoder(_Said).decode

_TYPES = frozenset(
    "message message_start content_block_start content_block_delta content_block_stop message_delta message_stop ping"
    " error".split()
)


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    kind = said.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return frame.name == "error" and "message" in said and "type" in said
    return "data" not in said and (kind != "error" or "error" in said)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._kinds: dict[int, str] = {}  # block index -> block type
        self._spoken = False  # in blocks
        self._inputs: dict[int, str] = {}  # of blocks that began with all of it, which some say again in deltas

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data[:1] != b"{" and data.strip() in (b"", b"[DONE]"):
            return []
        said = _decode(data)
        if said.type == "content_block_delta" and said.delta:
            return self._delta(said.index, said.delta, data)
        if frame.name == "error" and said.type != "error":
            # llama.cpp puts code, message and type at the top
            return [failure.read(msgspec.json.decode(data))]
        handle = getattr(self, f"_{said.type}", None) if said.type in _TYPES else None
        if handle:
            events: list[Event] = handle(said)
            if events and type(events[0]) is Extension and events[0].value is None:
                block = msgspec.json.decode(data).get("content_block")
                events = [Extension(events[0].name, block)]
            return events
        known = said.type.startswith(("message", "content_block"))
        return [Extension(said.type, msgspec.json.decode(data))] if known else None

    def _delta(self, index: int, delta: _Delta, data: bytes) -> Iterable[Event]:
        self._spoken = True
        match delta.type:
            case "text_delta":
                return [TextDelta(delta.text)] if delta.text else []
            case "thinking_delta":
                return [ReasoningDelta(delta.thinking)] if delta.thinking else []
            case "input_json_delta":
                client_side = self._kinds.get(index, "tool_use") == "tool_use"
                if delta.partial_json:
                    self._inputs.pop(index, None)
                return [ToolCallDelta(index, arguments=delta.partial_json or "")] if client_side else []
            case "signature_delta":
                return [Extension("signature", delta.signature)] if delta.signature else []
        return [Extension(delta.type, msgspec.json.decode(data).get("delta"))]

    def _ping(self, said: _Said) -> Iterable[Event]:
        return []

    def _message_start(self, said: _Said) -> Iterable[Event]:
        message = said.message if isinstance(said.message, _Message) else _Message()
        return [Start(message.model or "", message.id or ""), *_usage(message.usage)]

    def _content_block_start(self, said: _Said) -> Iterable[Event]:
        block = said.content_block or _Block()
        self._spoken = True
        events = self._content_block_stop(said)  # of the one before, where all have one index
        self._kinds[said.index] = block.type
        if whole := _input(block):
            self._inputs[said.index] = whole
            block.input = msgspec.Raw(b"")
        return [*events, *self._block(said.index, block)]

    def _content_block_stop(self, said: _Said) -> list[Event]:
        client_side = self._kinds.pop(said.index, "") == "tool_use"
        return [self._tool_end(said.index)] if client_side else []

    def _tool_end(self, index: int) -> ToolCallEnd:
        return ToolCallEnd(index, arguments_text=self._inputs.pop(index, ""))

    def _ended(self) -> list[Event]:
        """Those that nothing said had stopped, where one began with all of its input."""
        calls = [index for index, kind in self._kinds.items() if kind == "tool_use"] if self._inputs else []
        return [self._tool_end(index) for index in calls]

    def _message_delta(self, said: _Said) -> Iterable[Event]:
        events: list[Event] = [*self._ended(), *_usage(said.usage)]
        if said.delta and said.delta.stop_reason:
            events.append(Finish(canonical(said.delta.stop_reason), said.delta.stop_reason))
        return events

    def _message_stop(self, said: _Said) -> Iterable[Event]:
        return [*self._ended(), End()]

    def _error(self, said: _Said) -> Iterable[Event]:
        return [failure.read(said.error if said.error is not None else said.message)]

    def _message(self, said: _Said) -> Iterable[Event]:
        """A non-streamed answer: all blocks at once. Behind a stream's own ones it says them again."""
        ended = [Finish(canonical(said.stop_reason), said.stop_reason)] if said.stop_reason else []
        if self._spoken:
            return [*_usage(said.usage), *ended]
        events: list[Event] = [Start(said.model or "", said.id or "")]
        for index, block in enumerate(said.content or ()):
            events += self._block(index, block)
            if block.type == "tool_use":
                events.append(ToolCallEnd(index))
        return [*events, *ended, *_usage(said.usage), End()]

    def _block(self, index: int, block: _Block) -> list[Event]:
        match block.type:
            case "text":
                cited: list[Event] = [Extension("citations", block.citations)] if block.citations else []
                return [TextDelta(block.text), *cited] if block.text else cited
            case "thinking":
                signed: list[Event] = [Extension("signature", block.signature)] if block.signature else []
                return [ReasoningDelta(block.thinking), *signed] if block.thinking else signed
            case "tool_use":
                return [ToolCallDelta(index, block.id, block.name, _input(block))]
        if block.type.endswith(("_tool_use", "_tool_result")):
            return [Status("server_tool", {"id": block.id, "name": block.name or block.type})]
        return [Extension(block.type)] if block.type else []


def _input(block: _Block) -> str:
    """All of a block's arguments; an empty `input` announces fragments."""
    given = bytes(block.input).decode("utf-8", "replace")
    return "" if given.replace(" ", "") in ("", "{}", "null") else given


def _usage(said: dict[str, Any] | None) -> list[Event]:
    if not said:
        return []
    given, made = number(said.get("input_tokens")), number(said.get("output_tokens"))
    read, written = number(said.get("cache_read_input_tokens")), number(said.get("cache_creation_input_tokens"))
    return [Usage(given, made, None, read, cache_creation_input_tokens=written, cache_apart=bool(read or written))]


def error_frame(error: Error, so_far: SoFar) -> bytes:
    kind = {"rate_limited": "rate_limit_error", "rejected": "invalid_request_error"}.get(error.outcome, "api_error")
    body = {"type": "error", "error": {"type": "overloaded_error" if error.code == "OVERLOADED" else kind}}
    body["error"]["message"] = error.message  # type: ignore[index]
    return b"event: error\ndata: " + msgspec.json.encode(body) + b"\n\n"


def retold(body: bytes) -> bytes:
    """A whole message as the events of its stream: each block begins empty, says all that it has, and stops."""
    said = pointers.read(body)
    if pointers.text(said, "/type") != "message":
        return b""
    start = {**said, "content": [], "stop_reason": None, "stop_sequence": None}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(said.get("content") or ()):
        empty, delta = _begun(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta}] if delta else []
        events.append({"type": "content_block_stop", "index": index})
    why = {key: said.get(key) for key in ("stop_reason", "stop_sequence")}
    events.append({"type": "message_delta", "delta": why, "usage": said.get("usage") or {"output_tokens": 0}})
    events.append({"type": "message_stop"})
    lines = (f"event: {event['type']}\ndata: {msgspec.json.encode(event).decode()}\n\n" for event in events)
    return "".join(lines).encode()


def _begun(block: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """A block without its content, and the delta that brings it; of a kind without deltas all at once."""
    match block.get("type"):
        case "text" | "thinking" as kind:
            return {**block, kind: ""}, {"type": f"{kind}_delta", kind: block.get(kind, "")}
        case "tool_use":
            whole = msgspec.json.encode(block.get("input")).decode()
            return {**block, "input": {}}, {"type": "input_json_delta", "partial_json": whole}
    return block, None
