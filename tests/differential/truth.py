"""What a model might say: words that look like the framing around them, thoughts, calls, counts."""

import json
from random import Random
from typing import Any, NamedTuple

from tests.differential.answer import Answer, Call, Choice, parsed
from tests.differential.dice import Dice

WORDS = (
    *("Hello", " world", " the", " the", " fen", " is", " wet", ".", " ", "\n", "\n\n", "1", "", "a", "aa", "The fen"),
    *("data: [DONE]", "\n\ndata: {}\n\n", '{"error": "no"}', "null", "[DONE]", ": ping", "event: error\n", "\\n", '"'),
    *("Grüße", "汉字", "😀", "👩‍👩‍👧", "\u2028", "\u2029", "\x85", "\x00", "\x1f", "\ufeff"),
    *("\ufffd", "\t", "</think>", "```json\n", '{"a": 1}', "\r\n", "finish_reason", "e\u0301"),
)
NAMES = ("get_weather", "get", "search", "mcp__files__read", "run-it", "add", "multiply", "weather")
VALUES: tuple[Any, ...] = ("Paris", "", "汉字 😀", 'a "b" \\ c', "}{", 1, -1.5, True, None, [], [1, "x"], {"in": {}})
KEYS = ("city", "n", "q", "path", "ünits")


class Said(NamedTuple):
    """A choice in the pieces that the model made; the calls' arguments are text."""

    reasoning: list[str]
    text: list[str]
    refusal: list[str]
    calls: list[Call]
    finish: str

    @property
    def choice(self) -> Choice:
        calls = tuple(call._replace(arguments=parsed(call.arguments)) for call in self.calls)
        return Choice("".join(self.text), "".join(self.reasoning), "".join(self.refusal), calls, self.finish)


def said(dice: Dice, choice: int = 0, distinct: bool = False) -> Said:
    """One choice; `distinct` where no two calls may have one name."""
    chance = dice.of(f"truth {choice}")
    kind = chance.choice(("text", "text", "text", "thought", "thought", "calls", "calls", "all", "refusal"))
    reasoning = pieces(chance) if kind in ("thought", "all") else []
    text = pieces(chance) if kind in ("text", "thought", "all") or chance.random() < 0.2 else []
    refusal = pieces(chance) if kind == "refusal" else []
    calls = called(chance, choice, distinct) if kind in ("calls", "all") else []
    finish = "tool_calls" if calls else chance.choice(("stop", "stop", "stop", "length", "content_filter"))
    if calls and dice.maybe("arguments cut at the limit"):
        whole = calls[-1].arguments
        cut = whole[: chance.randrange(1, len(whole))] if len(whole) > 2 else whole
        calls[-1] = calls[-1]._replace(arguments=cut)
        finish = "length" if cut != whole else finish
    return Said(reasoning, [] if refusal else text, refusal, calls, finish)


def pieces(chance: Random) -> list[str]:
    return [chance.choice(WORDS) for _ in range(chance.choice((0, 1, 2, 4, 7, 12)))] + ["Ely"]


def called(chance: Random, choice: int, distinct: bool) -> list[Call]:
    count = chance.choice((1, 1, 2, 3))
    names = chance.sample(NAMES, count) if distinct else [chance.choice(NAMES) for _ in range(count)]
    return [Call(f"call_{choice}{number}", name, arguments(chance)) for number, name in enumerate(names)]


def arguments(chance: Random) -> str:
    value = {key: chance.choice(VALUES) for key in chance.sample(KEYS, chance.choice((0, 1, 1, 2, 3)))}
    return json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, 1)))


def usage(dice: Dice) -> dict[str, int]:
    chance = dice.of("usage")
    counts = {"input": chance.randrange(1, 5000), "output": chance.randrange(1, 900)}
    if chance.random() < 0.3:
        counts["cached"] = chance.randrange(counts["input"])
    if chance.random() < 0.3:
        counts["reasoning"] = chance.randrange(counts["output"])
    return counts


def split(chance: Random, text: str) -> list[str]:
    """The text in a few pieces, none of them empty."""
    marks = sorted({0, len(text), *(chance.randrange(len(text) + 1) for _ in range(chance.choice((0, 1, 2, 4))))})
    return [text[a:b] for a, b in zip(marks, marks[1:], strict=False)] or [text]


def answer(choices: list[Said], counts: dict[str, int], model: str) -> Answer:
    return Answer({number: each.choice for number, each in enumerate(choices)}, counts, model)
