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
_QUIET = ("ping", "tts_message", "tts_message_end")


def matches(frame: Frame, said: Any) -> bool:
    kind = said.get("event") if isinstance(said, dict) else None
    if kind in ("message", "error"):  # Coze's events are called the same
        return "answer" in said if kind == "message" else "message" in said
    return isinstance(kind, str) and (kind in _KNOWN or kind.startswith(("workflow_", "node_", "tts_")))


def decoder() -> Decode:
    spoken = False

    def decode(frame: Frame) -> Iterable[Event] | None:
        nonlocal spoken
        said = msgspec.json.decode(frame.data or b"{}")
        kind = said.get("event") if isinstance(said, dict) else None
        if not isinstance(kind, str) or (kind == "message" and "answer" not in said):
            return None
        spoken = spoken or kind in _TEXT
        if kind == "workflow_finished":
            return list(_workflow_end(said, spoken))
        return list(_said(kind, said))

    return decode


def _said(kind: str, said: Any) -> Iterable[Event]:
    if answer := pointers.text(said, "/message_id", "/workflow_run_id"):
        yield Start(id=answer)
    if kind in _TEXT and (words := pointers.text(said, "/answer", "/data/text")):
        yield TextDelta(words)
    if kind == "message_end" or (kind in _TEXT and "metadata" in said):
        # a non-streamed answer is a message with metadata
        counted = pointers.at(said, "/metadata/usage")
        yield from pointers.usage(counted, "/prompt_tokens", "/completion_tokens", "/total_tokens")
        yield from [Finish("stop"), End()]
    elif kind == "error":
        yield failure.read(said)
    elif kind.startswith("node_") or kind == "workflow_started":
        title = pointers.text(said, "/data/title")
        yield Status(kind, {"name": title} if title else {})
    elif kind == "agent_thought":
        if (tool := pointers.text(said, "/tool")) and not pointers.text(said, "/observation"):
            yield Status("server_tool", {"id": pointers.text(said, "/id"), "name": tool})
    elif kind not in (*_TEXT, *_QUIET):
        yield Extension(kind, said)


def _workflow_end(said: Any, spoken: bool) -> Iterable[Event]:
    if pointers.text(said, "/data/status") == "failed":
        yield failure.read(pointers.at(said, "/data/error") or "the workflow failed")
    elif not pointers.text(said, "/message_id"):  # in a chat a `message_end` follows
        outputs = pointers.at(said, "/data/outputs")
        if not spoken and isinstance(outputs, dict):
            words = pointers.text(outputs, "/text", "/answer", "/result", "/output")
            yield TextDelta(words) if words else Extension("outputs", outputs)
        yield from [Finish("stop"), End()]
