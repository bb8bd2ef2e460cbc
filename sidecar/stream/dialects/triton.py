"""Triton's `generate_stream`: `{"model_name", "text_output"}`, no usage, no end mark: the end of the body is its end.

Some of its backends send the text so far in every frame.
Wire: docs.nvidia.com/deeplearning/triton-inference-server (extension_generate)
"""

from typing import Any

from sidecar.stream.dialects.generic import decoder
from sidecar.stream.framing import Frame

__all__ = ["ENDS_OPEN", "PING", "decoder", "matches"]

PING = b": ping\n\n"
ENDS_OPEN = True


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and "text_output" in said
