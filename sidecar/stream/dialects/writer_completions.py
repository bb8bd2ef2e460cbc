"""Writer's text completions: `{"value": text}`, no usage, no end mark: the end of the body is its end."""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
ENDS_OPEN = True
matches, decoder = shaped(Shape(marks=("/value",), text=("/value",)))
