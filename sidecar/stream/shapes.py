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


def _is(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


Words = Annotated[tuple[str, ...], msgspec.Meta(extra={"listed": True})]
Pointer = Annotated[str, msgspec.Meta(extra={"kind": "pointer"})]
Pointers = Annotated[tuple[Pointer, ...], msgspec.Meta(extra={"listed": True})]


class Shape(msgspec.Struct, frozen=True):
    """Where a JSON stream says what: RFC 6901 pointers, the first that is filled counts; all may be left out."""

    marks: Annotated[Pointers, _is("All of these are there in the dialect's frames.")] = ()
    text: Annotated[Pointers, _is("More of the answer.")] = ()
    whole: Annotated[Pointers, _is("The whole answer so far, where the stream is cumulative.")] = ()
    reasoning: Annotated[Pointers, _is("More of the reasoning.")] = ()
    tool_calls: Annotated[Pointers, _is("A list of tool calls, or one.")] = ()
    tool_id: Annotated[Pointers, _is("Within a call: its id.")] = ("/id",)
    tool_name: Annotated[Pointers, _is("Within a call: the tool's name.")] = ("/function/name", "/name")
    tool_arguments: Annotated[Pointers, _is("Within a call: the arguments, JSON text or an object.")] = (
        "/function/arguments",
        "/arguments",
        "/input",
        "/args",
    )
    finish: Annotated[Pointers, _is("Why the answer finished.")] = ()
    unfinished: Annotated[Words, _is("Values of `finish` that mean: not yet.")] = ()
    done: Annotated[Pointers, _is("True, or filled, in the last frame.")] = ()
    error: Annotated[Pointers, _is("What went wrong.")] = ("/error",)
    skip: Annotated[Pointers, _is("True where the frame's text is none.")] = ()
    model: Annotated[Pointers, _is("The model's name.")] = ("/model",)
    id: Annotated[Pointers, _is("The answer's id.")] = ("/id",)
    input_tokens: Annotated[Pointers, _is("Tokens of the prompt.")] = ()
    output_tokens: Annotated[Pointers, _is("Tokens of the answer.")] = ()
    total_tokens: Annotated[Pointers, _is("Both together.")] = ()
    cached_input_tokens: Annotated[Pointers, _is("Tokens of the prompt that were cached.")] = ()
    reasoning_tokens: Annotated[Pointers, _is("Tokens of the answer that were reasoning.")] = ()


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
    error = next((value for p in shape.error if failure.told(value := pointers.at(said, p))), None)
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
