"""Triton's `generate_stream`: `{"model_name", "text_output"}`, no usage, no end mark: the end of the body is its end.

Wire: docs.nvidia.com/deeplearning/triton-inference-server (extension_generate)
"""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
ENDS_OPEN = True
matches, decoder = shaped(Shape(marks=("/text_output",), text=("/text_output",), model=("/model_name",)))
