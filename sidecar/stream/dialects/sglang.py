"""SGLang's own `/generate`: the whole text so far in every frame, `meta_info` with the reason and the counts, `[DONE]`.

The server's `incremental_streaming_output` makes deltas of it. Wire: docs.sglang.ai/basic_usage/native_api.html
"""

from collections.abc import Iterable

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event, TextSnapshot
from sidecar.stream.framing import Frame
from sidecar.stream.growth import UNFINISHED, Growth
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
    plain, growth = _decoder(), Growth(True)

    def decode(frame: Frame) -> Iterable[Event] | None:
        events = plain(frame)
        data = frame.data or b""
        if b'"abort"' in data and events:
            # what is wrong with a request is said as the reason of an abort
            reason = pointers.at(msgspec.json.decode(data), "/meta_info/finish_reason")
            if pointers.at(reason, "/status_code"):
                return [failure.read({**reason, "type": reason.get("err_type")})]
        if not events or growth.incremental or growth.cumulative:
            return events
        return [_counted(event, growth, data) if type(event) is TextSnapshot else event for event in events]

    return decode


def _counted(event: TextSnapshot, growth: Growth, data: bytes) -> Event:
    """The text with the tokens so far, of which a stop string that was found is cut off."""
    said = msgspec.json.decode(data)
    made, reason = pointers.count(said, "/meta_info/completion_tokens"), pointers.at(said, "/meta_info/finish_reason")
    cut = len(pointers.text(reason, "/matched").encode()) or int(pointers.text(reason, "/type") != "length")
    return growth.event(event.text, tokens=made, unseen=cut if reason else UNFINISHED)
