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
from sidecar.stream.said import ITEM, Key, Said

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
        self._messages: dict[str, int] = {}  # the message's id -> its number
        self._repeated: set[str] = set()  # ids of messages that a snapshot had
        self._said = Said()

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
                result = said.get("result")
                return [*([Extension("result", result)] if result else ()), Finish("stop"), End()]
            case "RUN_ERROR":
                return [failure.read({"message": said.get("message"), "code": said.get("code")})]
            case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK":
                if not words:
                    return []
                self._said.add(self._key(pointers.text(said, "/messageId")), words)
                return [TextDelta(words)]
            case "REASONING_MESSAGE_CONTENT" | "REASONING_MESSAGE_CHUNK" | "THINKING_TEXT_MESSAGE_CONTENT":
                return [ReasoningDelta(words)] if words else []
            case "TOOL_CALL_START" | "TOOL_CALL_ARGS" | "TOOL_CALL_CHUNK":
                # a chunk without an id goes on with the last call
                number = self._calls.setdefault(call, len(self._calls)) if call else None
                return [ToolCallDelta(number, call, pointers.text(said, "/toolCallName"), words)]
            case "TOOL_CALL_END":
                return [ToolCallEnd(self._calls.get(call))]
            case "MESSAGES_SNAPSHOT":
                return list(self._snapshot(said.get("messages")))
            case "STEP_STARTED":
                return [Status(pointers.text(said, "/stepName") or "step")]
        return [] if kind.endswith(_QUIET) else [Extension(kind, said)]

    def _key(self, message: str) -> Key:
        return ("text", self._messages.setdefault(message, len(self._messages)) if message else None, None)

    def _snapshot(self, messages: Any) -> Iterable[Event]:
        """The conversation so far, whose end is this answer: what of it was said nowhere else."""
        answer: list[Any] = []
        for message in messages if isinstance(messages, list) else ():
            answer = [] if pointers.text(message, "/role") == "user" else [*answer, message]
        spoken = [one for one in answer if pointers.text(one, "/role") == "assistant"]
        fresh = [one for one in spoken if pointers.text(one, "/id") not in self._repeated]
        self._repeated |= {pointers.text(one, "/id") for one in fresh}
        words = [(self._key(pointers.text(one, "/id")), pointers.text(one, "/content")) for one in fresh]
        yield from (TextDelta(rest) for rest in self._said.missing(words, ITEM) if rest)
        for call in (call for one in spoken if isinstance(calls := one.get("toolCalls"), list) for call in calls):
            yield from self._whole(call)

    def _whole(self, call: Any) -> Iterable[Event]:
        id = pointers.text(call, "/id")
        if id not in self._calls:
            number = self._calls[id] = len(self._calls)
            name, arguments = pointers.text(call, "/function/name"), pointers.text(call, "/function/arguments")
            yield from (ToolCallDelta(number, id, name, arguments), ToolCallEnd(number))
