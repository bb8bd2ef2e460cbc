"""OpenAI Chat Completions and its many disguises (Azure, vLLM, SGLang, llama.cpp, Groq, DeepSeek, Ollama's /v1 ...).

`data: {"choices":[{"index","delta","finish_reason"}]}` and `data: [DONE]`; a non-streamed answer has `message`
in place of `delta`. Text completions have `choices[].text`. Wire: platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.pointers import number
from sidecar.stream.reasons import canonical

PATHS = ("/chat/completions", "/completions")
PING = b": ping\n\n"


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    object: str | None = None
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    prompt_progress: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("choices"), list)


def decoder() -> Decode:
    named = False

    def decode(frame: Frame) -> Iterable[Event] | None:
        nonlocal named
        data = frame.data or b""
        if data[:1] != b"{" and data.lstrip()[:1] != b"{":
            return _not_json(data)
        chunk = _decode(data)
        if chunk.choices is None:
            return [failure.read(chunk.error)] if chunk.error else None
        events: list[Event] = []
        if not named and (chunk.model or chunk.id):
            events.append(Start(chunk.model or "", chunk.id or ""))
        for choice in chunk.choices:
            if choice.message and named and chunk.object == "chat.completion":
                choice.message = None  # MiniMax says all of it again at the end
            _choice(choice, events)
        if chunk.usage:
            events.append(usage(chunk.usage))
        if chunk.prompt_progress:
            events.append(_progress(chunk.prompt_progress))
        if chunk.error:
            # OpenRouter says finish_reason "error" in the frame that says which
            events = [event for event in events if type(event) is not Finish] + [failure.read(chunk.error)]
        elif failed := next((e for e in events if type(e) is Finish and e.reason == "error"), None):
            events.append(Error("upstream_error", "the backend finished with an error", type=failed.raw))
        elif chunk.object == "chat.completion":
            events.append(End())
        named = named or bool(events)
        return events

    return decode


def _not_json(data: bytes) -> Iterable[Event] | None:
    word = data.strip()
    if word == b"[DONE]":
        return [End()]
    return [] if not word or word == b"null" else None


def _choice(choice: _Choice, events: list[Event]) -> None:
    index = max(0, choice.index or 0)
    delta = choice.delta or choice.message
    if delta is None:
        if choice.text:
            events.append(TextDelta(choice.text, index))
    else:
        # vLLM and Nemotron send the same words under both names
        if reasoning := delta.reasoning_content or delta.reasoning:
            events.append(ReasoningDelta(reasoning, index))
        if delta.content:
            _content(delta.content, index, events)
        if delta.refusal:
            events.append(TextDelta(delta.refusal, index, True))
        for call in delta.tool_calls or ():
            function = call.function or _Function()
            events.append(
                ToolCallDelta(call.index, call.id or "", function.name or "", arguments(function.arguments), index)
            )
        if delta.function_call and not delta.tool_calls:
            legacy = delta.function_call
            events.append(ToolCallDelta(0, "", legacy.name or "", arguments(legacy.arguments), index))
    if raw := choice.finish_reason or _stop_reason(choice.stop_reason):
        events.append(Finish(canonical(raw), raw, index))


def _stop_reason(said: Any) -> str:
    """DeepSeek on Bedrock calls it so; elsewhere it is the token or the words that stopped the model."""
    return said if isinstance(said, str) and canonical(said) != "other" else ""


def _content(content: Any, index: int, events: list[Event]) -> None:
    if isinstance(content, str):
        events.append(TextDelta(content, index))
        return
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if isinstance(text := part.get("text"), str) and text:
            events.append(TextDelta(text, index))
        elif isinstance(part.get("thinking"), list):
            # Mistral thinks in content parts
            words = "".join(str(p.get("text", "")) for p in part["thinking"] if isinstance(p, dict))
            if words:
                events.append(ReasoningDelta(words, index))


def arguments(raw: msgspec.Raw) -> str:
    """Tool arguments as JSON text, whether they came as a string of JSON, an object, null or not at all."""
    text = bytes(raw)
    if text[:1] == b'"':
        return msgspec.json.decode(text, type=str)
    return "" if text in (b"", b"null") else text.decode("utf-8", "replace")


def usage(said: dict[str, Any]) -> Usage:
    """OpenAI's usage object, with the details that some backends keep at its top."""
    inner = said.get("prompt_tokens_details")
    outer = said.get("completion_tokens_details")
    return Usage(
        number(said.get("prompt_tokens")),
        number(said.get("completion_tokens")),
        number(said.get("total_tokens")),
        number(inner.get("cached_tokens") if isinstance(inner, dict) else None),
        number(outer.get("reasoning_tokens") if isinstance(outer, dict) else said.get("reasoning_tokens")),
    )


def _progress(said: Any) -> Status:
    """llama.cpp's `return_progress`: how much of the prompt is read."""
    if isinstance(said, dict):
        total, done = said.get("total"), said.get("processed")
        if isinstance(total, int) and isinstance(done, int) and total > 0:
            return Status("progress", {"progress": round(min(1.0, max(0.0, done / total)), 4)})
    return Status("progress")


def error_frame(error: Error) -> bytes:
    body = {"error": {"message": error.message, "type": error.type or error.outcome, "code": error.code}}
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
