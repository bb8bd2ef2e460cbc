"""One tool call in the making. Its arguments are gathered as text and parsed exactly once, when it ends."""

from collections.abc import Callable
from typing import Any

from sidecar.stream import pointers
from sidecar.stream.brackets import Brackets
from sidecar.stream.depth import is_deep
from sidecar.stream.events import Event, ToolCallDelta, ToolCallEnd

_STAND_INS = ("{}", '""', "null")
"""What announces arguments that are to come (LiteLLM), or stands behind them (SGLang); alone it is an empty object."""


class ToolCall:
    """`number` is -1 until it is known to be one, `given_id` empty while the backend has not said it.

    `doubtful`: without arguments of its own it is the last fragment of the call before.
    """

    __slots__ = (
        *("_brackets", "_fed", "_held", "_shown", "_told", "_worded"),
        *("doubtful", "fragments", "given_id", "name", "number", "open", "texts"),
    )

    def __init__(self, doubtful: bool = False) -> None:
        self.number = -1
        self.doubtful = doubtful
        self.given_id = ""
        self.name = ""
        self.texts: list[str] = []
        self.fragments = 0
        self.open = True
        self._told = 0  # of the texts
        self._shown = False  # the client knows of it
        self._held = False  # a fragment came of which nothing could be told
        self._worded = False  # there is more than blanks
        self._brackets = Brackets()
        self._fed = 0  # of the texts

    @property
    def real(self) -> bool:
        """Whether it has a name or arguments."""
        return self._worded or (bool(self.name) and not self.doubtful)

    def named(self, name: str) -> None:
        """Its name, or a piece of it; said again it adds nothing."""
        if name != self.name:
            self.name = name if name.startswith(self.name) else self.name + name

    def add(self, text: str) -> None:
        """More of the arguments, unless it is what stands for them or says all of them again."""
        words = text.strip()
        self.fragments += bool(text)
        self._worded = self._worded or bool(words)
        if self._stands_in:
            if not words:
                return
            self.texts.clear()
            self._brackets, self._fed = Brackets(), 0
        elif words and self.texts and self.whole() and self._said(words):
            return
        if text:
            self.texts.append(text)

    def complete(self, whole: str) -> None:
        """The arguments as they are told at the end, of which there may have come all, a part, or nothing."""
        known = "".join(self.texts)
        if self._stands_in or not known.strip():
            self.add(whole)
        elif whole.startswith(known):
            self.add(whole[len(known) :])

    def whole(self) -> bool:
        """Whether the arguments so far are a whole object."""
        for text in self.texts[self._fed :]:
            self._brackets.feed(text)
        self._fed = len(self.texts)
        return self._brackets.whole or self._stands_in

    def told(self, choice: int) -> list[Event]:
        """What the client may hear now: nothing of an entry that is no call yet, and no arguments of a call whose id or
        name may still come."""
        if self.number < 0:
            return []
        if not self.name or not self.given_id:
            again, self._held = self._held, True
            return [ToolCallDelta(self.number, choice=choice)] if again else []
        rest = "" if self._stands_in else "".join(self.texts[self._told :])
        self._told = 0 if self._stands_in else len(self.texts)
        self._shown = True
        return [ToolCallDelta(self.number, self.given_id, self.name, rest, choice)]

    def close(self, choice: int, cut: bool, parse: Callable[[str], object]) -> list[Event]:
        """What was not told yet, and the end; nothing of what is no call. `cut`: no argument is taken for whole."""
        self.open = False
        if self.number < 0:
            return []
        told, rest = "".join(self.texts[: self._told]), "".join(self.texts[self._told :])
        size = len((told + rest).encode("utf-8", "replace"))
        arguments: dict[str, Any] | None = None
        parses = 0
        if not cut and (told + rest).strip() in ("", "null", '""'):
            arguments, rest = {}, "{}"
        elif not cut:
            arguments, parses = _object(told + rest, parse), 1
        self.texts.clear()
        number, call_id, name, text = self.number, self.given_id or f"call_{self.number}", self.name, told + rest
        missing: list[Event] = [ToolCallDelta(number, call_id, name, rest, choice)] if rest or not self._shown else []
        invalid, pieces = arguments is None, self.fragments
        end = ToolCallEnd(number, call_id, name, arguments, text, invalid, pieces, size, parses, choice)
        return [*missing, end]

    @property
    def _stands_in(self) -> bool:
        return len(self.texts) == 1 and len(self.texts[0]) < 64 and self.texts[0].strip() in _STAND_INS

    def _said(self, words: str) -> bool:
        """Whether these, behind a whole object, say that object again or nothing."""
        if words in _STAND_INS:
            return True
        known = "".join(self.texts)
        # what is much shorter cannot be the same, and is not worth reading all of it again
        return 2 * len(words) > len(known) and pointers.read(words) == pointers.read(known) is not None


def begins_anew(call: ToolCall, said: ToolCallDelta, given: str) -> bool:
    """Whether a fragment of the same index is another call's: because of a new name. Backends repeat an id, change it
    in each fragment, leave it out, send "" or "null", and give every parallel call the same index."""
    if not call.open:
        return bool(said.name or given or said.arguments.strip())
    if not said.name or not call.name:
        return False
    another_id = bool(given and call.given_id and given != call.given_id)
    if said.name == call.name:
        if another_id and said.index is None:
            return True
        # Gemini's and Ollama's parallel calls of one tool may all have index 0 and no id
        return (another_id or (not given and said.arguments.lstrip()[:1] == "{")) and call.whole()
    if given and given == call.given_id and said.name.startswith(call.name):
        return False  # the name so far, as another sidecar says it
    return another_id or said.index is None or call.whole()


def _object(text: str, parse: Callable[[str], object]) -> dict[str, Any] | None:
    try:
        value = parse(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not is_deep(value) else None
