"""KoboldCpp's own stream: `event: message` and `{"token", "finish_reason"}`. Wire: github.com/LostRuins/koboldcpp"""

from sidecar.stream.shapes import Shape, shaped

PING = b": ping\n\n"
matches, decoder = shaped(Shape(marks=("/token",), text=("/token",), finish=("/finish_reason",)))
