"""The names that most of the industry gives to things, and how to find what has them in JSON of any shape.

Keys are compared in snake_case: `FinishReason` and `finishReason` are `finish_reason`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sidecar.stream.pointers import number

Names = tuple[str, ...]
Path = tuple[str | int, ...]

TEXT: Names = tuple(
    "delta content_delta text_delta token text content response answer completion generated_text generation output_text"
    " text_output text_response raw_content partial reply chunk".split()
)
LIKE_TEXT = re.compile(r"\w+_(?:token|text|delta|content|chunk|answer)")
WEAK: Names = ("output", "outputs", "result", "value", "data", "parts", "raw", "predictions", "message", "msg")
"""Names of text too, where nothing better is said."""
REASONING: Names = tuple("reasoning_content reasoning thinking thought thoughts reasoning_text reasoning_delta".split())
CALLS: Names = ("tool_call_chunks", "tool_calls", "tool_call", "function_call", "function_calls")
FINISH: Names = ("finish_reason", "stop_reason", "done_reason", "finish_type", "completion_reason", "stop_type")
UNFINISHED = frozenset(" null none not_finished normal generating running in_progress continue working".split(" "))
DONE: Names = tuple(
    "done is_done is_finished finished is_end end ended is_last last is_final final is_complete completed last_chunk"
    " stream_end eos eof final is_final_chunk end_turn close".split()
)
CODES: Names = ("code", "error_code", "err_code", "errno", "status_code", "ret")
_INSIDE: Names = tuple(
    "delta message content parts part chunk data payload result results output outputs response responses choice"
    " choices messages kwargs artifact predictions completions generation generations candidates text event body value"
    " item response_metadata step_result replies turn".split()
)
_TAGS: Names = (
    "event",
    "type",
    "event_type",
    "kind",
    "event_kind",
    "message_type",
    "action",
    "part_kind",
    "part_delta_kind",
)
_TAGGED = frozenset((*_TAGS, "role", "sender", "author", "object", "status"))
_COUNTS = {
    "input_tokens": "input_tokens prompt_tokens input_token_count prompt_token_count prompt_eval_count tokens_in"
    " tokens_prompt num_tokens_prompt_total tokens_evaluated input_count",
    "output_tokens": "output_tokens completion_tokens output_token_count completion_token_count candidates_token_count"
    " eval_count tokens_out tokens_completion generated_tokens num_tokens_generated tokens_predicted output_count",
    "total_tokens": "total_tokens total_token_count token_count",
    "cached_input_tokens": "cached_tokens cached_input_tokens cache_read_input_tokens",
    "reasoning_tokens": "reasoning_tokens thoughts_token_count",
}
_COUNTED = {word: name for name, words in _COUNTS.items() for word in words.split()}
_SPENT = frozenset(word for word, name in _COUNTED.items() if name in ("input_tokens", "output_tokens"))
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
# within a string its quotes would be escaped; what gives back its letters takes 27 s of an image of 64 KiB in base64
_KEY = re.compile(rb'"([a-z0-9_]*+[A-Z.-][\w.-]*+)"(?=\s*:)')
_DEPTH = 6


def snake(word: str) -> str:
    """`FinishReason`, `finish-reason` and `finish.reason` as `finish_reason`."""
    return _HUMP.sub("_", word).strip("_").lower()


def camel(name: str) -> str:
    """`finish_reason` as `finishReason`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def snaked(data: bytes) -> bytes:
    """The same JSON with every key in snake_case."""
    return _KEY.sub(_snaked, data)


def _snaked(found: re.Match[bytes]) -> bytes:
    return b'"%s"' % _snake(found[1])


@lru_cache(1024)
def _snake(key: bytes) -> bytes:
    return snake(key.decode("ascii", "replace")).encode()


def tags(said: dict[str, Any]) -> Names:
    """What the object says that it is, in snake_case."""
    return tuple(snake(value) for name in _TAGS if isinstance(value := said.get(name), str) and value)


def layers(said: Any, depth: int = _DEPTH) -> Iterator[dict[str, Any]]:
    """The object and those that it holds under the usual names, the outer first; of a list its first alone."""
    first = said[0] if isinstance(said, list) and said else said
    if isinstance(first, dict) and depth:
        yield first
        for name in _INSIDE:
            if isinstance(inside := first.get(name), dict | list):
                yield from layers(inside, depth - 1)


def first(said: Any, names: Names) -> Any:
    """The first that is filled of these, the outer before the inner."""
    return next((value for layer in layers(said) for name in names if (value := layer.get(name))), None)


def text(said: Any, names: Names = TEXT) -> tuple[str, Names, Path]:
    """The text that has one of these names, what the objects around it say that they are, and the way to it."""
    for layer, around, path in _around(said, (), (), _DEPTH):
        for name in names:
            # a message beside a code tells how the request fared
            told = name in ("message", "msg") and (layer.get("status") or any(code in layer for code in CODES))
            if not told and (words := _words(layer.get(name), name)):
                return words, around, (*path, name)
    return "", (), ()


def at(said: Any, path: Path) -> Any:
    """The value at the end of a way that is known to be there."""
    for step in path:
        said = said[step]
    return said


def outline(said: Any, depth: int = 2 * _DEPTH) -> Any:
    """What frames that differ in their words alone have in common; hashable."""
    if not depth or not isinstance(said, dict | list):
        return bool(said)
    if isinstance(said, list):
        return (len(said), *(outline(value, depth - 1) for value in said))
    plain = (v if v is None or v is True or v is False else _outlined(k, v, depth - 1) for k, v in said.items())
    return (*said, *plain)


def _outlined(key: str, value: Any, depth: int) -> Any:
    return value if key in _TAGGED and isinstance(value, str) else outline(value, depth)


def reasoning(said: Any) -> str:
    """The reasoning that this says."""
    return text(said, REASONING)[0]


def usage(said: Any, depth: int = _DEPTH) -> dict[str, int]:
    """The counts of the first object, under any name, that holds some: arguments of `events.Usage`."""
    said = said[0] if isinstance(said, list) and said else said
    if not isinstance(said, dict) or not depth:
        return {}
    if _SPENT.isdisjoint(said):
        return next((found for inside in said.values() if (found := usage(inside, depth - 1))), {})
    known = ((_COUNTED[name], number(value)) for name, value in _flat(said) if name in _COUNTED)
    return {name: count for name, count in known if count is not None}


def _around(said: Any, around: Names, path: Path, depth: int) -> Iterator[tuple[dict[str, Any], Names, Path]]:
    if isinstance(said, list):
        for place, part in enumerate(said):
            yield from _around(part, around, (*path, place), depth)
    elif isinstance(said, dict) and depth:
        tagged = around + tags(said)
        yield said, tagged, path
        for name in _INSIDE:
            if isinstance(inside := said.get(name), dict | list):
                yield from _around(inside, tagged, (*path, name), depth - 1)


def _words(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_part, value))
    # Cloudflare's model may say a number, which comes as one
    known = name in ("response", "text", "content") and not isinstance(value, bool)
    return str(value) if known and isinstance(value, int | float) else ""


def _part(part: Any) -> str:
    words = part.get("text") if isinstance(part, dict) else part
    return words if isinstance(words, str) else ""


def _flat(said: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        yield from value.items() if isinstance(value, dict) else ((name, value),)
