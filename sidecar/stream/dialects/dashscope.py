"""DashScope's own generation API: `output.choices[].message`, or `output.text`.

The reason is the STRING "null" till the end.
Cumulative, unless the request said `incremental_output`; either way `output_tokens` are those so far.
Wire: alibabacloud.com/help/en/model-studio
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import Event, Finish, Start, ToolCallDelta, Usage
from sidecar.stream.framing import Frame
from sidecar.stream.growth import LOST, UNFINISHED, Growth
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
        self._growths: dict[tuple[int, bool], Growth] = {}  # of the texts, by choice and whether it is reasoning
        self._arguments: dict[tuple[int | None, ...], str | None] = {}  # None where they come in pieces
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
            words = pointers.text(choice, "/message/content", "/text", "/message/content/0/text")
            calls = pointers.at(choice, "/message/tool_calls")
            if thoughts:
                yield self._told(thoughts, number, True, None if words else said)
            if words or (_reason(choice) and self._waits(number)):
                yield self._told(words, number, False, None if calls else said)
            for place, call in enumerate(calls if isinstance(calls, list) else ()):
                index = pointers.count(call, "/index")
                text = self._more(pointers.text(call, "/function/arguments"), number, place, index)
                name = pointers.text(call, "/function/name")
                yield ToolCallDelta(index, pointers.text(call, "/id"), name, text, number)

    def _waits(self, number: int) -> bool:
        growth = self._growths.get((number, False))
        return growth is not None and growth.waits

    def _told(self, words: str, number: int, reasoning: bool, counted: Any) -> Event:
        """The text of a choice, with the tokens so far where all the new ones must be its own."""
        if not (growth := self._growths.get((number, reasoning))):
            incremental = any(other.incremental for other in self._growths.values())
            growth = self._growths[number, reasoning] = Growth(not incremental)
        if growth.incremental or growth.cumulative or counted is None or len(_choices(counted)) > 1:
            return growth.event(words, number, reasoning)
        made = pointers.count(counted, "/usage/output_tokens", "/usage/models/0/output_tokens")
        raw = _reason(_choices(counted)[0])
        # a whole text may not show the token that ended it
        return growth.event(words, number, reasoning, made, int(raw != "length") if raw else UNFINISHED)

    def _more(self, said: str, *of: Any) -> str:
        """What is new in arguments: JSON that begins as before is all of it, since none begins twice."""
        before = self._arguments.get(of, "")
        if not said or before is None:
            return said
        known = before.rstrip(LOST)
        whole = said.startswith(known)
        self._arguments[of] = said if whole else None
        return said.rstrip(LOST)[len(known) :] if whole else before[len(known) :] + said


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
        if raw := _reason(choice):
            yield Finish(canonical(raw), raw, number)


def _reason(choice: Any) -> str:
    raw = pointers.text(choice, "/finish_reason")
    return "" if raw == "null" else raw
