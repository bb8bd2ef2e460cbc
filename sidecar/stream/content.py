"""What stands where an answer's text is expected: a string, or a list of parts of many kinds."""

from typing import Any

from sidecar.stream import pointers
from sidecar.stream.events import Event, Extension, ReasoningDelta, TextDelta

_TEXT = ("", "text", "output_text", "refusal")


def read(content: Any, choice: int, events: list[Event]) -> None:
    """The events of it, in order."""
    if isinstance(content, str):
        events.append(TextDelta(content, choice))
        return
    for part in content if isinstance(content, list) else (content,):
        if isinstance(part, str) and part:
            events.append(TextDelta(part, choice))
        elif isinstance(part, dict):
            _part(part, choice, events)


def _part(part: dict[str, Any], choice: int, events: list[Event]) -> None:
    kind = pointers.text(part, "/type")
    thoughts = next((part[key] for key in ("thinking", "summary", "reasoning") if part.get(key)), None)
    if thoughts or kind in ("thinking", "reasoning"):
        # Mistral thinks in content parts, Databricks sums its thoughts up there
        inner = thoughts if isinstance(thoughts, list) else [{"text": thoughts or part.get("text")}]
        if words := "".join(pointers.text(each, "/text") for each in inner):
            events.append(ReasoningDelta(words, choice))
    elif kind in _TEXT:
        if words := pointers.text(part, "/text", "/refusal"):
            events.append(TextDelta(words, choice, kind == "refusal"))
        if part.get("annotations"):
            events.append(Extension("annotations", part["annotations"], choice))
    elif "image" in kind:
        events.append(Extension("images", [part], choice))
    else:
        events.append(Extension(kind, part, choice))
