"""DashScope's own generation API: `output.choices[].message`, or `output.text`.

The reason is the STRING "null" till the end.
Cumulative, unless the request said `incremental_output`. Wire: alibabacloud.com/help/en/model-studio
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event, Finish, ReasoningDelta, Start, TextSnapshot, ToolCallDelta
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical

PATHS = ("/text-generation/generation", "/multimodal-generation/generation")
PING = b": ping\n\n"


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    return (isinstance(said.get("output"), dict) and "request_id" in said) or ("code" in said and "request_id" in said)


def decoder() -> Decode:
    return _decode


def _decode(frame: Frame) -> Iterable[Event] | None:
    said = msgspec.json.decode(frame.data or b"")
    if not matches(frame, said):
        return None
    if not isinstance(said.get("output"), dict):
        return [failure.read(said)]
    return list(_output(said))


def _output(said: Any) -> Iterable[Event]:
    yield Start(id=pointers.text(said, "/request_id"))
    output = said["output"]
    choices = output.get("choices") if isinstance(output.get("choices"), list) else [output]
    for number, choice in enumerate(choices):
        if thoughts := pointers.text(choice, "/message/reasoning_content"):
            yield ReasoningDelta(thoughts, number)
        if words := pointers.text(choice, "/message/content", "/text", "/message/content/0/text"):
            yield TextSnapshot(words, number)
        calls = pointers.at(choice, "/message/tool_calls")
        for call in calls if isinstance(calls, list) else ():
            yield ToolCallDelta(
                pointers.count(call, "/index"),
                pointers.text(call, "/id"),
                pointers.text(call, "/function/name"),
                pointers.text(call, "/function/arguments"),
                number,
            )
    yield from pointers.usage(
        said.get("usage"),
        "/input_tokens",
        "/output_tokens",
        "/total_tokens",
        "/prompt_tokens_details/cached_tokens",
        "/output_tokens_details/reasoning_tokens",
    )
    for number, choice in enumerate(choices):
        raw = pointers.text(choice, "/finish_reason")
        if raw and raw != "null":
            yield Finish(canonical(raw), raw, number)
