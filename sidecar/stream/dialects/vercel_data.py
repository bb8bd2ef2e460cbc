"""Vercel AI SDK's data stream, v4: lines of `CODE:JSON`, as text/plain. `d` or `3` is the last that counts.

Wire: ai-sdk.dev/v4/docs/ai-sdk-ui/stream-protocol
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
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical

_QUIET = "aehi"


def matches(frame: Frame, said: Any) -> bool:
    return len(frame.name) == 2 and frame.name[1] == ":"


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._calls: dict[str, int] = {}  # the call's id -> its number

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        if not matches(frame, None):
            return None
        said = msgspec.json.decode(frame.data or b"null")
        code = frame.name[0]
        match code:
            case "f":
                return [Start(id=pointers.text(said, "/messageId"))]
            case "0" | "g":
                if not isinstance(said, str) or not said:
                    return []
                return [TextDelta(said)] if code == "0" else [ReasoningDelta(said)]
            case "b" | "c" | "9":
                return self._call(code, said)
            case "3":
                return [failure.read(said)]
            case "d":
                return list(_finish(said))
        return [] if code in _QUIET else [Extension(code, said)]

    def _call(self, code: str, said: Any) -> Iterable[Event]:
        call, name = pointers.text(said, "/toolCallId"), pointers.text(said, "/toolName")
        number = self._calls.setdefault(call, len(self._calls))
        if code == "c":
            return [ToolCallDelta(number, call, arguments=pointers.text(said, "/argsTextDelta"))]
        begun: list[Event] = [ToolCallDelta(number, call, name)]
        whole = msgspec.json.encode(pointers.at(said, "/args") or {}).decode()
        return begun if code == "b" else [*begun, ToolCallEnd(number, arguments_text=whole)]


def _finish(said: Any) -> Iterable[Event]:
    yield from pointers.usage(pointers.at(said, "/usage"), "/promptTokens", "/completionTokens")
    raw = pointers.text(said, "/finishReason") or "stop"
    yield from [Finish(canonical(raw), raw), End()]
