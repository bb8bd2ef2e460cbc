"""Cloudflare Workers AI: `{"response": text, "p": padding}`, a frame with the usage, `[DONE]`.

A response may be a number. Wire: developers.cloudflare.com/workers-ai
"""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
_FRAME = Shape(
    marks=("/response",),
    text=("/response",),
    tool_calls=("/tool_calls",),
    error=("/errors", "/error"),
    input_tokens=("/usage/prompt_tokens",),
    output_tokens=("/usage/completion_tokens",),
    total_tokens=("/usage/total_tokens",),
)
_BODY = Shape(
    marks=("/result", "/success"),
    text=("/result/response",),
    tool_calls=("/result/tool_calls",),
    done=("/success",),
    error=("/errors", "/error"),
    input_tokens=("/result/usage/prompt_tokens",),
    output_tokens=("/result/usage/completion_tokens",),
    total_tokens=("/result/usage/total_tokens",),
)
matches, decoder = shaped(_FRAME, _BODY)
