"""OpenAI Assistants, v2: `event: thread.message.delta` and its kin; the run says how it ended, then `[DONE]`.

Wire: platform.openai.com/docs/api-reference/assistants-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Finish, Start, TextDelta, ToolCallDelta
from sidecar.stream.framing import Frame

PATHS = ("/submit_tool_outputs",)
SHARED_PATHS = ("/runs",)
PING = b": ping\n\n"

_FAILED = ("thread.run.failed", "thread.run.expired", "error")
_ENDS = {
    "thread.run.completed": "stop",
    "thread.run.incomplete": "length",
    "thread.run.cancelled": "cancelled",
    "thread.run.requires_action": "tool_calls",
}


def matches(frame: Frame, said: Any) -> bool:
    return frame.name.startswith("thread.") or pointers.text(said, "/object").startswith("thread.")


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    data = frame.data or b""
    if data.strip() == b"[DONE]":
        return [End()]
    said = msgspec.json.decode(data)
    if frame.name in _FAILED:
        return [failure.read(pointers.at(said, "/last_error") or said)]
    if not matches(frame, said):
        return None
    if frame.name == "thread.run.created":
        return [Start(pointers.text(said, "/model"), pointers.text(said, "/id"))]
    if frame.name == "thread.message.delta":
        parts = pointers.at(said, "/delta/content")
        words = [pointers.text(part, "/text/value") for part in (parts if isinstance(parts, list) else ())]
        return [TextDelta(word) for word in words if word]
    if frame.name == "thread.run.step.delta":
        return list(_calls(pointers.at(said, "/delta/step_details/tool_calls")))
    if frame.name in _ENDS:
        counted = pointers.usage(
            said.get("usage"),
            "/prompt_tokens",
            "/completion_tokens",
            "/total_tokens",
            "/prompt_token_details/cached_tokens",
            "/completion_tokens_details/reasoning_tokens",
        )
        return [*counted, Finish(_ENDS[frame.name], pointers.text(said, "/status"))]
    return []


def _calls(calls: Any) -> Iterable[Event]:
    for call in calls if isinstance(calls, list) else ():
        if pointers.text(call, "/type") == "function":
            yield ToolCallDelta(
                pointers.count(call, "/index"),
                pointers.text(call, "/id"),
                pointers.text(call, "/function/name"),
                pointers.text(call, "/function/arguments"),
            )
