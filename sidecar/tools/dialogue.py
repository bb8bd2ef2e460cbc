"""What the fake model was asked and what it will say, before any dialect puts it into bytes."""

import re
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import msgspec

from sidecar.tools.asked import Json, results, tools, wish

TEXT = (
    "Every token is a small promise. The model makes it, the network carries it, and somebody reads it while the "
    "next one is still being thought. Hold one back and the promise is late; lose one and the sentence lies. So let "
    "them pass as they come: in Zürich, in 東京, on a slow phone in a lift 🛗. That is all that a stream is for."
)
THOUGHT = "They ask what a stream is for. Say what a token is, then what happens to one that waits, and keep it short."


def tokens_of(text: str) -> list[str]:
    """The text in pieces as a tokenizer would cut it: a word with the blank before it."""
    return re.findall(r"\s*\S+", text)


class Call(msgspec.Struct, frozen=True):
    """One tool call; `fragments` joined are the arguments' JSON text."""

    id: str
    name: str
    arguments: Json
    fragments: tuple[str, ...]


class Speech(msgspec.Struct, frozen=True):
    """Everything the model will say, in order. `finish` is stop, length or tool_calls."""

    reasoning: tuple[str, ...]
    text: tuple[str, ...]
    calls: tuple[Call, ...]
    finish: str

    @property
    def tokens(self) -> int:
        """Pieces that are paced: reasoning, text and argument fragments."""
        return len(self.reasoning) + len(self.text) + sum(len(call.fragments) for call in self.calls)


class Ask(msgspec.Struct, frozen=True):
    """One request to the model. `switches` are the words of `x-fake` and of the model's name, see `switches_of`."""

    number: int
    path: str
    query: str
    model: str
    body: Json
    switches: dict[str, str]
    input_tokens: int

    def switch(self, name: str) -> float | None:
        """The number after `name=`, or None where the switch was not thrown; a bare name counts as 0."""
        value = self.switches.get(name)
        return None if value is None else float(value or 0)

    @property
    def streams(self) -> bool:
        """Whether the answer is to be streamed: by the path for Gemini and `/mixed`, by default for Ollama."""
        if self.path == "/mixed" or "/models/" in self.path:
            return "generateContent" not in self.path
        return bool(self.body.get("stream", self.path.startswith("/api/")))

    def speech(self) -> Speech:
        """What the model answers to this."""
        calls = tuple(self._calls())
        text = () if calls else tuple(self._text())
        limit = self._limit()
        cut = limit is not None and limit < len(text)
        finish = "tool_calls" if calls else "length" if cut else "stop"
        return Speech(self._reasoning(), text[:limit] if cut else text, calls, finish)

    def _text(self) -> Iterator[str]:
        size = int(self.switch("token-bytes") or 0)
        told = results(self.body) if "repeat" in self.switches else None
        words = [word.ljust(size, "x") for word in tokens_of(told or TEXT)]
        return islice(cycle(words), int(self.switch("tokens") or len(words)))

    def _reasoning(self) -> tuple[str, ...]:
        wanted = "thinking" in self.model or self.body.get("think") is True
        return tuple(tokens_of(THOUGHT)) if wanted or _enabled(self.body.get("thinking")) else ()

    def _limit(self) -> int | None:
        named = self.body.get("max_completion_tokens", self.body.get("max_tokens"))
        options = self.body.get("options") or {}
        generation = self.body.get("generationConfig") or {}
        limit = named or options.get("num_predict") or generation.get("maxOutputTokens")
        return limit if isinstance(limit, int) else None

    def _calls(self) -> Iterator[Call]:
        if self.body.get("tool_choice") == "none" or results(self.body) is not None:
            return
        for index, (name, arguments) in enumerate(self._wanted()):
            text = msgspec.json.encode(arguments).decode()
            fragments = tuple(text[at : at + 4] for at in range(0, len(text), 4))
            yield Call(f"call_{self.number}_{index}", name, arguments, fragments)

    def _wanted(self) -> Iterator[tuple[str, Json]]:
        """The tools to call, each with its arguments: what the prompt wishes, else the first that are offered."""
        if wished := wish(self.body):
            yield wished
            return
        count = self.switch("calls")
        for tool in islice(tools(self.body), 1 if count is None else int(count)):
            yield str(tool.get("name", "")), sample(parameters(tool))


def switches_of(text: str) -> dict[str, str]:
    """`"silence=2; cut-after=5; drop"` as a dict; a model's name carries the same after its first `;`."""
    pairs = (word.strip().partition("=") for word in text.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name}


def parameters(tool: Json) -> Json:
    """The schema of its arguments."""
    return tool.get("parameters") or tool.get("input_schema") or {"type": "object"}


def sample(schema: Json) -> Any:
    """A value that fits this JSON Schema well enough to be somebody's tool arguments."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = str(schema.get("type", "string")).lower()
    if kind == "object":
        return {name: sample(inner) for name, inner in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [sample(schema.get("items") or {})]
    return {"integer": 3, "number": 21.5, "boolean": True, "null": None}.get(kind, "Zürich")


def _enabled(thinking: Any) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")
