"""AWS Bedrock: ConverseStream and InvokeModelWithResponseStream, in `application/vnd.amazon.eventstream` frames.

The frame's name is its `:event-type`, or its `:exception-type`. Converse's `metadata` with the usage comes after
`messageStop`. Invoke wraps the model's own JSON in base64: Anthropic's events, Nova's (which are Converse's), Titan's
`outputText`, Llama's `generation`, Mistral's `outputs`. Wire: docs.aws.amazon.com/bedrock/latest/APIReference
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import dialects, failure, pointers
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
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical

PATHS = ("/converse-stream", "/invoke-with-response-stream")

_CONVERSE = {
    "messageStart": "role",
    "contentBlockStart": "contentBlockIndex",
    "contentBlockDelta": "contentBlockIndex",
    "contentBlockStop": "contentBlockIndex",
    "messageStop": "stopReason",
    "metadata": "usage",
}
"""Event -> the key that is always in it, since others call their events the same."""
_OWN = _CONVERSE.keys() | {"outputText", "generation", "outputs"}


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    key = "bytes" if frame.name == "chunk" else _CONVERSE.get(frame.name)
    named = key in said if key else frame.name.endswith("Exception")
    body = not frame.name and isinstance(pointers.at(said, "/output/message"), dict) and "stopReason" in said
    return named or body or bool(_printed(said))


def _printed(said: dict[str, Any]) -> str:
    """The event's name where an app prints what its SDK reads: `{"contentBlockDelta": {...}}`."""
    if len(said) > 2:
        return ""
    return next((name for name, key in _CONVERSE.items() if isinstance(said.get(name), dict) and key in said[name]), "")


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._tools: set[int | None] = set()  # blocks that are calls for the client
        self._inner: Decode | None = None

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"{}")
        if not matches(frame, said):
            return None
        if name := _printed(said):
            return self._converse(name, said[name])
        if not frame.name:
            return self._body(said)
        if frame.name.endswith("Exception"):
            return [failure.read({"type": frame.name, **said})]
        if frame.name == "chunk":
            return self._chunk(said)
        return self._converse(frame.name, said)

    def _converse(self, name: str, said: dict[str, Any]) -> Iterable[Event]:
        index = pointers.count(said, "/contentBlockIndex")
        match name:
            case "messageStart":
                return [Start()]
            case "contentBlockStart":
                return self._block(index, said)
            case "contentBlockDelta":
                return self._delta(index, said.get("delta"))
            case "contentBlockStop" if index in self._tools:
                return [ToolCallEnd(index)]
            case "messageStop":
                raw = pointers.text(said, "/stopReason")
                return [Finish(canonical(raw), raw)]
            case "metadata":
                counts = said.get("usage")
                used = pointers.usage(counts, "/inputTokens", "/outputTokens", "/totalTokens", "/cacheReadInputTokens")
                written = pointers.count(counts, "/cacheWriteInputTokens")
                return [_apart(usage, written) for usage in used]
        return []

    def _block(self, index: int | None, said: Any) -> Iterable[Event]:
        call = pointers.at(said, "/start/toolUse")
        if not call:
            return []
        call_id, name = pointers.text(call, "/toolUseId"), pointers.text(call, "/name")
        if pointers.text(call, "/type") == "server_tool_use":
            return [Status("server_tool", {"id": call_id, "name": name})]
        self._tools.add(index)
        return [ToolCallDelta(index, call_id, name)]

    def _delta(self, index: int | None, delta: Any) -> Iterable[Event]:
        if words := pointers.text(delta, "/text"):
            return [TextDelta(words)]
        if thoughts := pointers.text(delta, "/reasoningContent/text"):
            return [ReasoningDelta(thoughts)]
        if signature := pointers.text(delta, "/reasoningContent/signature"):
            return [Extension("signature", signature)]
        if cited := pointers.at(delta, "/citation"):
            return [Extension("citations", [cited])]
        if pointers.at(delta, "/toolUse") is not None and index in self._tools:
            return [ToolCallDelta(index, arguments=pointers.text(delta, "/toolUse/input"))]
        return []

    def _body(self, said: Any) -> Iterable[Event]:
        """A non-streamed answer of Converse: all blocks at once."""
        content = pointers.at(said, "/output/message/content")
        events: list[Event] = []
        for index, block in enumerate(content if isinstance(content, list) else ()):
            if pointers.at(block, "/toolUse"):
                whole = msgspec.json.encode(pointers.at(block, "/toolUse/input") or {}).decode()
                events += [*self._block(index, {"start": block}), ToolCallEnd(index, arguments_text=whole)]
            elif thoughts := pointers.text(block, "/reasoningContent/reasoningText/text"):
                events.append(ReasoningDelta(thoughts))
            else:
                events += self._delta(index, block)
        raw = pointers.text(said, "/stopReason")
        return [*events, *self._converse("metadata", said), Finish(canonical(raw), raw), End()]

    def _chunk(self, said: dict[str, Any]) -> Iterable[Event] | None:
        try:
            data = base64.b64decode(said["bytes"], validate=True)
        except (binascii.Error, TypeError):
            return None
        inner = msgspec.json.decode(data)
        frame = Frame(data, data)
        if self._inner is None:
            found = "" if isinstance(inner, dict) and _OWN & inner.keys() else dialects.recognise(frame, inner)
            self._inner = dialects.load(found).decoder() if found else self._own
        events = self._inner(frame)
        metrics = pointers.at(inner, "/amazon-bedrock-invocationMetrics")
        counted = pointers.usage(metrics, "/inputTokenCount", "/outputTokenCount")
        return _in_order(list(events or ()), counted)

    def _own(self, frame: Frame) -> Iterable[Event]:
        """Nova, Titan, Llama and Mistral."""
        said = msgspec.json.decode(frame.data or b"")
        for name in _CONVERSE:
            if isinstance(said, dict) and name in said:
                return self._converse(name, said[name] if isinstance(said[name], dict) else {})
        words = pointers.text(said, "/outputText", "/generation", "/outputs/0/text", "/completion")
        raw = pointers.text(said, "/completionReason", "/stop_reason", "/outputs/0/stop_reason")
        events: list[Event] = [TextDelta(words)] if words else []
        events += pointers.usage(said, "/inputTextTokenCount", "/totalOutputTextTokenCount")
        if raw:
            events.append(Finish(canonical("stop" if raw == "FINISH" else raw), raw))
        return events


def _in_order(events: list[Event], counted: list[Usage]) -> list[Event]:
    """The metrics belong before the last word, which may stand in the same chunk."""
    last = [event for event in events if isinstance(event, End)]
    return [event for event in events if not isinstance(event, End)] + counted + last


def _apart(usage: Usage, written: int | None) -> Usage:
    """Converse's `inputTokens` is without what was read from the cache or written to it."""
    apart = bool(written or usage.cached_input_tokens)
    return msgspec.structs.replace(usage, cache_creation_input_tokens=written, cache_apart=apart)
