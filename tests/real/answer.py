"""A whole answer in one vocabulary, whichever SDK read it, and the notes that a reader makes until then."""

import json
from typing import Any, NamedTuple

REASONS = {
    **{"end_turn": "stop", "stop_sequence": "stop", "completed": "stop", "eos": "stop", "word": "stop"},
    "load": "stop",
    **{"max_tokens": "length", "max_output_tokens": "length", "limit": "length", "tool_use": "tool_calls"},
}


class Choice(NamedTuple):
    """Calls are (name, arguments), which are text where they do not parse. `finish` is empty if nothing was said."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()
    finish: str = ""


class Answer(NamedTuple):
    """`usage` is (input, output) tokens."""

    choices: dict[int, Choice]
    usage: tuple[int, int] | None


class Failed(Exception):
    """A frame said that the answer failed."""


class Notes:
    """One answer as it is heard."""

    def __init__(self) -> None:
        self.choices: dict[int, Choice] = {}
        self.calls: dict[tuple[int, Any], list[str]] = {}
        self.usage: tuple[int, int] | None = None

    def hear(self, text: str | None = "", reasoning: str | None = "", finish: str | None = "", choice: int = 0) -> None:
        said = self.choices.get(choice, Choice())
        why = REASONS.get(finish or "", finish or said.finish)
        self.choices[choice] = Choice(said.text + (text or ""), said.reasoning + (reasoning or ""), (), why)

    def call(self, key: Any, name: str | None, arguments: str | None, choice: int = 0) -> None:
        self.hear(choice=choice)
        call = self.calls.setdefault((choice, key), ["", ""])
        call[0] = name or call[0]
        call[1] += arguments or ""

    def count(self, given: int | None, made: int | None) -> None:
        if given is not None or made is not None:
            self.usage = (given or 0, made or 0)

    def answer(self) -> Answer:
        return Answer({number: self._whole(number) for number in sorted(self.choices)}, self.usage)

    def _whole(self, number: int) -> Choice:
        calls = tuple((name, parsed(text)) for (choice, _), (name, text) in self.calls.items() if choice == number)
        said = self.choices[number]
        # some say `stop` also when a tool was called
        return said._replace(calls=calls, finish="tool_calls" if calls and said.finish == "stop" else said.finish)


def parsed(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text
