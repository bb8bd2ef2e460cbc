"""DashScope's own generation API: `output.choices[].message`, or `output.text`.

The reason is the STRING "null" till the end.
Cumulative, unless the request said `incremental_output`. Wire: alibabacloud.com/help/en/model-studio
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event, Finish, ReasoningDelta, Start, TextDelta, ToolCallDelta, Usage
from sidecar.stream.framing import Frame
from sidecar.stream.pointers import number as counted
from sidecar.stream.reasons import canonical

PATHS = ("/text-generation/generation", "/multimodal-generation/generation")
SHARED_PATHS = ("/completion",)  # of an application
PING = b": ping\n\n"


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    return (isinstance(said.get("output"), dict) and "request_id" in said) or ("code" in said and "request_id" in said)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._before: dict[tuple[Any, ...], str] = {}  # what was said of each thing so far
        self._incremental = False
        self._named = False

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        said = msgspec.json.decode(frame.data or b"")
        if not matches(frame, said):
            return None
        if not isinstance(said.get("output"), dict):
            return [failure.read(said)]
        events = [*self._output(said), *_last(said)]
        self._named = True
        return events

    def _output(self, said: Any) -> Iterable[Event]:
        if not self._named:
            yield Start(id=pointers.text(said, "/request_id"))
        for number, choice in enumerate(_choices(said)):
            thoughts = pointers.text(choice, "/message/reasoning_content")
            if thoughts and (thoughts := self._fresh(thoughts, "thoughts", number)):
                yield ReasoningDelta(thoughts, number)
            words = pointers.text(choice, "/message/content", "/text", "/message/content/0/text")
            if words := self._fresh(words, "text", number):
                yield TextDelta(words, number)
            calls = pointers.at(choice, "/message/tool_calls")
            for place, call in enumerate(calls if isinstance(calls, list) else ()):
                index = pointers.count(call, "/index")
                text = self._fresh(pointers.text(call, "/function/arguments"), "call", number, place, index)
                name = pointers.text(call, "/function/name")
                yield ToolCallDelta(index, pointers.text(call, "/id"), name, text, number)

    def _fresh(self, said: str, *of: Any) -> str:
        """What is new: all of it once anything did not begin with what was said before."""
        before = self._before.get(of, "")
        self._incremental = self._incremental or (bool(said) and not said.startswith(before))
        self._before[of] = said or before
        return said if self._incremental else said[len(before) :]


def _choices(said: Any) -> list[Any]:
    choices = said["output"].get("choices")
    return choices if isinstance(choices, list) else [said["output"]]


def _usage(said: Any) -> Iterable[Event]:
    said = pointers.at(said, "/models/0") or said  # of an application's models the first
    if not isinstance(said, dict):
        return
    given, made = counted(said.get("input_tokens")), counted(said.get("output_tokens"))
    if given is None and made is None:
        return
    cached = pointers.count(said, "/prompt_tokens_details/cached_tokens")
    thought = pointers.count(said, "/output_tokens_details/reasoning_tokens")
    yield Usage(given, made, counted(said.get("total_tokens")), cached, thought)


def _last(said: Any) -> Iterable[Event]:
    yield from _usage(said.get("usage"))
    for number, choice in enumerate(_choices(said)):
        raw = pointers.text(choice, "/finish_reason")
        if raw and raw != "null":
            yield Finish(canonical(raw), raw, number)
