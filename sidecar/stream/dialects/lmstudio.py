"""LM Studio's own `/api/v1/chat`: named events between chat.start and chat.end, which comes after an error too.

`chat.end` has the whole answer again. The tools it calls run on its side. Wire: lmstudio.ai/docs/developer/rest
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Finish, ReasoningDelta, Start, Status, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.said import ANSWER, Key, Said

SHARED_PATHS = ("/api/v1/chat",)
PING = b": ping\n\n"

_SPOKEN = {"message": TextDelta, "reasoning": ReasoningDelta}
_KINDS = ("chat.", "model_load.", "prompt_processing.", "reasoning.", "tool_call.", "message.")


def matches(frame: Frame, said: Any) -> bool:
    if pointers.text(said, "/type").startswith(_KINDS):
        return True
    return bool(pointers.text(said, "/model_instance_id")) and isinstance(said.get("output"), list)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._said = Said()
        self._tools = 0  # calls of its own that were told

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"{}")
        kind = pointers.text(said, "/type")
        if kind == "error":
            return [failure.read(said)]
        if not matches(frame, said):
            return None
        words = pointers.text(said, "/content")
        match kind:
            case "":
                return [Start(said["model_instance_id"]), *self._end(said)]
            case "chat.start":
                return [Start(pointers.text(said, "/model_instance_id"))]
            case "message.start" | "reasoning.start":
                self._said.begin(None)
            case "message.delta" | "reasoning.delta" if words:
                voice = kind.partition(".")[0]
                self._said.add((voice, None, None), words)
                return [_SPOKEN[voice](words)]
            case "chat.end":
                return list(self._end(said.get("result")))
            case "tool_call.start":
                self._tools += 1
                return [Status("server_tool", {"name": pointers.text(said, "/tool")})]
        return [_progress(said)] if kind.endswith(".progress") else []

    def _end(self, result: Any) -> Iterable[Event]:
        """The whole answer, of which the deltas told most."""
        output = pointers.at(result, "/output")
        parts = [(pointers.text(part, "/type"), part) for part in (output if isinstance(output, list) else ())]
        words: list[tuple[Key, str]] = [((kind, at, None), _words(kind, part)) for at, (kind, part) in enumerate(parts)]
        for (kind, part), rest in zip(parts, self._said.missing(words, ANSWER), strict=True):
            if rest:
                yield _SPOKEN[kind](rest)
            elif kind == "tool_call":
                self._tools -= 1
                yield from (Status("server_tool", {"name": pointers.text(part, "/tool")}),) if self._tools < 0 else ()
        stats = pointers.at(result, "/stats")
        yield from pointers.usage(stats, "/input_tokens", "/total_output_tokens", reasoning="/reasoning_output_tokens")
        yield from (Finish("stop"), End())


def _words(kind: str, part: Any) -> str:
    return pointers.text(part, "/content") if kind in _SPOKEN else ""


def _progress(said: Any) -> Status:
    value = said.get("progress")
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return Status("progress", {"progress": value} if known else {})
