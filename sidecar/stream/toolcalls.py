"""Tool calls in the making: fragments are gathered as text and parsed exactly once, when the call ends."""

from collections.abc import Callable
from typing import Any

import msgspec

from sidecar.stream.brackets import Brackets
from sidecar.stream.depth import is_deep
from sidecar.stream.events import ToolCallDelta, ToolCallEnd

MAX_ARGUMENTS = 16 << 20
"""Bytes of arguments kept for all calls of one stream; beyond it the stream is malformed."""

MAX_CALLS = 4096
"""Calls of one stream; beyond it the stream is malformed."""

Parse = Callable[[str], Any]


class _Call:
    __slots__ = ("_brackets", "_seen", "fragments", "given_id", "id", "name", "number", "open", "texts")

    def __init__(self, number: int, given_id: str) -> None:
        self.number = number
        self.given_id = given_id
        self.id = given_id or f"call_{number}"
        self.name = ""
        self.texts: list[str] = []
        self.fragments = 0
        self.open = True
        self._brackets = Brackets()
        self._seen = 0  # texts that it was fed

    def forget(self) -> None:
        """The arguments so far: they come anew."""
        self.texts.clear()
        self._brackets, self._seen = Brackets(), 0

    def whole(self) -> bool:
        """Whether the arguments so far are a whole object."""
        for text in self.texts[self._seen :]:
            self._brackets.feed(text)
        self._seen = len(self.texts)
        return self._brackets.whole


class ToolCalls:
    """The calls of one choice, numbered in order of appearance."""

    def __init__(self, choice: int, parse: Parse = msgspec.json.decode) -> None:
        self._choice = choice
        self._parse = parse
        self._by_key: dict[int | None, _Call] = {}
        self._calls: list[_Call] = []
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._calls)

    def delta(self, said: ToolCallDelta) -> ToolCallDelta:
        """The same fragment with its call's number, id and name."""
        call = self._find(said)
        call.name = call.name or said.name
        shown = said.arguments
        if said.arguments:
            if call.texts == ["{}"] and said.arguments.lstrip()[:1] == "{":
                call.forget()  # LiteLLM and others announce a call with no arguments, and then tell them
            elif call.texts and _is_object(said.arguments) and call.whole():
                call.forget()  # all of it again
                shown = ""
            call.texts.append(said.arguments)
            call.fragments += 1
            self.bytes += len(said.arguments.encode("utf-8", "replace"))
        shown = "" if call.texts == ["{}"] else shown  # what follows may replace it; if nothing does, the end tells
        return ToolCallDelta(call.number, call.id, call.name, shown, self._choice)

    def end(self, said: ToolCallEnd) -> list[ToolCallEnd]:
        """The finished call; nothing if it is unknown or had ended."""
        call = self._by_key.get(said.index) or (self._calls[-1] if said.index is None and self._calls else None)
        if not call or not call.open:
            return []
        if said.arguments_text and not call.texts:
            call.texts.append(said.arguments_text)
            call.fragments = 1
        return [self._close(call, cut=said.invalid)]

    def end_all(self, cut: bool) -> list[ToolCallEnd]:
        """Every call that is still open; `cut` when the stream failed, so that no argument is taken for whole."""
        return [self._close(call, cut) for call in self._calls if call.open]

    def _find(self, said: ToolCallDelta) -> _Call:
        # Backends repeat an id, leave it out, send "" or "null", or give every parallel call the same index.
        given = "" if said.id == "null" else said.id
        if known := self._by_id(said, given):
            self._by_key[None] = known
            return known
        call = self._by_key.get(said.index) or (self._calls[-1] if said.index is None and self._calls else None)
        another = call and given and call.given_id and given != call.given_id
        another = another or (call and said.index is None and call.name and said.name not in ("", call.name))
        another = another or (call and said.name and not given and _follows(said.arguments, call))
        if call and not another and (call.open or not (said.name or given)):
            return call
        call = _Call(len(self._calls), given)
        self._calls.append(call)
        self._by_key[said.index] = call
        return call

    def _by_id(self, said: ToolCallDelta, given: str) -> _Call | None:
        """Where there are no indexes, the id that every fragment repeats."""
        if said.index is not None or not given:
            return None
        same = (c for c in self._calls if c.open and c.given_id == given and said.name in ("", c.name))
        return next(same, None)

    def _close(self, call: _Call, cut: bool) -> ToolCallEnd:
        call.open = False
        text = "".join(call.texts)
        if len(call.texts) > 1 and _is_object(call.texts[-1]) and not _is_object(text):
            text = call.texts[-1]  # all of it again, at the end
        call.texts.clear()
        arguments, parses = None, 0
        if not cut:
            parses = 1 if text.strip() else 0
            arguments = self._read(text)
        size = len(text.encode("utf-8", "replace"))
        invalid = arguments is None
        return ToolCallEnd(
            call.number, call.id, call.name, arguments, text, invalid, call.fragments, size, parses, self._choice
        )

    def _read(self, text: str) -> dict[str, Any] | None:
        if not text.strip():
            return {}
        try:
            value = self._parse(text)
        except (ValueError, RecursionError):
            return None
        return {} if value is None else value if isinstance(value, dict) and not is_deep(value) else None


def _follows(arguments: str, call: _Call) -> bool:
    """Whether these begin anew behind arguments that were whole: Gemini's and Ollama's parallel calls may all have
    index 0 and no id."""
    return arguments.lstrip()[:1] == "{" and call.whole()


def _is_object(text: str) -> bool:
    return text.lstrip()[:1] == "{" and text.rstrip()[-1:] == "}" and Brackets(text).whole
