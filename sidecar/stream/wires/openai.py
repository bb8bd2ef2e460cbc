"""OpenAI's chunk format out of any dialect: a valid `chat.completion.chunk` stream, `[DONE]` only after success."""

from collections.abc import Callable
from typing import Any

import msgspec

from sidecar.stream.events import (
    End,
    Error,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.wires import EVENT_STREAM

_json = msgspec.json.Encoder().encode
_REASONS = {"length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}


class OpenAI:
    """The encoder of one stream. `created` is in seconds since the epoch; `usage` whether the client asked for it."""

    normalises = True
    event_stream = True
    at_boundary = True
    content_type: bytes | None = EVENT_STREAM
    dialect = "openai-chat"
    outcome = ""
    hides_usage = False
    bears_padding = True

    def __init__(self, stream: str, created: int, usage: bool = False) -> None:
        self._id = f"chatcmpl-{stream}"
        self._created = created
        self._wants_usage = usage
        self._prefix = b""
        self._spoken: set[int] = set()  # choices whose role was said
        self._arguments: dict[tuple[int, int], bool] = {}  # (choice, call) -> arguments were sent
        self._usage: Usage | None = None
        self._failed = ""  # the backend's word for an error that a choice finished with
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

    def failed(self, error: Error) -> bytes:
        return self.encode([error], [])

    def _begin(self, model: str) -> None:
        head = {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": model}
        self._prefix = b"data: " + _json(head)[:-1]

    def _chunk(self, choice: int, delta: bytes, reason: bytes = b"null") -> bytes:
        said = b'{"index":%d,"delta":%s,"logprobs":null,"finish_reason":%s}' % (choice, delta, reason)
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
        key = (event.choice, event.index or 0)
        # blanks and null mean an empty object, which the call's end says
        said = "" if not self._arguments.get(key) and event.arguments.strip() in ("", "null") else event.arguments
        function: dict[str, str] = {"arguments": said}
        call: dict[str, Any] = {"index": event.index, "function": function}
        if key not in self._arguments:
            call = {"index": event.index, "id": event.id, "type": "function"}
            call["function"] = {"name": event.name, **function}
        elif not said:
            return
        self._arguments[key] = self._arguments.get(key, False) or bool(said)
        self._delta(event.choice, b"tool_calls", _json([call]), out)

    def _tool_end(self, event: ToolCallEnd, out: list[bytes]) -> None:
        """Arguments that came only with the end, or that were left out where they are empty."""
        key = (event.choice, event.index or 0)
        if not self._arguments.get(key) and (event.arguments_text or not event.invalid):
            whole = event.arguments_text if event.arguments or event.invalid else "{}"
            self._tool_delta(ToolCallDelta(event.index, event.id, event.name, whole, event.choice), out)

    def _finish(self, event: Finish, out: list[bytes]) -> None:
        if event.reason == "error":
            self._failed = event.raw or event.reason
            return
        reason = _REASONS.get(event.reason, "stop")
        delta = b"{}" if event.choice in self._spoken else b'{"role":"assistant"}'
        out.append(self._chunk(event.choice, delta, b'"%s"' % reason.encode()))

    def _use(self, event: Usage, out: list[bytes]) -> None:
        self._usage = event

    def _error(self, event: Error, out: list[bytes]) -> None:
        body = {"message": event.message, "type": event.type or event.outcome, "param": None}
        body["code"] = event.code or None
        out.append(b"data: " + _json({"error": body}) + b"\n\n")

    def _end(self, event: End, out: list[bytes]) -> None:
        if self._failed:
            # the format has no such reason, and `[DONE]` would make it a success
            failed = Error("upstream_error", "the backend finished with an error", type=self._failed)
            self._error(failed, out)
            return
        if self._wants_usage and self._usage:
            out.append(b'%s,"choices":[],"usage":%s}\n\n' % (self._prefix, _json(_counts(self._usage))))
        out.append(b"data: [DONE]\n\n")


def _counts(usage: Usage) -> dict[str, Any]:
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    counts: dict[str, Any] = {"prompt_tokens": given, "completion_tokens": made}
    counts["total_tokens"] = usage.total_tokens if usage.total_tokens is not None else given + made
    if usage.cached_input_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_input_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return counts


_HANDLERS: dict[type[Event], Callable[[OpenAI, Any, list[bytes]], None]] = {
    Start: OpenAI._start,
    TextDelta: OpenAI._text,
    ReasoningDelta: OpenAI._reasoning,
    ToolCallDelta: OpenAI._tool_delta,
    ToolCallEnd: OpenAI._tool_end,
    Finish: OpenAI._finish,
    Usage: OpenAI._use,
    Error: OpenAI._error,
    End: OpenAI._end,
}
