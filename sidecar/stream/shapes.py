"""Streams of one shape: small JSON objects with the text, the reason and the counts at fixed places.

`shaped(Shape(...))` is a whole dialect; the modules that use it are a page of pointers each. Where the answer without
streaming has another shape, that is a second one.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec

from sidecar.stream import failure, pointers
from sidecar.stream.events import (
    End,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical

Pointer = Annotated[str, msgspec.Meta(extra={"kind": "pointer"})]
Pointers = Annotated[tuple[Pointer, ...], msgspec.Meta(extra={"listed": True})]


class Shape(msgspec.Struct, frozen=True):
    """Where a JSON stream says what: RFC 6901 pointers, the first that is filled counts; all may be left out.

    `marks`: all of these are there in the dialect's frames. `whole`: cumulative text. `finish`: a reason, unless it is
    one of `unfinished`. `done`: true, or filled, in the last frame. `skip`: the text of this frame is none.
    `tool_calls`: a list of calls with `tool_id`, `tool_name` and `tool_arguments` (text or an object) in each.
    """

    marks: Pointers = ()
    text: Pointers = ()
    whole: Pointers = ()
    reasoning: Pointers = ()
    tool_calls: Pointers = ()
    tool_id: Pointers = ("/id",)
    tool_name: Pointers = ("/function/name", "/name")
    tool_arguments: Pointers = ("/function/arguments", "/arguments", "/input", "/args")
    finish: Pointers = ()
    unfinished: tuple[str, ...] = ()
    done: Pointers = ()
    error: Pointers = ("/error",)
    skip: Pointers = ()
    model: Pointers = ("/model",)
    id: Pointers = ("/id",)
    input_tokens: Pointers = ()
    output_tokens: Pointers = ()
    total_tokens: Pointers = ()
    cached_input_tokens: Pointers = ()
    reasoning_tokens: Pointers = ()


Matches = Callable[[Frame, Any], bool]
Decoder = Callable[[], Callable[[Frame], Iterable[Event] | None]]


def shaped(*shapes: Shape) -> tuple[Matches, Decoder]:
    """`matches` and `decoder` of a dialect with these shapes; a frame has the first whose marks it has."""

    def matches(frame: Frame, said: Any) -> bool:
        return isinstance(said, dict) and any(_fits(shape, said) for shape in shapes)

    def decode(frame: Frame) -> Iterable[Event] | None:
        data = (frame.data or b"").strip()
        if data == b"[DONE]":
            return [End()]
        if data[:1] != b"{":
            return None
        said = msgspec.json.decode(data)
        shape = next((shape for shape in shapes if _fits(shape, said)), shapes[0])
        events = list(_read(shape, said))
        return events if events or matches(frame, said) else None

    return matches, lambda: decode


def _fits(shape: Shape, said: Any) -> bool:
    return all(pointers.at(said, mark) is not None for mark in shape.marks)


def _read(shape: Shape, said: Any) -> Iterable[Event]:
    model, answer = pointers.text(said, *shape.model), pointers.text(said, *shape.id)
    if model or answer:
        yield Start(model, answer)
    if not _filled(said, shape.skip):
        yield from _words(shape, said)
    for call in _list(said, shape.tool_calls):
        yield from _call(shape, call)
    yield from _usage(shape, said)
    error = next((value for p in shape.error if (value := pointers.at(said, p))), None)
    if error:
        yield failure.read(error)
        return
    raw = _string(said, shape.finish)
    if raw and raw not in shape.unfinished:
        yield Finish(canonical(raw), raw)
    if _filled(said, shape.done):
        yield End()


def _words(shape: Shape, said: Any) -> Iterable[Event]:
    if thoughts := _string(said, shape.reasoning):
        yield ReasoningDelta(thoughts)
    if words := _string(said, shape.text):
        yield TextDelta(words)
    elif words := _string(said, shape.whole):
        yield TextSnapshot(words)


def _call(shape: Shape, call: Any) -> Iterable[Event]:
    given = next((value for p in shape.tool_arguments if (value := pointers.at(call, p)) is not None), None)
    text = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
    name = pointers.text(call, *shape.tool_name)
    yield ToolCallDelta(None, pointers.text(call, *shape.tool_id), name, text)
    if not isinstance(given, str):
        yield ToolCallEnd()


def _usage(shape: Shape, said: Any) -> Iterable[Event]:
    counts: dict[str, Any] = {
        name: value
        for name in ("input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "reasoning_tokens")
        if (value := pointers.count(said, *getattr(shape, name))) is not None
    }
    if counts:
        yield Usage(**counts)


def _string(said: Any, at: Pointers) -> str:
    for pointer in at:
        value = pointers.at(said, pointer)
        if isinstance(value, str) and value:
            return value
        # Cloudflare's model may say a number, which comes as one
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def _filled(said: Any, at: Pointers) -> bool:
    return any(pointers.at(said, pointer) not in (None, False, "") for pointer in at)


def _list(said: Any, at: Pointers) -> list[Any]:
    for pointer in at:
        value = pointers.at(said, pointer)
        if value:
            return value if isinstance(value, list) else [value]
    return []
