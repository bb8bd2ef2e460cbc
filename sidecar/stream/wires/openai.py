"""OpenAI's chunk format out of any dialect: a valid `chat.completion.chunk` stream, `[DONE]` only after success."""

from collections.abc import Callable
from typing import Any

import msgspec

from sidecar.stream import lines
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
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.wires import EVENT_STREAM, NO_START

_FIELDS = ("audio", "images", "annotations", "extra_content")
_BESIDE = ("citations", "search_results")
_json = lines.encoded
_REASONS = {"length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}


class _Token(msgspec.Struct):
    token: str
    logprob: float


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None
    refusal: list[_Token] | None = None


class OpenAI:
    """The encoder of one stream. `created` is in seconds since the epoch; `usage` whether the client asked for it."""

    normalises = True
    event_stream = True
    at_boundary = True
    content_type: bytes | None = EVENT_STREAM
    dialect = "openai-chat"
    outcome = ""
    hides_usage = False
    error_ends = False
    bears_padding = True

    def __init__(self, stream: str, created: int, usage: bool = False) -> None:
        self._id = f"chatcmpl-{stream}"
        self._created = created
        self._wants_usage = usage
        self._prefix = b""
        self._spoken: set[int] = set()  # choices whose role was said
        self._calls: dict[tuple[int, int], str] = {}  # (choice, call) -> as much of its name as was sent
        self._logprobs: dict[int, bytes] = {}  # choice -> those of the words that follow
        self._usage: Usage | None = None
        self._begin("")

    def encode(self, events: list[Event], frames: list[Frame]) -> bytes:
        """The chunks for these events."""
        out: list[bytes] = []
        for event in events:
            if handle := _HANDLERS.get(type(event)):
                handle(self, event, out)
        return b"".join(out)

    def opening(self) -> bytes:
        return self.ping()

    def ping(self, shape: str = "auto", after_id: bool = False) -> bytes:
        """A chunk that says nothing, which every reader of the format knows; a comment is an event to some."""
        if shape == "comment":
            return b": ping\n\n"
        return b": ping\n" if shape == "comment-no-blank" else self._chunk(0, b"{}")

    def failed(self, error: Error, start: Start = NO_START) -> bytes:
        """The error, and the beginning of a comment that never ends: readers pass over it, and the stream is unfinished
        also where a proxy makes a good end of the broken body."""
        return self.encode([error], []) + b":"

    def _begin(self, model: str) -> None:
        head = {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": model}
        self._prefix = b"data: " + _json(head)[:-1]

    def _chunk(self, choice: int, delta: bytes, reason: bytes = b"null") -> bytes:
        logprobs = self._logprobs.pop(choice, b"null") if self._logprobs else b"null"
        said = b'{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":%s}' % (choice, delta, logprobs, reason)
        return b'%s,"choices":[%s]}\n\n' % (self._prefix, said)

    def _delta(self, choice: int, name: bytes, value: bytes, out: list[bytes]) -> None:
        role = b""
        if choice not in self._spoken:
            self._spoken.add(choice)
            role = b'"role":"assistant",'
        out.append(self._chunk(choice, b'{%s"%s":%s}' % (role, name, value)))

    def _start(self, event: Start, out: list[bytes]) -> None:
        self._begin(event.model)

    def _text(self, event: TextDelta, out: list[bytes]) -> None:
        self._delta(event.choice, b"refusal" if event.refusal else b"content", _json(event.text), out)

    def _reasoning(self, event: ReasoningDelta, out: list[bytes]) -> None:
        self._delta(event.choice, b"reasoning_content", _json(event.text), out)

    def _tool_delta(self, event: ToolCallDelta, out: list[bytes]) -> None:
        """Each part when it is known: readers append what comes to what they have."""
        if not event.id:
            return
        key = (event.choice, event.index or 0)
        known = self._calls.get(key)
        call: dict[str, Any] = {"index": event.index}
        function = {"arguments": event.arguments}
        if known is None:
            call |= {"id": event.id, "type": "function"}
        elif known == event.name and not event.arguments:
            return
        if known != event.name:
            function = {"name": event.name[len(known or "") :], **function}
            self._calls[key] = event.name
        self._delta(event.choice, b"tool_calls", _json([call | {"function": function}]), out)

    def _extension(self, event: Extension, out: list[bytes]) -> None:
        """What has a field of its own in the format, or in that of many who speak it."""
        if event.name == "logprobs":
            if _are_logprobs(event.value):
                self._logprobs[event.choice] = _json(event.value)
        elif event.name == "extra_content" and event.call is not None:
            call = {"index": event.call, "function": {"arguments": ""}, "extra_content": event.value}
            self._delta(event.choice, b"tool_calls", _json([call]), out)
        elif event.name in _FIELDS:
            self._delta(event.choice, event.name.encode(), _json(event.value), out)
        elif event.name in _BESIDE:
            out.append(b'%s,"choices":[],"%s":%s}\n\n' % (self._prefix, event.name.encode(), _json(event.value)))

    def _finish(self, event: Finish, out: list[bytes]) -> None:
        reason = _REASONS.get(event.reason, "stop")
        delta = b"{}" if event.choice in self._spoken else b'{"role":"assistant"}'
        out.append(self._chunk(event.choice, delta, b'"%s"' % reason.encode()))

    def _use(self, event: Usage, out: list[bytes]) -> None:
        self._usage = event

    def _error(self, event: Error, out: list[bytes]) -> None:
        body = {"message": event.message, "type": event.type or event.outcome, "param": None}
        body["code"] = event.code or None
        # async-openai takes nothing for a chunk that has no id and choices
        out.append(b'%s,"choices":[],"error":%s}\n\n' % (self._prefix, _json(body)))

    def _end(self, event: End, out: list[bytes]) -> None:
        for choice in tuple(self._logprobs):
            out.append(self._chunk(choice, b"{}"))
        if self._wants_usage and self._usage and (counts := _counts(self._usage)):
            out.append(b'%s,"choices":[],"usage":%s}\n\n' % (self._prefix, _json(counts)))
        out.append(b"data: [DONE]\n\n")


def _are_logprobs(said: Any) -> bool:
    """Whether these are of this format; text completions have others."""
    try:
        known = msgspec.convert(said, _Logprobs)
    except msgspec.ValidationError:
        return False
    return known.content is not None or known.refusal is not None


def _counts(usage: Usage) -> dict[str, Any]:
    """In this format prompts contain what was cached, and completions what was thought; empty where nobody counted."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return {}
    read, written, thought = usage.cached_input_tokens, usage.cache_creation_input_tokens, usage.reasoning_tokens
    given = (usage.input_tokens or 0) + ((read or 0) + (written or 0) if usage.cache_apart else 0)
    made = usage.output_tokens or 0
    # xAI counts thoughts apart too, which only its total tells
    made += thought or 0 if usage.reasoning_apart or usage.total_tokens == given + made + (thought or 0) else 0
    total = given + made if usage.cache_apart or usage.total_tokens is None else usage.total_tokens
    counts: dict[str, Any] = {"prompt_tokens": given, "completion_tokens": made, "total_tokens": total}
    details = {"cached_tokens": read, "cache_write_tokens": written}
    if known := {name: count for name, count in details.items() if count is not None}:
        counts["prompt_tokens_details"] = known
    if thought is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": thought}
    return counts


_HANDLERS: dict[type[Event], Callable[[OpenAI, Any, list[bytes]], None]] = {
    Start: OpenAI._start,
    TextDelta: OpenAI._text,
    ReasoningDelta: OpenAI._reasoning,
    ToolCallDelta: OpenAI._tool_delta,
    Extension: OpenAI._extension,
    Finish: OpenAI._finish,
    Usage: OpenAI._use,
    Error: OpenAI._error,
    End: OpenAI._end,
}
