"""What the body of a request says, whichever API it is for."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import msgspec

Json = dict[str, Any]

WISH = re.compile(r"[Cc]all (\w+) with (\{.*?\})$", re.M)


def model_in(path: str, body: Json) -> str:
    """The model asked for, in the body or, for Gemini, in the path, switches and all."""
    found = re.search(r"/models/([^/]+):\w+$", path)
    return unquote(found[1]) if found else str(body.get("model") or "fake-mini")


def tools(body: Json) -> Iterator[Json]:
    """Declared functions: OpenAI and Ollama nest each in `function`, Gemini lists them, others have them bare."""
    for tool in body.get("tools") or []:
        yield from tool.get("functionDeclarations") or [tool.get("function") or tool]


def wish(body: Json) -> tuple[str, Json] | None:
    """The tool and the arguments in a prompt that says `Call NAME with {"JSON": "..."}` at the end of a line."""
    found = [found for text in strings(turns(body)) if (found := WISH.search(text))]
    return (found[-1][1], msgspec.json.decode(found[-1][2], type=dict)) if found else None


def results(body: Json) -> str | None:
    """What the tools said of which the last turn tells; None where that tells of none."""
    match (turns(body) or [{}])[-1]:
        case {"role": "tool", "content": said} | {"type": "function_call_output", "output": said}:
            return " ".join(strings(said))
        case {"content": [*blocks]} | {"parts": [*blocks]}:
            told = [said for block in blocks if (said := _result(block)) is not None]
            return " ".join(strings(told)) if told else None
    return None


def _result(block: Json) -> Any:
    match block:
        case {"type": "tool_result"}:
            return block.get("content", "")
        case {"functionResponse": {"response": said}}:
            return said


def turns(body: Json) -> list[Any]:
    """Who said what, the oldest first."""
    said = body.get("messages") or body.get("contents") or body.get("input") or []
    return said if isinstance(said, list) else [said]


def strings(value: Any) -> Iterator[str]:
    """Every text in it but the names of types."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from strings([inner for name, inner in value.items() if name != "type"])
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
