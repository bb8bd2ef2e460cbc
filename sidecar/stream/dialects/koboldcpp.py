"""KoboldCpp's own stream: `event: message` and `{"token", "finish_reason"}`. Wire: github.com/LostRuins/koboldcpp"""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
matches, decoder = shaped(
    Shape(marks=("/token",), text=("/token",), finish=("/finish_reason",)),
    Shape(
        marks=("/results/0/text",),
        text=("/results/0/text",),
        finish=("/results/0/finish_reason",),
        input_tokens=("/results/0/prompt_tokens",),
        output_tokens=("/results/0/completion_tokens",),
    ),
)
