"""Cloudflare Workers AI: `{"response": text, "p": padding}`, a frame with the usage, `[DONE]`.

A response may be a number. Without streaming it stands in a `result`. Wire: developers.cloudflare.com/workers-ai
"""

from typing import Any

from sidecar.stream.dialects.generic import decoder
from sidecar.stream.framing import Frame

__all__ = ["PING", "decoder", "matches"]

PING = b": ping\n\n"


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    return isinstance(said.get("response"), str | int | float) or ("result" in said and "success" in said)
