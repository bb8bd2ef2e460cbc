"""The state machine over a dialect: bytes in, events and frames out.

Promises: one `Start`, first; one last word, `End` or `Error`; nothing after it. Silence is never an end. The
answer does not depend on how the bytes were cut. Unknown frames become `Extension`; no input raises.
"""

import json
import math
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from sidecar.stream import dialects, failure
from sidecar.stream.dialects import Decode, generic
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import SSE, Frame, Framing, Text
from sidecar.stream.shapes import Shape, shaped
from sidecar.stream.sniff import Sniff
from sidecar.stream.think import Thinking
from sidecar.stream.toolcalls import MAX_ARGUMENTS, Parse, ToolCalls

Parsed = tuple[list[Event], list[Frame]]


class StreamParser:
    """One answer. `dialect` is a name or `auto`; `event_stream` what the content type says, a hint only; `shape` the
    description of a dialect without code; `think` splits reasoning off where it is written into the text.

    `dialect` becomes the recognised name; `done` is True after the last word; `finished` when every choice said
    why it finished, so that nothing but bookkeeping is missing; `finish_reason` is choice 0's.
    """

    def __init__(
        self,
        dialect: str = "auto",
        event_stream: bool = False,
        parse: Parse = msgspec.json.decode,
        shape: Shape | None = None,
        think: bool = False,
    ) -> None:
        dialect = "custom" if shape else dialect
        self._auto = dialect in ("auto", "homemade")  # the home-made formats alternate, so nothing is ruled out
        self.dialect = "auto" if self._auto else dialect
        self.done = False
        self.finish_reason = ""
        self.unknown_frames = 0
        self._parse = parse
        self._framing = _framing(dialect, event_stream, self._auto)
        self._decoders: dict[str, Decode] = {}  # those that a frame was recognised by
        self._decode: Decode = _decoder(dialect, shape, self._auto)
        self._thinking: dict[int, Thinking] | None = {} if think else None
        self._started = False
        self._plain = False  # the last frame was plain text
        self._quoted = False  # plain text comes as JSON strings
        self._null = ""  # a first `null`, a word only if the next frame is text too
        self._finished: dict[int, bool] = {}  # choice -> it said why it finished
        self._tool_calls: dict[int, ToolCalls] = {}
        self._snapshots: dict[int, str] = {}
        self._incremental: set[int] = set()
        self._usage = Usage()
        self._event_id = False  # an `id:` field was seen

    @property
    def finished(self) -> bool:
        return bool(self._finished) and all(self._finished.values())

    @property
    def has_ids(self) -> bool:
        """Whether frames carried an SSE `id:`, after which some clients take an empty block for an event."""
        return self._event_id

    def feed(self, chunk: bytes) -> Parsed:
        """The events and frames that this chunk completes."""
        frames = self._framing.feed(chunk)
        events: list[Event] = []
        for frame in frames:
            if frame.data is not None or frame.fault or frame.name:
                self._frame(frame, events)
        return events, frames

    def eof(self, clean: bool = True) -> Parsed:
        """The body is over; `clean` is False when the connection broke before the body's own end."""
        events: list[Event] = []
        alone = not self._started  # whether the rest is one document, and nothing else
        frames = self._framing.eof()
        for frame in frames:
            cut = frame.partial and frame.data is not None and not _complete(frame.data)
            clean = clean and not cut
            if (frame.data is not None and not cut) or frame.fault:
                self._frame(frame, events)
                # a JSON answer that was not streamed is whole, unless it says that more follows
                self._plain = self._plain or (alone and bool(self._finished) and generic.is_body(frame))
        if self._null and not self.done:
            self.dialect, self._plain = "text", True
            self._emit(TextDelta(self._null), events)
        if not self.done:
            self._close(clean, events)
        return events, frames

    def _close(self, clean: bool, events: list[Event]) -> None:
        if self.finished or (clean and (self._plain or (self._started and dialects.ends_open(self.dialect)))):
            self._emit(End(), events)
        elif self._started or not clean:
            self._emit(Error("truncated", "the backend's answer broke off before its end"), events)
        else:
            self._emit(Error("truncated", "the backend's answer was empty"), events)

    def _frame(self, frame: Frame, events: list[Event]) -> None:
        if self.done:
            return
        if frame.fault:
            self._emit(Error("malformed", f"the backend sent {frame.fault}"), events)
            return
        self._event_id = self._event_id or bool(frame.id)
        said = None if frame.data is None else _understood(self._decode, frame)
        if said is None:
            said = self._recognise(frame)
        else:
            self._plain = self.dialect == "text"
        for event in said:
            if self.done:
                return
            if type(event) is TextDelta and self._started and self._thinking is None:
                self._finished.setdefault(event.choice, False)
                events.append(event)
            else:
                self._emit(event, events)

    def _recognise(self, frame: Frame) -> Iterable[Event]:
        """The frame is not the current dialect's: it may be another's, where that was left open."""
        data = frame.data or b""
        guess = self.dialect in dialects.GUESSES
        if not data and frame.name == "error":
            return (failure.read(""),)
        if not data:
            ended = self._started and generic.is_end(frame.name)
            return (End() if guess else Finish("stop"),) if ended else ()
        self._plain = False
        said = _read(data)
        if frame.name == "error" and self.dialect not in ("auto", "text"):
            # every dialect may fail so, whatever else its events are called
            return (failure.read(data.decode("utf-8", "replace") if said is None else said),)
        plain = isinstance(self._framing, Sniff) and isinstance(self._framing.chosen, Text)
        name = "text" if plain else dialects.recognise(frame, said) if self._auto else ""
        if name == "text" and not plain and isinstance(said, str) and (self._quoted or self.dialect != "text"):
            # text that comes as JSON strings does so from its first word; in quotes among plain words it is plain
            self._quoted = True
            frame = Frame(said.encode(), frame.raw, frame.name)
            said = _read(said.encode())
            name = dialects.recognise(frame, said)
        if name == "text" and not plain and data == b"null" and not self._null and self.dialect == "auto":
            self._null = "null"  # llama.cpp's first event where it answers several prompts
            return ()
        if name:
            decode = self._decoders.setdefault(name, dialects.load(name).decoder())
            events = _understood(decode, frame)
            if events is not None and name == "generic" and not guess and self.dialect != "auto":
                events = generic.beside(events)
            if events is not None:
                # one plain line between JSON frames does not make the rest plain, nor a guess the rest guessed
                self._plain = name == "text"
                known = self.dialect not in ("auto", "text")
                if (not self._plain or plain) and not (known and name == "generic"):
                    self._decode = decode
                if not known or name not in ("text", "generic"):
                    self.dialect = name
                if self._null and name == "text":
                    events = [TextDelta(self._null), *events]
                self._null = ""
                return events
        if not data.strip() or said == {}:
            return ()
        self.unknown_frames += 1
        value = data[:65536].decode("utf-8", "replace") if said is None else said
        return (Extension(frame.name or ("malformed" if said is None else "unknown"), value),)

    def _emit(self, event: Event, events: list[Event]) -> None:
        if type(event) is Start:
            if self._started:
                return
        elif not self._started:
            events.append(Start())
        self._started = True
        handle = _HANDLERS.get(type(event))
        if handle:
            handle(self, event, events)
        else:
            events.append(event)

    def _text(self, event: TextDelta | ReasoningDelta, events: list[Event]) -> None:
        self._finished.setdefault(event.choice, False)
        if self._thinking is None or type(event) is not TextDelta or event.refusal:
            events.append(event)
        else:
            thinking = self._thinking.setdefault(event.choice, Thinking())
            _thought(thinking.feed(event.text), event.choice, events)

    def _thought_all(self, events: list[Event], choice: int | None = None) -> None:
        """What was held back of a choice, or of all, because it might have become a tag."""
        for number, thinking in (self._thinking or {}).items():
            if choice in (None, number):
                _thought(thinking.flush(), number, events)

    def _snapshot(self, event: TextSnapshot, events: list[Event]) -> None:
        before = self._snapshots.get(event.choice, "")
        if event.text.startswith(before) and event.choice not in self._incremental:
            fresh = event.text[len(before) :]
        else:
            # a server told to send only what is new (SGLang, DashScope) sends frames of the same shape
            self._incremental.add(event.choice)
            fresh = event.text
        self._snapshots[event.choice] = event.text
        if fresh:
            self._text(TextDelta(fresh, event.choice), events)

    def _calls(self, choice: int) -> ToolCalls:
        return self._tool_calls.setdefault(choice, ToolCalls(choice, self._parse))

    def _tool_delta(self, event: ToolCallDelta, events: list[Event]) -> None:
        self._finished.setdefault(event.choice, False)
        events.append(self._calls(event.choice).delta(event))
        if sum(calls.bytes for calls in self._tool_calls.values()) > MAX_ARGUMENTS:
            self._error(Error("malformed", f"tool arguments of more than {MAX_ARGUMENTS} bytes"), events)

    def _tool_end(self, event: ToolCallEnd, events: list[Event]) -> None:
        events += self._calls(event.choice).end(event)

    def _use(self, event: Usage, events: list[Event]) -> None:
        # a count only grows: a zero after more than that is a field left empty (watsonx, Ollama)
        known = self._usage
        self._usage = Usage(
            _more(event.input_tokens, known.input_tokens),
            _more(event.output_tokens, known.output_tokens),
            _more(event.total_tokens, known.total_tokens),
            _more(event.cached_input_tokens, known.cached_input_tokens),
            _more(event.reasoning_tokens, known.reasoning_tokens),
            event.source,
        )
        events.append(self._usage)

    def _finish(self, event: Finish, events: list[Event]) -> None:
        if self._finished.get(event.choice):
            return
        self._thought_all(events, event.choice)
        self._finished[event.choice] = True
        events += self._calls(event.choice).end_all(cut=False)
        if event.reason == "stop" and self._calls(event.choice):
            # Gemini, Ollama and others say `stop` also when a tool was called
            event = Finish("tool_calls", event.raw, event.choice)
        if event.choice == 0:
            self.finish_reason = event.reason
        events.append(event)

    def _error(self, event: Error, events: list[Event]) -> None:
        self._thought_all(events)
        for calls in self._tool_calls.values():
            events += calls.end_all(cut=True)
        events.append(event)
        self.done = True

    def _end(self, event: End, events: list[Event]) -> None:
        for choice in [choice for choice, finished in (self._finished or {0: False}).items() if not finished]:
            # the dialect has no finish reason, or this backend never sends one
            self._finish(Finish("stop", "", choice), events)
        for calls in self._tool_calls.values():  # that came after their choice had finished
            events += calls.end_all(cut=False)
        events.append(event)
        self.done = True


_HANDLERS: dict[type[Event], Callable[[StreamParser, Any, list[Event]], None]] = {
    TextDelta: StreamParser._text,
    ReasoningDelta: StreamParser._text,
    TextSnapshot: StreamParser._snapshot,
    ToolCallDelta: StreamParser._tool_delta,
    ToolCallEnd: StreamParser._tool_end,
    Usage: StreamParser._use,
    Finish: StreamParser._finish,
    Error: StreamParser._error,
    End: StreamParser._end,
}


def _framing(dialect: str, event_stream: bool, text: bool) -> Framing:
    if dialect == "text":  # any of it is text, JSON too, so nothing can be told from its first bytes
        return SSE() if event_stream else Text()
    return Sniff(event_stream, text)


def _decoder(dialect: str, shape: Shape | None, auto: bool) -> Decode:
    if shape:
        return shaped(shape)[1]()
    return _unknown if auto else dialects.load(dialect).decoder()


def _thought(told: list[tuple[bool, str]], choice: int, events: list[Event]) -> None:
    events += [ReasoningDelta(text, choice) if thoughts else TextDelta(text, choice) for thoughts, text in told]


def _more(new: int | None, known: int | None) -> int | None:
    return new or (new if known is None else known)


def _unknown(frame: Frame) -> None:
    """The decoder before any dialect is known: nobody's frame, but it must be readable."""
    if (frame.data or b"").lstrip()[:1] == b"{":
        msgspec.json.decode(frame.data or b"")


def _understood(decode: Decode, frame: Frame) -> Iterable[Event] | None:
    """What the dialect makes of the frame, mended if it must be; None where it is not the dialect's."""
    try:
        return decode(frame)
    except dialects.ODD:
        frame.data = _mended(frame.data or b"")
    try:
        return decode(frame)
    except dialects.ODD:
        return None


def _read(data: bytes) -> Any:
    """The JSON value; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None


def _mended(data: bytes) -> bytes:
    """The same JSON without what only some writers allow: bad UTF-8, half a surrogate pair, control characters,
    NaN and infinite numbers. The data as it was where that is not its fault."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=_null, parse_float=_finite)
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return data
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _null(constant: str) -> None:
    """Python's own JSON writer says NaN and -Infinity, which are none in JSON: logprobs hold them."""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _complete(data: bytes) -> bool:
    """Whether an unterminated rest says all it has to: `[DONE]`, or complete JSON."""
    return data.strip() in (b"[DONE]", b"null") or _read(data) is not None
