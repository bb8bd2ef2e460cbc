"""OpenAI Assistants, v2: `event: thread.message.delta` and its kin; the run says how it ended, then `[DONE]`.

Wire: platform.openai.com/docs/api-reference/assistants-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, Start, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.requested import Item, Requested
from sidecar.stream.said import ITEM, Key, Once, Said

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
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._said = Said()
        self._requested = Requested()
        self._once = Once()

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = msgspec.json.decode(data)
        if frame.name == "thread.message.delta":
            return list(self._text(_listed(said, "/delta/content")))
        if frame.name in _FAILED:
            return [failure.read(pointers.at(said, "/last_error") or said)]
        if not matches(frame, said):
            return None
        if frame.name in _ENDS:
            return [
                *self._calls(_listed(said, "/required_action/submit_tool_outputs/tool_calls")),
                *_end(frame.name, said),
            ]
        match frame.name:
            case "thread.run.created":
                return [Start(pointers.text(said, "/model"), pointers.text(said, "/id"))]
            case "thread.message.created":
                self._said.begin(None)
            case "thread.message.completed" if pointers.text(said, "/role") in ("", "assistant"):
                return list(self._whole(_listed(said, "/content")))
            case "thread.run.step.delta":
                return list(self._fragments(_listed(said, "/delta/step_details/tool_calls")))
            case "thread.run.step.completed":
                return list(self._calls(_listed(said, "/step_details/tool_calls")))
        return []

    def _text(self, parts: list[Any]) -> Iterable[Event]:
        for part in parts:
            if words := pointers.text(part, "/text/value"):
                self._said.add(("text", None, pointers.count(part, "/index")), words)
                yield TextDelta(words)
            if not words or part["text"].get("annotations"):
                yield from self._beside(part)

    def _whole(self, parts: list[Any]) -> Iterable[Event]:
        """A message as it is in the end."""
        words: list[tuple[Key, str]] = [
            (("text", None, at), pointers.text(part, "/text/value")) for at, part in enumerate(parts)
        ]
        for part, rest in zip(parts, self._said.missing(words, ITEM), strict=True):
            yield from (TextDelta(rest),) if rest else ()
            yield from self._beside(part)

    def _beside(self, part: Any) -> Iterable[Event]:
        """Citations, and images."""
        fresh = [one for one in _listed(part, "/text/annotations") if one and self._once.new(_placeless(one))]
        if fresh:
            yield Extension("annotations", fresh)
        kind = pointers.text(part, "/type")
        if kind not in ("", "text") and self._once.new(_placeless(part)):
            yield Extension(kind, part)

    def _fragments(self, calls: list[Any]) -> Iterable[Event]:
        for call in calls:
            said = _call(call, pointers.count(call, "/index"))
            if pointers.text(call, "/type") == "function":
                yield from self._requested.added(said._replace(arguments="")) if said.id or said.name else ()
                yield from self._requested.delta(said) if said.arguments else ()

    def _calls(self, calls: list[Any]) -> Iterable[Event]:
        for call in calls:
            if pointers.text(call, "/type") == "function":
                yield from self._requested.item(_call(call, None))


def _listed(said: Any, pointer: str) -> list[Any]:
    found = pointers.at(said, pointer)
    return found if isinstance(found, list) else []


def _placeless(part: Any) -> Any:
    """The part as deltas and the whole have it alike."""
    return {key: value for key, value in part.items() if key != "index"} if isinstance(part, dict) else part


def _call(call: Any, index: int | None) -> Item:
    name, arguments = pointers.text(call, "/function/name"), pointers.text(call, "/function/arguments")
    return Item(index, "", pointers.text(call, "/id"), name, arguments)


def _end(name: str, said: Any) -> list[Event]:
    counted = pointers.usage(
        said.get("usage"),
        "/prompt_tokens",
        "/completion_tokens",
        "/total_tokens",
        "/prompt_token_details/cached_tokens",
        "/completion_tokens_details/reasoning_tokens",
    )
    return [*counted, Finish(_ENDS[name], pointers.text(said, "/status"))]
