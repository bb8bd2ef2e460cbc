"""The state machine over a dialect: bytes in, events and frames out.

Promises: one `Start`, first; one last word, `End` or `Error`; nothing after it. Silence is never an end. The
answer does not depend on how the bytes were cut. Unknown frames become `Extension`; no input raises.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from sidecar.stream import counts, dialects, pointers, snapshots
from sidecar.stream.choices import Choices
from sidecar.stream.depth import is_deep
from sidecar.stream.dialects import generic
from sidecar.stream.events import (
    CONTENT,
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
from sidecar.stream.finishes import Finishes
from sidecar.stream.framing import Frame
from sidecar.stream.reader import Reader
from sidecar.stream.refrain import Refrain
from sidecar.stream.said import PENDING
from sidecar.stream.shapes import Shape
from sidecar.stream.snapshots import Snapshots
from sidecar.stream.sniff import framing
from sidecar.stream.think import Thoughts
from sidecar.stream.toolcalls import MAX_ARGUMENTS, MAX_CALLS, Parse, ToolCalls

MAX_CHOICES = 128
"""Answers to one request, as many as OpenAI's API gives; beyond it the stream is malformed."""

Parsed = tuple[list[Event], list[Frame]]


class StreamParser:
    """One answer. `dialect` is a name or `auto`; `event_stream` what the content type says, a hint only; `shape` the
    description of a dialect without code; `think` splits reasoning off where it is written into the text; `max_frame`
    is the length of a frame in bytes beyond which it is not decoded, 0 for the usual one.

    `end` is what the clean end of a body means where the stream has no mark of its own: `auto`, nothing; `body`, the
    stream's end; `returned`, that its sender has said all it had, which may be half where the dialect has a mark and
    that is missing.

    `dialect` becomes the recognised name; `done` is True after the last word; `finished` when every choice said
    why it finished, so that nothing but bookkeeping is missing; `finish_reason` is choice 0's, known at the end. While
    it is `lenient`, a frame that cannot be read is no fault: the client gets its bytes.
    """

    def __init__(
        self,
        dialect: str = "auto",
        event_stream: bool = False,
        parse: Parse = msgspec.json.decode,
        shape: Shape | None = None,
        think: bool = False,
        max_frame: int = 0,
        end: str = "auto",
    ) -> None:
        dialect = "custom" if shape else dialect
        self.done = False
        self.finish_reason = ""
        self._parse = parse
        self.lenient = False
        self._framing = framing(dialect, event_stream)
        self._framing.limit = max_frame
        self._blind = False  # a frame was passed that could not be read
        self._reader = Reader(dialect, self._framing, shape)
        self._body_end = end
        self._thoughts = Thoughts() if think else None
        self._refrain = None if think else Refrain()
        self._heard: list[str] | None = None  # where the dialect wants the words that only the refrain was asked for
        self._started = False
        self._finishes = Finishes()
        self._finished = self._finishes.over
        self._choices: Choices | None = Choices()
        self._frame_began = 0  # in the events
        self._tool_calls: dict[int, ToolCalls] = {}
        self._snapshots: Snapshots | None = None
        self._direct = not think  # nothing waits that text must not overtake
        self._usage = Usage()
        self._event_id = False  # an `id:` field was seen

    @property
    def dialect(self) -> str:
        return self._reader.dialect

    @property
    def unknown_frames(self) -> int:
        return self._reader.unknown_frames

    @property
    def finished(self) -> bool:
        return self._finishes.all_over

    @property
    def has_ids(self) -> bool:
        """Whether frames carried an SSE `id:`, after which some clients take an empty block for an event."""
        return self._event_id

    def feed(self, chunk: bytes) -> Parsed:
        """The events and frames that this chunk completes."""
        refrain = self._refrain
        if refrain and refrain.known and not self.done and (heard := refrain.read(chunk)):
            if (words := self._heard) is not None:
                words.append(heard[0].text)
                if len(words) >= PENDING:
                    refrain.known = False  # so that the dialect reads a frame, and takes them
            return [heard[0]], [heard[1]]
        frames = self._framing.feed(chunk)
        events: list[Event] = []
        for frame in frames:
            if frame.data is not None or frame.fault or frame.name:
                self._frame(frame, events)
        if refrain and self.dialect != "auto":
            keys = dialects.refrain(self.dialect)
            if keys is not None:
                refrain.learn(chunk, frames, events, keys)
                self._heard = self._reader.heard
            if keys is None or refrain.hopeless:
                self._refrain = None
        return events, frames

    def eof(self, clean: bool = True) -> Parsed:
        """The body is over; `clean` is False when the connection broke before the body's own end."""
        events: list[Event] = []
        alone = not self._started  # whether the rest is one document, and nothing else
        frames = self._framing.eof()
        for frame in frames:
            cut = frame.partial and frame.data is not None and not _complete(frame.data)
            clean = clean and not cut
            if (frame.data is not None and not cut) or frame.fault or (frame.name and not frame.partial):
                self._frame(frame, events)
                # a JSON answer that was not streamed is whole, unless it says that more follows
                self._reader.plain |= alone and bool(self._finished) and generic.is_body(frame)
        if not self.done:
            self._frame_began = len(events)
            for event in (*(self._choices.rest() if self._choices else ()), *self._reader.rest()):
                self._emit(event, events)
            self._close(clean, events)
        return events, frames

    def _close(self, clean: bool, events: list[Event]) -> None:
        told = self.finished and (clean or not self._finishes.early)
        if told or (clean and self._ends_with_its_body()):
            self._emit(End(), events)
        else:
            what = "broke off before its end" if self._started or not clean else "was empty"
            self._emit(Error("truncated", f"the backend's answer {what}"), events)

    def _ends_with_its_body(self) -> bool:
        """Whether the clean end of the body is that of the stream."""
        if self._body_end == "body" or self._reader.plain or self._blind:
            return True
        if self._body_end == "returned" and self.dialect in ("auto", *dialects.HOME_MADE):
            return True
        return self._started and dialects.ends_open(self.dialect)

    def _frame(self, frame: Frame, events: list[Event]) -> None:
        if self.done:
            return
        if frame.fault:
            self._blind = True
            if not self.lenient:
                self._emit(Error("malformed", f"the backend sent {frame.fault}"), events)
            return
        self._event_id = self._event_id or bool(frame.id)
        self._frame_began = len(events)
        said = self._reader.read(frame, self._started)
        if self._choices:
            said = self._choices.sort(said)
            self._choices = None if self._choices.settled else self._choices
        for event in said:
            if self.done:
                return
            if type(event) is TextDelta and self._finished.get(event.choice) is False and self._direct:
                events.append(event)
                continue
            if type(event) is Extension and is_deep(event.value):
                event = Extension(event.name, (frame.data or b"").decode("utf-8", "replace"), event.choice, event.call)
            self._emit(event, events)

    def _emit(self, event: Event, events: list[Event]) -> None:
        if type(event) is Start:
            if self._started:
                return
        elif not self._started:
            events.append(Start())
        self._started = True
        if self._snapshots and self._snapshots.wait and type(event) in _BEHIND:
            self._say(self._snapshots.rest(getattr(event, "choice", None)), events)
        handle = _HANDLERS.get(type(event))
        if not handle:
            events.append(event)
        elif len(self._finished) >= MAX_CHOICES and getattr(event, "choice", None) not in (None, *self._finished):
            self._malformed(f"more than {MAX_CHOICES} choices", events)
        else:
            handle(self, event, events)

    def _malformed(self, what: str, events: list[Event]) -> None:
        self._error(Error("malformed", what), events)

    def _text(self, event: TextDelta | ReasoningDelta, events: list[Event]) -> None:
        self._finishes.goes_on(event.choice)
        if not self._thoughts or type(event) is not TextDelta or event.refusal:
            events.append(event)
        else:
            events += self._thoughts.split(event)

    def _snapshot(self, event: TextSnapshot, events: list[Event]) -> None:
        self._snapshots = self._snapshots or Snapshots()
        self._say(self._snapshots.fresh(event), events)
        if self._snapshots.over:
            self._malformed(f"text so far of more than {snapshots.MAX_SNAPSHOTS} characters", events)

    def _say(self, deltas: snapshots.Deltas, events: list[Event]) -> None:
        for delta in deltas:
            self._text(delta, events)
        self._direct = not self._thoughts and not (self._snapshots and self._snapshots.wait)

    def _tool_delta(self, event: ToolCallDelta, events: list[Event]) -> None:
        if event.name or event.arguments.strip():
            self._finishes.goes_on(event.choice)
        calls = self._tool_calls.get(event.choice)
        if calls is None:
            calls = self._tool_calls[event.choice] = ToolCalls(event.choice, self._parse)
        events += calls.delta(event)
        if sum(calls.bytes for calls in self._tool_calls.values()) > MAX_ARGUMENTS:
            self._malformed(f"tool arguments of more than {MAX_ARGUMENTS} bytes", events)
        elif sum(map(len, self._tool_calls.values())) > MAX_CALLS:
            self._malformed(f"more than {MAX_CALLS} tool calls", events)

    def _tool_end(self, event: ToolCallEnd, events: list[Event]) -> None:
        calls = self._tool_calls.get(event.choice)
        events += calls.end(event) if calls is not None else ()

    def _use(self, event: Usage, events: list[Event]) -> None:
        self._usage = counts.merged(self._usage, event)
        events.append(self._usage)

    def _extend(self, event: Extension, events: list[Event]) -> None:
        if event.call is not None:
            calls = self._tool_calls.get(event.choice)
            number = calls.number(event.call) if calls else None
            event = Extension(event.name, event.value, event.choice, number)
        events.append(event)

    def _finish(self, event: Finish, events: list[Event]) -> None:
        here = events[self._frame_began :]
        self._finishes.said(event, any(isinstance(e, CONTENT) and e.choice == event.choice for e in here))

    def _finally(self, choice: int, events: list[Event]) -> None:
        """What a choice ends with."""
        event = self._finishes.of(choice)
        events += self._thoughts.rest(choice) if self._thoughts else []
        calls = self._tool_calls.get(choice)
        if calls is not None:
            events += calls.end_all(cut=False)
            if calls and event.reason == "stop":
                # Gemini, Ollama and others say `stop` also when a tool was called
                event = Finish("tool_calls", event.raw, choice)
        if choice == 0:
            self.finish_reason = event.reason
        events.append(event)

    def _error(self, event: Error, events: list[Event]) -> None:
        events += self._thoughts.rest() if self._thoughts else []
        for calls in self._tool_calls.values():
            events += calls.end_all(cut=True)
        events.append(event)
        self.done = True

    def _end(self, event: End, events: list[Event]) -> None:
        if failed := self._finishes.failure():
            self._error(failed, events)
            return
        for choice in sorted(self._finished) or (0,):
            self._finally(choice, events)
        events.append(event)
        self.done = True


_BEHIND = (*CONTENT, Error, End)
"""What comes behind all text that was said before it; a reason to finish may be said with each piece."""

_HANDLERS: dict[type[Event], Callable[[StreamParser, Any, list[Event]], None]] = {
    TextDelta: StreamParser._text,
    ReasoningDelta: StreamParser._text,
    TextSnapshot: StreamParser._snapshot,
    ToolCallDelta: StreamParser._tool_delta,
    ToolCallEnd: StreamParser._tool_end,
    Extension: StreamParser._extend,
    Usage: StreamParser._use,
    Finish: StreamParser._finish,
    Error: StreamParser._error,
    End: StreamParser._end,
}


def _complete(data: bytes) -> bool:
    """Whether an unterminated rest says all it has to: `[DONE]`, or complete JSON."""
    return data.strip() in (b"[DONE]", b"null") or pointers.read(data) is not None
