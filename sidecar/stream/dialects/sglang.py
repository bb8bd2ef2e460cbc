"""SGLang's own `/generate`: the whole text so far in every frame, `meta_info` with the reason and the counts, `[DONE]`.

The server's `incremental_streaming_output` makes deltas of it. Wire: docs.sglang.ai/basic_usage/native_api.html
"""

from sidecar.stream.shapes import Shape, shaped

PATHS = ("/generate",)
PING = b": ping\n\n"
matches, decoder = shaped(
    Shape(
        marks=("/text", "/meta_info"),
        whole=("/text",),
        finish=("/meta_info/finish_reason/type",),
        id=("/meta_info/id",),
        input_tokens=("/meta_info/prompt_tokens",),
        output_tokens=("/meta_info/completion_tokens",),
        cached_input_tokens=("/meta_info/cached_tokens",),
    )
)
