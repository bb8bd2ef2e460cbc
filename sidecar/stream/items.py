"""What the items of a Responses answer hold: a message or reasoning parts of text, a call its arguments."""

from collections.abc import Iterator
from typing import Any

import msgspec

from sidecar.stream import pointers
from sidecar.stream.requested import Item

VOICES = {
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
    "reasoning_text": "reasoning",
    "reasoning": "reasoning",
    "reasoning_summary_text": "reasoning.summary",
    "summary_text": "reasoning.summary",
}
"""Of the types of parts."""

CALLS = ("function_call", "custom_tool_call")
"""The types of calls that the client shall make."""

Place = tuple[int | None, int | None, Any]
"""The index of an item, that of a part in it, and the part."""


def kind_of(said: Any) -> str:
    return pointers.text(said, "/type")


def words(part: Any) -> str:
    return pointers.text(part, "/text", "/refusal")


def parts(item: Any, index: int | None) -> Iterator[Place]:
    """The parts of a message or of reasoning, with both their indexes."""
    kind = kind_of(item)
    if pointers.text(item, "/role") not in ("", "assistant") or kind not in ("message", "reasoning"):
        return
    for voice, at in (("summary_text", "/summary"), ("reasoning" if kind == "reasoning" else "text", "/content")):
        found = pointers.at(item, at)
        for second, part in enumerate(found if isinstance(found, list) else [found] if found else ()):
            part = {"text": part} if isinstance(part, str) else part
            if isinstance(part, dict):
                yield index, second, {**part, "type": voice} if kind == "reasoning" or "type" not in part else part


def call(item: Any, index: int | None) -> Item:
    """What an item says of its call."""
    named = pointers.text(item, "/call_id", "/id"), pointers.text(item, "/name")
    arguments = pointers.at(item, "/arguments") or pointers.at(item, "/input")
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode() if arguments else ""
    return Item(index, pointers.text(item, "/id"), *named, text, kind_of(item) == "custom_tool_call")


def cited(annotation: Any) -> Any:
    """A citation as OpenAI's chat chunks have it; other annotations as they are."""
    if kind_of(annotation) != "url_citation" or "url_citation" in annotation:
        return annotation
    return {"type": "url_citation", "url_citation": {k: v for k, v in annotation.items() if k != "type"}}
