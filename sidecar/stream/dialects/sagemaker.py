"""SageMaker's `InvokeEndpointWithResponseStream`: `PayloadPart` frames with bytes of the model server's own stream.

Those bytes are of any framing and dialect, and cut anywhere. A failure is an exception's frame; there is no end mark.
Wire: docs.aws.amazon.com/sagemaker/latest/APIReference
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import dialects, failure
from sidecar.stream.dialects import ODD, Decode
from sidecar.stream.events import Event, Extension
from sidecar.stream.framing import Frame
from sidecar.stream.sniff import Sniff

PATHS = ("/invocations-response-stream",)
ENDS_OPEN = True


def matches(frame: Frame, said: Any) -> bool:
    return frame.name == "PayloadPart"


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._framing = Sniff()
        self._inside: Decode | None = None

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        if frame.name.endswith("Exception"):
            return [failure.read({"type": frame.name, **msgspec.json.decode(frame.data or b"{}")})]
        if not matches(frame, None):
            return None
        inner = self._framing.feed(frame.data or b"")
        return [event for part in inner if part.data for event in self._said(part)]

    def _said(self, frame: Frame) -> Iterable[Event]:
        events = _tried(self._inside, frame) if self._inside else None
        if events is None:
            name = dialects.recognise(frame, _read(frame.data or b""))
            self._inside = dialects.load(name).decoder() if name else None
            events = _tried(self._inside, frame) if self._inside else None
        return [Extension("unknown", (frame.data or b"").decode("utf-8", "replace"))] if events is None else events


def _tried(decode: Decode, frame: Frame) -> Iterable[Event] | None:
    try:
        return decode(frame)
    except ODD:
        return None


def _read(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except ODD:
        return None
