"""LM Studio's own `/api/v1/chat`: named events between chat.start and chat.end, which comes after an error too.

The tools it calls run on its side. Wire: lmstudio.ai/docs/developer/rest
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Finish, ReasoningDelta, Start, Status, TextDelta
from sidecar.stream.framing import Frame

SHARED_PATHS = ("/api/v1/chat",)
PING = b": ping\n\n"

_KINDS = ("chat.", "model_load.", "prompt_processing.", "reasoning.", "tool_call.", "message.")


def matches(frame: Frame, said: Any) -> bool:
    if pointers.text(said, "/type").startswith(_KINDS):
        return True
    return bool(pointers.text(said, "/model_instance_id")) and isinstance(said.get("output"), list)


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    said = msgspec.json.decode(frame.data or b"{}")
    kind = pointers.text(said, "/type")
    if kind == "error":
        return [failure.read(said)]
    if not matches(frame, said):
        return None
    words = pointers.text(said, "/content")
    match kind:
        case "":
            return [Start(said["model_instance_id"]), *_parts(said["output"]), *_end(said)]
        case "chat.start":
            return [Start(pointers.text(said, "/model_instance_id"))]
        case "message.delta":
            return [TextDelta(words)] if words else []
        case "reasoning.delta":
            return [ReasoningDelta(words)] if words else []
        case "chat.end":
            return _end(said.get("result"))
        case "tool_call.start":
            return [Status("server_tool", {"name": pointers.text(said, "/tool")})]
    return [_progress(said)] if kind.endswith(".progress") else []


def _parts(output: list[Any]) -> Iterable[Event]:
    """A non-streamed answer."""
    for part in output:
        words = pointers.text(part, "/content")
        match pointers.text(part, "/type"):
            case "message" if words:
                yield TextDelta(words)
            case "reasoning" if words:
                yield ReasoningDelta(words)
            case "tool_call":
                yield Status("server_tool", {"name": pointers.text(part, "/tool")})


def _end(result: Any) -> list[Event]:
    stats = pointers.at(result, "/stats")
    counted = pointers.usage(stats, "/input_tokens", "/total_output_tokens", reasoning="/reasoning_output_tokens")
    return [*counted, Finish("stop"), End()]


def _progress(said: Any) -> Status:
    value = said.get("progress")
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return Status("progress", {"progress": value} if known else {})
