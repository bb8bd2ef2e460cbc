"""Dify's chat, agent and workflow streams: the event's name stands inside the JSON, `event: ping` has no data.

Wire: docs.dify.ai (Chat messages, streaming mode)
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, Start, Status, TextDelta
from sidecar.stream.framing import Frame

PATHS = ("/chat-messages", "/completion-messages", "/workflows/run")
PING = b"event: ping\n\n"

_TEXT = ("message", "agent_message", "text_chunk")
_KNOWN = (*_TEXT, "message_end", "message_replace", "error", "agent_thought", "message_file", "tts_message", "ping")


def matches(frame: Frame, said: Any) -> bool:
    kind = said.get("event") if isinstance(said, dict) else None
    return isinstance(kind, str) and (kind in _KNOWN or kind.startswith(("workflow_", "node_", "tts_")))


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    said = msgspec.json.decode(frame.data or b"{}")
    if not matches(frame, said):
        return None
    kind = said["event"]
    if kind in _TEXT:
        words = pointers.text(said, "/answer", "/data/text")
        return [Start(id=pointers.text(said, "/message_id")), *([TextDelta(words)] if words else ())]
    if kind in ("message_end", "workflow_finished"):
        return list(_end(said))
    if kind == "error":
        return [failure.read(said)]
    if kind.startswith("node_") or kind == "workflow_started":
        return [Status(kind, {"name": pointers.text(said, "/data/title")})]
    return [] if kind in ("ping", "agent_thought") or kind.startswith("tts_") else [Extension(kind, said)]


def _end(said: Any) -> Iterable[Event]:
    yield from pointers.usage(
        pointers.at(said, "/metadata/usage"), "/prompt_tokens", "/completion_tokens", "/total_tokens"
    )
    if pointers.text(said, "/data/status") == "failed":
        yield failure.read(pointers.at(said, "/data/error") or "the workflow failed")
    elif said["event"] == "message_end" or not pointers.text(said, "/message_id"):
        # in a chat a `message_end` follows the workflow's end
        yield from [Finish("stop"), End()]
