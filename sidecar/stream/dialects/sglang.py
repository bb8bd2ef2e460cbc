"""SGLang's own `/generate`: the whole text so far in every frame, `meta_info` with the reason and the counts, `[DONE]`.

The server's `incremental_streaming_output` makes deltas of it. Wire: docs.sglang.ai/basic_usage/native_api.html
"""

from collections.abc import Iterable

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event
from sidecar.stream.framing import Frame
from sidecar.stream.shapes import Shape, shaped

SHARED_PATHS = ("/generate",)
PING = b": ping\n\n"
matches, _decoder = shaped(
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


def decoder() -> Decode:
    plain = _decoder()

    def decode(frame: Frame) -> Iterable[Event] | None:
        events = plain(frame)
        if b'"abort"' in (frame.data or b"") and events:
            # what is wrong with a request is said as the reason of an abort
            reason = pointers.at(msgspec.json.decode(frame.data or b""), "/meta_info/finish_reason")
            if pointers.at(reason, "/status_code"):
                return [failure.read({**reason, "type": reason.get("err_type")})]
        return events

    return decode
