"""Writer's text completions: `{"value": text}`, no usage, no end mark: the end of the body is its end."""

from typing import Any

from sidecar.stream.dialects.generic import decoder
from sidecar.stream.framing import Frame

__all__ = ["ENDS_OPEN", "PING", "decoder", "matches"]

PING = b": ping\n\n"
ENDS_OPEN = True


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and said.keys() == {"value"} and isinstance(said["value"], str)
