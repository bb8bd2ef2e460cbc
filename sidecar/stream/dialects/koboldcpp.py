"""KoboldCpp's own stream: `event: message` and `{"token", "finish_reason"}`. Wire: github.com/LostRuins/koboldcpp"""

from typing import Any

from sidecar.stream import pointers
from sidecar.stream.dialects.generic import decoder
from sidecar.stream.framing import Frame

__all__ = ["PING", "decoder", "matches"]

PATHS = ("/api/extra/generate/stream",)
PING = b": ping\n\n"


def matches(frame: Frame, said: Any) -> bool:
    """Its frame, or its answer without streaming."""
    if isinstance(said, dict) and isinstance(said.get("token"), str):
        return said.keys() <= {"token", "finish_reason"}
    return isinstance(pointers.at(said, "/results/0/text"), str)
