"""Bedrock's agents, knowledge bases and flows, in AWS event-stream frames.

`InvokeAgent` sends `chunk` with plain text in base64, `trace` and `returnControl` (calls for the client);
`RetrieveAndGenerateStream` `output` and `citation`; `InvokeFlow` `flowOutputEvent` and `flowCompletionEvent`. The first
two have no end mark. Wire: docs.aws.amazon.com/bedrock/latest/APIReference
"""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, Status, TextDelta, ToolCallDelta, ToolCallEnd
from sidecar.stream.framing import Frame

PATHS = ("/retrieveAndGenerateStream",)
ENDS_OPEN = True

_NAMES = ("returnControl", "trace", "flowOutputEvent", "flowCompletionEvent", "flowTraceEvent")


def matches(frame: Frame, said: Any) -> bool:
    if frame.name == "chunk":
        return not base64.b64decode(said["bytes"]).lstrip().startswith(b"{")
    binary = frame.raw[:1] == b"\0"  # the length of an AWS message; an SSE event may be called the same
    return binary and (frame.name in _NAMES or (frame.name == "output" and "text" in said))


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    said = msgspec.json.decode(frame.data or b"{}")
    if frame.name.endswith("Exception"):
        return [failure.read({"type": frame.name, **said})]
    match frame.name:
        case "chunk" | "output" | "flowOutputEvent":
            words = _words(said)
            return [TextDelta(words)] if words else []
        case "returnControl":
            return [event for call in said["invocationInputs"] for event in _call(said, call)]
        case "trace" | "flowTraceEvent":
            return [Status("trace", {})]
        case "flowCompletionEvent":
            reason = pointers.text(said, "/completionReason")
            return [Finish("stop" if reason == "SUCCESS" else "pause", reason), End()]
        case "citation" | "files" | "guardrail":
            return [Extension(frame.name, said)]
    return None


def _words(said: Any) -> str:
    if coded := pointers.text(said, "/bytes"):
        return base64.b64decode(coded).decode("utf-8", "replace")
    document = pointers.at(said, "/content/document")
    return pointers.text(said, "/text") or (
        document if isinstance(document, str) else msgspec.json.encode(document).decode() if document else ""
    )


def _call(said: Any, call: Any) -> Iterable[Event]:
    wanted = pointers.at(call, "/functionInvocationInput") or pointers.at(call, "/apiInvocationInput")
    given = {each["name"]: each["value"] for each in wanted.get("parameters", ())}
    name = pointers.text(wanted, "/function", "/apiPath")
    yield ToolCallDelta(None, pointers.text(said, "/invocationId"), name, msgspec.json.encode(given).decode())
    yield ToolCallEnd()
