"""IBM watsonx `text_generation_stream`: `results[0]` with the text, the counts so far, and a reason in the last frame.

`input_token_count` stands in the first frame only. Wire: cloud.ibm.com/apidocs/watsonx-ai
"""

from sidecar.stream.shapes import Shape, shaped

PATHS = ("/text/generation_stream", "/generation/text_stream")
PING = b": ping\n\n"
matches, decoder = shaped(
    Shape(
        marks=("/results/0/generated_text",),
        text=("/results/0/generated_text",),
        finish=("/results/0/stop_reason",),
        unfinished=("not_finished", "NOT_FINISHED"),
        model=("/model_id",),
        error=("/errors", "/error"),
        input_tokens=("/results/0/input_token_count",),
        output_tokens=("/results/0/generated_token_count",),
    )
)
