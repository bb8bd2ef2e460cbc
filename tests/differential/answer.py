"""What an answer says, in one vocabulary: of a generated stream what is true, of a reading what was understood."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

FINISHES = {
    "stop": ("stop", "eos", "end_turn", "STOP", "stop_sequence", "completed"),
    "length": ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_context_window_exceeded"),
    "tool_calls": ("tool_calls", "tool_use", "function_call"),
    "content_filter": ("content_filter",),
    "refusal": ("refusal",),
    "pause": ("pause_turn",),
}
"""Our words, and those that providers have for them."""

_OURS = {word: ours for ours, words in FINISHES.items() for word in words}


class Call(NamedTuple):
    """`id` is empty where any will do; `arguments` is text where they do not parse."""

    id: str = ""
    name: str = ""
    arguments: Any = None


class Choice(NamedTuple):
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[Call, ...] = ()
    finish: str = ""


class Answer(NamedTuple):
    """`usage` has what is known of input, output, cached and reasoning; `failed` why it is not whole, None if it is."""

    choices: Mapping[int, Choice]
    usage: Mapping[str, int] = {}
    model: str = ""
    failed: str | None = None


class Notes:
    """An answer as it is heard."""

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.usage: dict[str, int] = {}
        self.model = ""
        self._calls: dict[tuple[int, Any], list[str]] = {}

    def hear(self, choice: int = 0, text: Any = "", reasoning: Any = "", refusal: Any = "", finish: Any = "") -> None:
        said = self.choices.get(choice, Choice())
        self.choices[choice] = Choice(
            said.text + (text or ""),
            said.reasoning + (reasoning or ""),
            said.refusal + (refusal or ""),
            finish=finish or said.finish,
        )

    def call(self, key: Any, id: Any, name: Any, arguments: Any, choice: int = 0) -> None:
        """A fragment of a call, whose strings are joined as OpenAI's SDK joins them."""
        self.hear(choice)
        call = self._calls.setdefault((choice, key), ["", "", ""])
        for place, part in enumerate((id, name, arguments)):
            call[place] += part or ""

    def count(self, **counts: Any) -> None:
        self.usage |= {name: count for name, count in counts.items() if isinstance(count, int)}

    def answer(self, failed: str | None = None) -> Answer:
        choices = {number: self._whole(number) for number in sorted(self.choices)}
        return Answer(choices or {0: Choice()}, self.usage, self.model, failed)

    def _whole(self, number: int) -> Choice:
        said = self.choices[number]
        calls = tuple(
            Call(id, name, parsed(text)) for (choice, _), (id, name, text) in self._calls.items() if choice == number
        )
        finish = ours(said.finish)
        # some say `stop` also when a tool was called
        finish = "tool_calls" if calls and finish == "stop" else finish
        return Choice(paired(said.text), paired(said.reasoning), paired(said.refusal), calls, finish)


def ours(finish: str) -> str:
    return _OURS.get(finish, finish)


def parsed(text: str) -> Any:
    """Arguments as an object; as text where they are none."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def paired(text: str) -> str:
    """Halves of a character that came apart, together."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def merged(texts: Iterable[Any]) -> str:
    return "".join(text for text in texts if isinstance(text, str))
