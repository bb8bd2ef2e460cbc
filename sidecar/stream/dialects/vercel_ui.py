"""Vercel AI SDK's UI message stream, v1: `{"type": "text-delta"}` and its kin, then `[DONE]`, after an error too.

Usage only by way of message metadata. Wire: ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
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

PING = b": ping\n\n"

_TYPES = frozenset(
    "start start-step text-start text-delta text-end reasoning-start reasoning-delta reasoning-end tool-input-start"
    " tool-input-delta tool-input-available tool-input-error tool-output-available tool-output-error source-url"
    " source-document file error abort finish-step finish message-metadata"
    " step-start step-finish tool-call tool-result raw".split()
)


def matches(frame: Frame, said: Any) -> bool:
    kind = pointers.text(said, "/type")
    return (kind in _TYPES and "data" not in said and "error" not in said) or kind.startswith("data-")


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._calls: dict[str, int] = {}  # the call's id -> its number

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = msgspec.json.decode(data)
        if not matches(frame, said):
            return None
        kind = said["type"]
        if isinstance(said.get("payload"), dict):
            # Mastra wraps the parts of the SDK's own stream, which also name the text otherwise
            said = {**said, **said["payload"]}
        words = pointers.text(said, "/delta", "/text", "/textDelta")
        match kind:
            case "start":
                return [Start(id=pointers.text(said, "/messageId"))]
            case "text-delta":
                return [TextDelta(words)] if words else []
            case "reasoning-delta":
                return [ReasoningDelta(words)] if words else []
            case "error":
                return [failure.read(said)]
            case "abort":
                return [Finish("cancelled", "abort"), End()]
            case "finish":
                return list(_finish(said))
        return self._tool(kind, said) if kind.startswith("tool-") else self._rest(kind, said)

    def _tool(self, kind: str, said: Any) -> Iterable[Event]:
        call, name = pointers.text(said, "/toolCallId"), pointers.text(said, "/toolName")
        if said.get("providerExecuted") is True:
            return [Status("server_tool", {"id": call, "name": name})] if kind == "tool-input-available" else []
        number = self._calls.setdefault(call, len(self._calls))
        match kind:
            case "tool-input-start":
                return [ToolCallDelta(number, call, name)]
            case "tool-input-delta":
                return [ToolCallDelta(number, call, arguments=pointers.text(said, "/inputTextDelta"))]
            case "tool-input-available" | "tool-call":
                whole = msgspec.json.encode(said.get("input") or said.get("args") or {}).decode()
                return [ToolCallDelta(number, call, name), ToolCallEnd(number, arguments_text=whole)]
        return []

    def _rest(self, kind: str, said: Any) -> Iterable[Event]:
        return [Extension(kind, said)] if kind.startswith(("data-", "file", "source-")) else []


def _finish(said: Any) -> Iterable[Event]:
    places = ("/messageMetadata/usage", "/totalUsage", "/output/usage", "/usage")
    yield from pointers.usage(
        next((counts for place in places if (counts := pointers.at(said, place))), None),
        "/inputTokens",
        "/outputTokens",
        "/totalTokens",
        "/cachedInputTokens",
        "/reasoningTokens",
    )
    raw = pointers.text(said, "/finishReason", "/messageMetadata/finishReason", "/stepResult/reason") or "stop"
    yield Finish(canonical(raw), raw)
