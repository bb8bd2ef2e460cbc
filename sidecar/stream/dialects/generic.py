"""The last guess: a stream of no dialect that we know, read by the names that most of them give to things.

What an event is called, or what the objects around the text say that they are, tells errors, ends, pings, reasoning and
status from text. A known dialect may stand inside an object.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import dialects, failure, names, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.dialects.homemade import status
from sidecar.stream.events import (
    CONTENT,
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
    TextSnapshot,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.names import Names, Path
from sidecar.stream.reasons import canonical

PING = b": ping\n\n"

_LAST = "(?:done|end|ended|complete|completed|finish|finished|close|closed|stop|stopped|eof|final)"
_END = re.compile(rf"(?:(?:stream|message|chat|run|response|generation|conversation|session)_)?{_LAST}(?:_stream)?")
_OVER = re.compile(rf"(?:\w+_)?{_LAST}")
_PING = re.compile(r"ping|pong|heart_?beat|keep_?alive|noop")
_FAILED = re.compile(r"(?:\w+_)?(?:error|failed|failure|exception)(?:_message)?")
_THOUGHT = re.compile(r"(?:\w*_)?(?:reason|think|thought)\w*")
_PIECE = re.compile(r"(?:\w+_)?(?:token|text|delta|chunk|answer|add|partial|stream)(?:_\w+)?")
_OTHERS = re.compile(
    r"(?:human|user|system|tool|function)(?:_message)?(?:_chunk)?|on_(?!chat_model_s|llm_s|llm_new)\w+"
)
_STATUS = re.compile(
    r"(?:\w+_)?(?:status|progress|info|started|start|begin|created|queued|init|step|loading|connect\w*|open\w*|ready|ack"
    r"|welcome|session)(?:_\w+)?"
)
_ASIDE = re.compile(
    r"(?:\w+_)?(?:question|input|verbose|follow|source|document|citation|reference|metadata|meta|title|suggest|suggested"
    r"|log|trace|debug|tool|node|chain|retriever|usage)s?(?:_\w+)?"
)
_WRAPS = ("data", "event", "payload", "chunk", "response", "result", "body")
_KNOWN = dialects.ORDER[: -len(dialects.GUESSES)]
_ARGUMENTS = ("/function/arguments", "/arguments", "/args", "/input")


def matches(frame: Frame, said: Any) -> bool:
    """Only what says something by a name that we know."""
    if _is(_END, frame.name) or _is(_PING, frame.name):
        return True
    events = decoder()(frame) if isinstance(said, dict | list) else None
    return any(not isinstance(event, Start | Status | Extension) for event in events or ())


def decoder() -> Decode:
    return _Decoder().decode


def is_end(name: str) -> bool:
    """Whether an event that is called so is the end of its stream."""
    return _is(_END, name)


def beside(events: Iterable[Event]) -> list[Event] | None:
    """What a frame may add to a stream of another dialect: no words, and not the end; None where it has words."""
    kept = [Finish("stop") if isinstance(event, End) else event for event in events]
    return None if any(isinstance(event, CONTENT) for event in kept) else kept


def is_body(frame: Frame) -> bool:
    """Whether this, alone, is an answer that was not streamed: JSON that does not say that more follows."""
    said = _read(frame.data or b"") if frame.raw.lstrip()[:1] in (b"{", b"[") else None
    return isinstance(said, dict) and not any(said.get(key) is False for key in names.DONE)


def _is(words: re.Pattern[str], name: str) -> bool:
    return bool(name) and words.fullmatch(names.snake(name)) is not None


def _any(words: re.Pattern[str], tags: Names) -> bool:
    return any(words.fullmatch(tag) for tag in tags)


class _Decoder:
    def __init__(self) -> None:
        self._inside: dict[str, Decode] = {}  # the dialects that stand inside
        self._holders: dict[Names, tuple[str, str]] = {}  # keys -> where a dialect stands, and its name
        self._paths: dict[Any, Path] = {}  # name and outline of frames that are text and nothing else -> where
        self._named = False
        self._spoken = ""
        self._pieces = 0
        self._cumulative = False
        self._where: Path = ()  # where the text was

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = (frame.data or b"").strip()
        if data in (b"[DONE]", b'"[DONE]"'):
            return [End()]
        if data[:1] not in (b"{", b"["):
            return [End()] if _is(_END, frame.name) else [] if _is(_PING, frame.name) else None
        data = names.snaked(data)
        said = msgspec.json.decode(data)
        name = names.snake(frame.name) if frame.name else ""
        return self._list(said, name) if isinstance(said, list) else self._object(said, name, data)

    def _list(self, said: list[Any], name: str) -> Iterable[Event] | None:
        """LangGraph sends a message and its metadata; Gradio the text so far."""
        if said and isinstance(said[0], str) and name:
            return [TextSnapshot(said[0]), *([End()] if _is(_END, name) else ())]
        if said and isinstance(said[0], dict) and (not name or name.startswith(("message", "data", "chunk"))):
            return self._object(said[0], name)
        return None

    def _object(self, said: dict[str, Any], name: str, data: bytes = b"") -> Iterable[Event] | None:
        outline = (name, names.outline(said))
        path = self._paths.get(outline)
        words = names.at(said, path) if path else None
        if isinstance(words, str):
            return self._piece(words)
        events = self._wrapped(said, data)
        if events is None:
            events = list(self._said(said, name))
            if not events and not any(key in layer for layer in names.layers(said) for key in _NAMES):
                return None
            text_alone = self._pieces > 1 and len(events) == 1 and type(events[0]) is TextDelta
            if text_alone and len(self._paths) < 64:
                self._paths[outline] = self._where
        return events

    def _wrapped(self, said: dict[str, Any], data: bytes) -> list[Event] | None:
        """The events of a dialect that stands inside, as an object or as its JSON text."""
        keys = (*said, *(key for wrap in _WRAPS if isinstance(said.get(wrap), dict) for key in said[wrap]))
        key, name = self._holders.get(keys) or self._holder(said)
        if len(self._holders) < 64:
            self._holders[keys] = key, name
        if not name:
            return None
        decode = self._inside.setdefault(name, dialects.load(name).decoder())
        inside = msgspec.json.encode(_unwrapped(said, key)) if key or not data else data
        events = list(decode(Frame(inside, b"")) or ())
        for event in events:
            if type(event) is TextDelta:
                self._pieces += 1
                self._spoken += event.text
        return [*events, *([End()] if key and _done(said) else ())]

    def _holder(self, said: dict[str, Any]) -> tuple[str, str]:
        for key in ("", *_WRAPS):
            inside = _unwrapped(said, key)
            name = dialects.recognise(Frame(b"", b""), inside, _KNOWN) if isinstance(inside, dict) else ""
            if name:
                return key, name
        return "", ""

    def _said(self, said: dict[str, Any], name: str) -> Iterable[Event]:
        words, around, self._where = names.text(said)
        tags = tuple(filter(None, (name, *(around or names.tags(said)))))
        if _any(_PING, tags):
            return
        failed = _any(_FAILED, tags) or _is(_FAILED, pointers.text(said, "/status"))
        if error := failure.find(said, words, failed):
            yield error
            return
        if not words:
            own = tuple(key for key in said if names.LIKE_TEXT.fullmatch(key))
            words, around, self._where = names.text(said, (*own, *names.WEAK))
        model = "" if self._named else pointers.text(said, "/model", "/model_name", "/model_id")
        if model:
            self._named = True
            yield Start(model, pointers.text(said, "/id", "/message_id", "/request_id"))
        if thoughts := names.reasoning(said):
            yield ReasoningDelta(thoughts)
        if words and words != thoughts:
            yield from self._text(words, tags, names.first(said, ("role",)))
        elif isinstance(said.get("status"), str) and (message := pointers.text(said, "/message")):
            yield status(message, {})
        yield from _calls(said)
        if counts := names.usage(said):
            yield msgspec.convert(counts, Usage)
        yield from _last(said, name)

    def _text(self, words: str, tags: Names, role: Any = None) -> Iterable[Event]:
        if words == "[DONE]":
            return []
        if self._pieces and _any(_OVER, tags):
            # the whole answer again, or a farewell: not text, and not lost
            return [] if words == self._spoken else [Extension("final", words)]
        if _any(_THOUGHT, tags):
            return [ReasoningDelta(words)]
        if role in ("user", "system", "tool", "human") or _any(_OTHERS, tags):
            return [Extension(" ".join(tags) or str(role), words)]
        if _any(_PIECE, tags):
            return self._piece(words)
        if _any(_STATUS, tags):
            return [status(words, {})]
        return [Extension(" ".join(tags), words)] if _any(_ASIDE, tags) else self._piece(words)

    def _piece(self, words: str) -> Iterable[Event]:
        """The second piece shows whether they are cumulative: no word begins with the whole word before it."""
        if self._pieces > 1 and len(words) > 3 and words == self._spoken:
            return []  # the whole answer again
        self._pieces += 1
        if self._pieces == 2:
            grown = words.startswith(self._spoken) and len(words) > len(self._spoken)
            self._cumulative = grown and len(self._spoken.strip()) > 1 and self._spoken[-1].isalnum()
        if self._cumulative:
            words, self._spoken = words.removeprefix(self._spoken), words
            return [TextDelta(words)] if words else []
        if len(self._spoken) < 1 << 20:
            self._spoken += words
        return [TextDelta(words)]


_NAMES = (*names.TEXT, *names.WEAK, *names.REASONING, *names.CALLS, *names.FINISH, *names.DONE)


def _calls(said: dict[str, Any]) -> Iterable[Event]:
    found = names.first(said, names.CALLS)
    for call in found if isinstance(found, list) else (found,) if isinstance(found, dict) else ():
        given = next((value for at in _ARGUMENTS if (value := pointers.at(call, at)) is not None), None)
        text = given if isinstance(given, str) else msgspec.json.encode(given).decode() if given else ""
        index, name = pointers.count(call, "/index"), pointers.text(call, "/function/name", "/name")
        yield ToolCallDelta(index, pointers.text(call, "/id", "/tool_call_id"), name, text)
        if not isinstance(given, str):
            yield ToolCallEnd(index)


def _last(said: dict[str, Any], name: str) -> Iterable[Event]:
    raw = names.first(said, names.FINISH)
    raw = pointers.text(raw, "/type", "/reason") if isinstance(raw, dict) else raw
    if isinstance(raw, str) and raw.lower() not in names.UNFINISHED:
        yield Finish(canonical(raw), raw)
    if _done(said) or _any(_END, (name, *names.tags(said)[:1])) or _is(_END, pointers.text(said, "/status")):
        yield End()


def _done(said: dict[str, Any]) -> bool:
    return any(layer.get(key) is True for layer in names.layers(said, 3) for key in names.DONE)


def _unwrapped(said: dict[str, Any], key: str) -> Any:
    inside = said.get(key) if key else said
    return _read(inside) if isinstance(inside, str) and inside[:1] == "{" else inside


def _read(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def error_frame(error: Error) -> bytes:
    return b"data: " + msgspec.json.encode({"error": error.message}) + b"\n\n"
