"""OpenAI Chat Completions and its many disguises (Azure, vLLM, SGLang, llama.cpp, Groq, DeepSeek, Ollama's /v1 ...).

`data: {"choices":[{"index","delta","finish_reason"}]}` and `data: [DONE]`; a non-streamed answer has `message`
in place of `delta`. Text completions have `choices[].text`. Wire: platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import content, failure, pointers
from sidecar.stream.counts import Groq, Timings, beside, progress, usage
from sidecar.stream.dialects import Decode
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
)
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical, known
from sidecar.stream.sofar import SoFar

PATHS = ("/chat/completions", "/completions")
PING = b": ping\n\n"
REFRAIN = ("obfuscation",)


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw(b"")


class _Call(msgspec.Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: Any = None


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    role: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    reasoning_details: list[Any] | None = None
    reasoning_steps: list[Any] | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None
    audio: Any = None
    images: Any = None
    annotations: Any = None
    extra_content: Any = None


class _Message(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    text: str | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int | None = 0
    delta: _Delta | str | None = None
    message: _Delta | None = None
    messages: list[_Message] | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: Any = None
    logprobs: Any = None
    usage: dict[str, Any] | None = None


class _Chunk(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    object: str | None = None
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    prompt_progress: Any = None
    citations: Any = None
    search_results: Any = None
    x_groq: Groq | None = None
    timings: Timings | None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def matches(frame: Frame, said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("choices"), list)


def decoder() -> Decode:
    return _Decoder().decode


class _Decoder:
    def __init__(self) -> None:
        self._named = False
        self._start = Start()
        self._spoken = False  # in deltas
        self._sources: dict[str, Any] = {}

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data[:1] != b"{" and data.lstrip()[:1] != b"{":
            return _not_json(data)
        chunk = _decode(data)
        failed = chunk.error if failure.told(chunk.error) else chunk.x_groq and chunk.x_groq.error
        if chunk.choices is None:
            return [failure.read(failed)] if failed else None
        events: list[Event] = []
        for choice in chunk.choices:
            if choice.message and self._spoken:
                choice.message = None  # MiniMax and others say all of it again at the end
            in_delta = choice.message is None
            _choice(choice, events)
            self._spoken = self._spoken or (in_delta and bool(events))
        self._beside(chunk, events)
        if failed:
            # OpenRouter says finish_reason "error" in the frame that says which
            events = [event for event in events if type(event) is not Finish] + [failure.read(failed)]
        elif chunk.object == "chat.completion":
            events.append(End())
        if not self._named:
            self._start = Start(chunk.model or self._start.model, chunk.id or self._start.id)
            if events:
                # oMLX keeps a stream alive by chunks of another id and model, which say nothing
                self._named = True
                events.insert(0, self._start)
        return events

    def _sourced(self, chunk: _Chunk, events: list[Event]) -> None:
        """Perplexity says its sources in each chunk."""
        for name, told in (("citations", chunk.citations), ("search_results", chunk.search_results)):
            if told and self._sources.get(name) != told:
                self._sources[name] = told
                events.append(Extension(name, told))

    def _beside(self, chunk: _Chunk, events: list[Event]) -> None:
        """What a chunk says of the whole answer."""
        if chunk.citations or chunk.search_results:
            self._sourced(chunk, events)
        if chunk.usage:
            events.append(usage(chunk.usage))
        elif chunk.x_groq or chunk.timings:
            events += beside(chunk.x_groq, chunk.timings, any(choice.finish_reason for choice in chunk.choices or ()))
        if chunk.prompt_progress:
            events.append(progress(chunk.prompt_progress))


def _not_json(data: bytes) -> Iterable[Event] | None:
    word = data.strip()
    if word == b"[DONE]":
        return [End()]
    return [] if not word or word == b"null" else None


def _choice(choice: _Choice, events: list[Event]) -> None:
    index = max(0, choice.index or 0)
    if choice.logprobs:
        events.append(Extension("logprobs", choice.logprobs, index))
    delta = choice.delta or choice.message
    if type(delta) is _Delta:
        _delta(delta, index, events)
    elif words := delta or choice.text:
        events.append(TextDelta(words, index))  # type: ignore[arg-type]
    if choice.messages:
        _messages(choice, index, events)
    if choice.usage:
        events.append(usage(choice.usage))
    raw = choice.finish_reason or _stop_reason(choice.stop_reason)
    if raw and (reason := canonical(raw)):
        events.append(Finish(reason, raw, index))
    elif index and type(delta) is _Delta and delta.role:
        events.append(Finish("", "", index))  # there is such a choice


def _delta(delta: _Delta, index: int, events: list[Event]) -> None:
    # vLLM and Nemotron send the same words under both names, OpenRouter under the first two
    if thoughts := delta.reasoning_content or delta.reasoning or delta.reasoning_text:
        events.append(ReasoningDelta(thoughts, index))
    elif parts := delta.reasoning_details or delta.reasoning_steps:
        events += [ReasoningDelta(words, index) for part in parts if (words := _detail(part))]
    if delta.content:
        content.read(delta.content, index, events)
    if delta.refusal:
        events.append(TextDelta(delta.refusal, index, True))
    for call in delta.tool_calls or ():
        function = call.function or _Function()
        events.append(
            ToolCallDelta(call.index, call.id or "", function.name or "", arguments(function.arguments), index)
        )
        if call.extra_content:
            place = -1 if call.index is None else call.index
            events.append(Extension("extra_content", call.extra_content, index, place))
    if delta.function_call and not delta.tool_calls:
        legacy = delta.function_call
        events.append(ToolCallDelta(0, "", legacy.name or "", arguments(legacy.arguments), index))
    if delta.audio:
        events.append(Extension("audio", delta.audio, index))
    if delta.images:
        events.append(Extension("images", delta.images, index))
    if delta.annotations:
        events.append(Extension("annotations", delta.annotations, index))
    if delta.extra_content:
        events.append(Extension("extra_content", delta.extra_content, index))


def _detail(part: Any) -> str:
    """Snowflake, some models of OpenRouter and Perplexity's steps say their reasoning here alone."""
    return pointers.text(part, "/text", "/summary", "/thinking", "/thought")


def _messages(choice: _Choice, index: int, events: list[Event]) -> None:
    """Azure "on your data" has messages in its choices, those of its tools too; MiniMax's old API says all again."""
    for message in choice.messages or ():
        delta = message.delta
        if delta is None:
            events += [TextDelta(message.text, index)] if message.text and not choice.finish_reason else []
        elif delta.role == "tool":
            events.append(Extension("tool", delta.content))
        elif delta.content != "[DONE]":
            _delta(delta, index, events)


def _stop_reason(said: Any) -> str:
    """DeepSeek on Bedrock calls it so; elsewhere it is the token or the words that stopped the model."""
    return said if isinstance(said, str) and known(said) else ""


def arguments(raw: msgspec.Raw) -> str:
    """Tool arguments as JSON text, whether they came as a string of JSON, an object, null or not at all."""
    text = bytes(raw)
    if text[:1] == b'"':
        return msgspec.json.decode(text, type=str)
    return "" if text in (b"", b"null") else text.decode("utf-8", "replace")


def error_frame(error: Error, so_far: SoFar) -> bytes:
    body = {
        "id": so_far.text("id", so_far.id),
        "object": so_far.text("object", "chat.completion.chunk"),
        "created": so_far.number("created", so_far.created),
        "model": so_far.text("model", so_far.model),
        "choices": [],
        "error": {"message": error.message, "type": error.type or error.outcome, "param": None, "code": error.code},
    }
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
