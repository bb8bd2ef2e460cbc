"""OpenAI's streamed transcriptions: `transcript.text.delta`, `.segment` from those who tell speakers apart, `.done`.

Wire: platform.openai.com/docs/api-reference/audio
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Event, Extension, Finish, TextDelta
from sidecar.stream.framing import Frame

PATHS = (
    *("/audio/transcriptions", "/audio/translations"),
    *("/audio/speech", "/images/generations", "/images/edits"),  # typed alike, without words
)
PING = b": ping\n\n"


def matches(frame: Frame, said: Any) -> bool:
    return pointers.text(said, "/type").startswith("transcript.")


def decoder() -> Decode:
    spoken = False
    segments: list[str] = []

    def decode(frame: Frame) -> Iterable[Event] | None:
        nonlocal spoken
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = msgspec.json.decode(data)
        if pointers.text(said, "/type") == "error":
            return [failure.read(said)]
        if not matches(frame, said):
            return None
        match said["type"]:
            case "transcript.text.delta":
                spoken = True
                return [TextDelta(words)] if (words := pointers.text(said, "/delta")) else []
            case "transcript.text.segment":
                segments.append(pointers.text(said, "/text"))
                return [Extension("segment", said)]
            case "transcript.text.done":
                words = "" if spoken else pointers.text(said, "/text") or "".join(segments)
                whole = [TextDelta(words)] if words else []
                counted = pointers.usage(said.get("usage"), "/input_tokens", "/output_tokens", "/total_tokens")
                return [*whole, *counted, Finish("stop"), End()]
        return [Extension(said["type"], said)]

    return decode
