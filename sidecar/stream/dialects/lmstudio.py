"""LM Studio's own `/api/v1/chat`: named events between chat.start and chat.end, which comes after an error too.

The tools it calls run on its side. Wire: lmstudio.ai/docs/developer/rest
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, ReasoningDelta, Start, Status, TextDelta
from sidecar.stream.framing import Frame

PATHS = ("/api/v1/chat",)
PING = b": ping\n\n"

_KINDS = ("chat.", "model_load.", "prompt_processing.", "reasoning.", "tool_call.", "message.")


def matches(frame: Frame, said: Any) -> bool:
    return pointers.text(said, "/type").startswith(_KINDS)


def decoder() -> Decode:
    failed: list[Event] = []

    def decode(frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"{}")
        kind = pointers.text(said, "/type")
        if kind == "error":
            # the usage stands in the chat.end that follows
            failed.append(failure.read(said))
            return []
        if not matches(frame, said):
            return None
        words = pointers.text(said, "/content")
        match kind:
            case "chat.start":
                return [Start(pointers.text(said, "/model_instance_id"))]
            case "message.delta":
                return [TextDelta(words)] if words else []
            case "reasoning.delta":
                return [ReasoningDelta(words)] if words else []
            case "chat.end":
                counted = pointers.usage(
                    pointers.at(said, "/result/stats"),
                    "/input_tokens",
                    "/total_output_tokens",
                    reasoning="/reasoning_output_tokens",
                )
                return [*counted, *failed] if failed else [*counted, Finish("stop"), End()]
        if kind.endswith(".progress"):
            return [_progress(said)]
        if kind == "tool_call.start":
            return [Status("server_tool", {"name": pointers.text(said, "/tool")})]
        return [] if kind.startswith(_KINDS) else [Extension(kind, said)]

    return decode


def _progress(said: Any) -> Status:
    value = said.get("progress")
    known = isinstance(value, int | float) and 0 <= value <= 1
    return Status("progress", {"progress": value} if known else {})
