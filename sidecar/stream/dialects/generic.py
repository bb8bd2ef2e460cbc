"""The last guess: a JSON stream of no dialect that we know, read by the names that most of them give to things."""

from typing import Any

from sidecar.stream import pointers
from sidecar.stream.framing import Frame
from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"

_TEXT = (
    "/text",
    "/token",
    "/response",
    "/delta/text",
    "/delta/content",
    "/delta",
    "/message/content",
    "/data/text",
    "/data/content",
    "/data/delta",
    "/output/text",
    "/outputs/0/text",
    "/answer",
    "/generated_text",
    "/completion",
    "/generation",
    "/output",
    "/result/response",
    "/result",
    "/value",
)
_DONE = ("/done", "/is_finished", "/finished", "/is_end", "/last")
_SHAPE = Shape(
    text=_TEXT,
    reasoning=("/reasoning", "/reasoning_content", "/thinking", "/delta/reasoning", "/delta/thinking"),
    tool_calls=("/tool_calls", "/delta/tool_calls", "/message/tool_calls"),
    finish=("/finish_reason", "/stop_reason", "/done_reason", "/delta/finish_reason", "/result/finish_reason"),
    unfinished=("null", "not_finished", "none"),
    done=_DONE,
    input_tokens=("/usage/input_tokens", "/usage/prompt_tokens", "/usage/inputTokens", "/prompt_tokens"),
    output_tokens=("/usage/output_tokens", "/usage/completion_tokens", "/usage/outputTokens", "/completion_tokens"),
    total_tokens=("/usage/total_tokens", "/usage/totalTokens", "/total_tokens"),
)

_matches, decoder = shaped(_SHAPE)


def matches(frame: Frame, said: Any) -> bool:
    """Only what shows text or an end by a name that we know."""
    if not isinstance(said, dict):
        return False
    known = bool(pointers.text(said, *_TEXT, *_SHAPE.reasoning, *_SHAPE.finish))
    return known or any(pointers.at(said, pointer) is True for pointer in _DONE)
