"""AG-UI: `{"type": "TEXT_MESSAGE_CONTENT"}` and its kin between RUN_STARTED and RUN_FINISHED or RUN_ERROR.

No usage, no finish reason. Wire: docs.ag-ui.com/concepts/events
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

PING = b": ping\n\n"

_PREFIXES = tuple(
    "RUN_ TEXT_MESSAGE_ REASONING_ THINKING_ TOOL_CALL_ STATE_ STEP_ MESSAGES_ ACTIVITY_".split(),
)
_QUIET = ("_START", "_END", "_STARTED", "_FINISHED", "_SNAPSHOT", "_RESULT")


def matches(frame: Frame, said: Any) -> bool:
    return pointers.text(said, "/type").startswith(_PREFIXES)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._calls: dict[str, int] = {}  # the call's id -> its number

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"{}")
        kind = pointers.text(said, "/type")
        if not kind.startswith(_PREFIXES) and kind not in ("RAW", "CUSTOM"):
            return None
        words = pointers.text(said, "/delta")
        call = pointers.text(said, "/toolCallId")
        match kind:
            case "RUN_STARTED":
                return [Start(id=pointers.text(said, "/runId"))]
            case "RUN_FINISHED":
                return [Finish("stop"), End()]
            case "RUN_ERROR":
                return [failure.read({"message": said.get("message"), "code": said.get("code")})]
            case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK":
                return [TextDelta(words)] if words else []
            case "REASONING_MESSAGE_CONTENT" | "REASONING_MESSAGE_CHUNK" | "THINKING_TEXT_MESSAGE_CONTENT":
                return [ReasoningDelta(words)] if words else []
            case "TOOL_CALL_START" | "TOOL_CALL_ARGS" | "TOOL_CALL_CHUNK":
                # a chunk without an id goes on with the last call
                number = self._calls.setdefault(call, len(self._calls)) if call else None
                return [ToolCallDelta(number, call, pointers.text(said, "/toolCallName"), words)]
            case "TOOL_CALL_END":
                return [ToolCallEnd(self._calls.get(call))]
            case "STEP_STARTED":
                return [Status(pointers.text(said, "/stepName") or "step")]
        return [] if kind.endswith(_QUIET) else [Extension(kind, said)]
