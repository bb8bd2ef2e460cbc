"""Cloudflare Workers AI: `{"response": text, "p": padding}`, a frame with the usage, `[DONE]`.

A response may be a number. Wire: developers.cloudflare.com/workers-ai
"""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
matches, decoder = shaped(
    Shape(
        marks=("/response",),
        text=("/response",),
        input_tokens=("/usage/prompt_tokens",),
        output_tokens=("/usage/completion_tokens",),
        total_tokens=("/usage/total_tokens",),
    )
)
