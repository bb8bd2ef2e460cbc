"""Text Generation Inference's `/generate_stream`: `{"token": {"text", "special"}}`, `generated_text` at the end.

`details` come only when asked for. Wire: huggingface.github.io/text-generation-inference
"""

from sidecar.stream.shapes import Shape, shaped

PATHS = ("/generate_stream",)
PING = b": ping\n\n"
matches, decoder = shaped(
    Shape(
        marks=("/token/text",),
        text=("/token/text",),
        skip=("/token/special",),
        finish=("/details/finish_reason",),
        done=("/generated_text",),
        id=(),
        # LoRAX and DeepInfra count what TGI does not
        input_tokens=("/details/input_length", "/details/prompt_tokens", "/num_input_tokens"),
        output_tokens=("/details/generated_tokens", "/num_output_tokens"),
    ),
    Shape(
        marks=("/generated_text",),
        text=("/generated_text",),
        finish=("/details/finish_reason",),
        done=("/generated_text",),
        output_tokens=("/details/generated_tokens",),
    ),
)
