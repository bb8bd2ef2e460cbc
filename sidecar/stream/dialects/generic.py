"""The last guess: a stream of no dialect that we know, read by the names that most of them give to things.

What an event is called, or what the objects around the text say that they are, tells errors, ends, pings, reasoning and
status from text. A known dialect may stand inside an object.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import dialects, failure, kinds, names, parts, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.dialects.homemade import status
from sidecar.stream.events import (
    CONTENT,
    End,
    Error,
    Event,
    Extension,
    Finish,
    Start,
    Status,
    TextDelta,
    TextSnapshot,
    Usage,
)
from sidecar.stream.framing import Frame
from sidecar.stream.growth import Growth
from sidecar.stream.names import Names, Path
from sidecar.stream.sofar import SoFar
from sidecar.stream.spoken import Spoken

PING = b": ping\n\n"

_ROLES = ("user", "system", "tool", "human")
_LISTS = ("message", "data", "chunk", "values")
_WRAPS = ("data", "event", "payload", "chunk", "response", "result", "body")
_KNOWN = dialects.ORDER[: -len(dialects.GUESSES)]


def matches(frame: Frame, said: Any) -> bool:
    """Only what says something by a name that we know."""
    if kinds.named(kinds.END, frame.name) or kinds.named(kinds.PING, frame.name):
        return True
    events = decoder()(frame) if isinstance(said, dict | list) else None
    return any(not isinstance(event, Start | Status | Extension) for event in events or ())


def decoder() -> Decode:
    return _Decoder().decode


def is_end(name: str) -> bool:
    """Whether an event that is called so is the end of its stream."""
    return kinds.named(kinds.END, name)


def beside(events: Iterable[Event]) -> list[Event] | None:
    """What a frame may add to a stream of another dialect: no words, and not the end; None where it has words."""
    kept = [Finish("stop") if isinstance(event, End) else event for event in events]
    return None if any(isinstance(event, (*CONTENT, TextSnapshot)) for event in kept) else kept


def is_body(frame: Frame) -> bool:
    """Whether this, alone, is an answer that was not streamed: JSON that does not say that more follows."""
    said = pointers.read(frame.data or b"") if frame.raw.lstrip()[:1] in (b"{", b"[") else None
    return isinstance(said, dict) and not any(said.get(key) is False for key in names.DONE)


class _Decoder:
    def __init__(self) -> None:
        self._inside: dict[str, Decode] = {}  # the dialects that stand inside
        self._holders: dict[Names, tuple[str, str, bool]] = {}  # keys -> which dialect stands where
        # name and outline of frames that are text and nothing else -> where, and what it is called that is not ours
        self._paths: dict[Any, tuple[Path, str]] = {}
        self._named = False
        self._spoken = Spoken()
        self._thoughts = Growth(False)
        self._partial = False
        self._where: Path = ()  # where the text was

    def decode(self, frame: Frame) -> Iterable[Event] | None:
        data = (frame.data or b"").strip()
        if data in (b"[DONE]", b'"[DONE]"'):
            return [End()]
        if data[:1] not in (b"{", b"["):
            return (
                [End()] if kinds.named(kinds.END, frame.name) else [] if kinds.named(kinds.PING, frame.name) else None
            )
        said = msgspec.json.decode(names.snaked(data))
        name = names.snake(frame.name) if frame.name else ""
        return self._list(said, name) if isinstance(said, list) else self._object(said, name, data)

    def _list(self, said: list[Any], name: str) -> Iterable[Event] | None:
        """LangGraph sends a message and its metadata."""
        said = [said[-1]] if name == "values" else said
        if said and isinstance(said[0], dict) and (not name or name.startswith(_LISTS)):
            return self._object(said[0], name)
        return None

    def _object(self, said: dict[str, Any], name: str, data: bytes = b"") -> Iterable[Event] | None:
        outline = (name, names.outline(said))
        path, aside = self._paths.get(outline, ((), ""))
        words = names.at(said, path) if path else None
        if isinstance(words, str) and words:
            return [Extension(aside, words)] if aside else self._spoken.piece(words, name, path)
        events = self._of_langchain(said, name) or self._wrapped(said, data)
        if events is None:
            events = list(self._said(said, name))
            if not events and not any(key in layer for layer in names.layers(said) for key in _NAMES):
                return None
            alone = events[0] if self._spoken.pieces > 1 and len(events) == 1 and len(self._paths) < 64 else None
            text = type(alone) is TextDelta or (type(alone) is TextSnapshot and not alone.reasoning)
            if text or (type(alone) is Extension and isinstance(alone.value, str)):
                self._paths[outline] = self._where, alone.name if type(alone) is Extension else ""
        return events

    def _wrapped(self, said: dict[str, Any], data: bytes) -> list[Event] | None:
        """The events of a dialect that stands inside, as an object or as its JSON text."""
        keys = (*said, *(key for wrap in _WRAPS if isinstance(said.get(wrap), dict) for key in said[wrap]))
        held = self._holders.get(keys) or self._holder(said, data)
        if len(self._holders) < 64:
            self._holders[keys] = held
        key, name, as_it_is = held
        if not name:
            return None
        decode = self._inside.setdefault(name, dialects.load(name).decoder())
        inside = _unwrapped(msgspec.json.decode(data) if as_it_is else said, key)
        try:
            events = list(decode(Frame(msgspec.json.encode(inside), b"")) or ())
        except dialects.ODD:
            return None
        if not events and (error := failure.find(said, "", False)):
            return [error]
        for event in events:
            if type(event) is TextDelta:
                self._spoken.add(event.text)
        return [*events, *([End()] if key and any(said.get(word) is True for word in names.DONE) else ())]

    def _holder(self, said: dict[str, Any], data: bytes) -> tuple[str, str, bool]:
        """Where a dialect stands, its name, and whether its keys are as they came, not in snake_case."""
        forms = [(msgspec.json.decode(data), True), (said, False)] if data else [(said, False)]
        for form, as_it_is in forms:
            for key in _WRAPS if as_it_is else ("", *_WRAPS):  # as it is the whole was asked about before
                inside = _unwrapped(form, key)
                name = dialects.recognise(Frame(b"", b""), inside, _KNOWN) if isinstance(inside, dict) else ""
                if name:
                    return key, name, as_it_is
        return "", "", False

    def _of_langchain(self, said: dict[str, Any], name: str) -> list[Event] | None:
        """LangGraph's `updates` and `values` hold messages, a LangServe log patches what was streamed."""
        inside: Any = None
        if name == "updates" and len(said) == 1:
            inside = next(iter(said.values()))
        elif isinstance(said.get("ops"), list):
            added = (op["value"] for op in said["ops"] if pointers.text(op, "/path").endswith("/streamed_output/-"))
            inside = next(added, None)
        elif name == "values":
            inside = said
        if isinstance(inside, str):
            return self._spoken.piece(inside, name, ())
        if not isinstance(inside, dict):
            return None
        messages = inside.get("messages")
        return list(self._said(messages[-1] if isinstance(messages, list) and messages else inside, ""))

    def _said(self, said: dict[str, Any], name: str) -> Iterable[Event]:
        words, around, self._where = names.text(said)
        tags = tuple(filter(None, (name, *(around or names.tags(said)))))
        if kinds.among(kinds.PING, tags):
            return
        failed = kinds.among(kinds.FAILED, tags) or kinds.named(kinds.FAILED, pointers.text(said, "/status"))
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
            yield self._thoughts.event(thoughts, 0, True)
        if said.get("partial") is True:
            self._partial = True
        elif self._partial and words == self._spoken.text:
            words = ""  # the Agent Development Kit tells each part again as a whole
        if words and words != thoughts:
            if not self._spoken.pieces:
                self._spoken.presume(_is_so_far(said))
            yield from self._text(words, name, tags, parts.role(said))
        elif any(isinstance(said.get(key), str) for key in ("b64_json", "audio")):
            yield Extension(" ".join(dict.fromkeys(tags)) or "media", said)
        elif isinstance(said.get("status"), str) and (message := pointers.text(said, "/message")):
            yield status(message, {})
        yield from parts.calls(said)
        if counts := names.usage(said):
            yield msgspec.convert(counts, Usage)
        yield from parts.last(said, name)

    def _text(self, words: str, name: str, tags: Names, role: str) -> Iterable[Event]:
        if words == "[DONE]":
            return []
        if self._spoken.pieces and kinds.among(kinds.OVER, tags):
            # the whole answer again, or a farewell: not text, and not lost
            told: list[Event] = [] if words == self._spoken.text else [Extension("final", words)]
            return [*told, Finish("stop")] if kinds.among(kinds.FINAL, tags) else told
        if kinds.among(kinds.THOUGHT, tags):
            return [self._thoughts.event(words, 0, True)]
        if role in _ROLES or kinds.among(kinds.OTHERS, tags):
            return [Extension(" ".join(tags) or role, words)]
        if not kinds.among(kinds.PIECE, tags):
            if kinds.among(kinds.STATUS, tags):
                return [status(words, {})]
            if kinds.among(kinds.ASIDE, tags):
                return [Extension(" ".join(tags), words)]
        return self._spoken.piece(words, name, self._where)


_NAMES = (*names.TEXT, *names.WEAK, *names.REASONING, *names.CALLS, *names.FINISH, *names.DONE)


def _is_so_far(said: dict[str, Any]) -> bool:
    """Whether this is RAGFlow's, Reka's or FastChat's, which say the whole text in each frame."""
    ragflow = "code" in said and pointers.at(said, "/data/answer") is not None
    reka = pointers.at(said, "/responses/0/chunk") is not None
    return ragflow or reka or ("error_code" in said and "text" in said)


def _unwrapped(said: dict[str, Any], key: str) -> Any:
    inside = said.get(key) if key else said
    return pointers.read(inside) if isinstance(inside, str) and inside[:1] == "{" else inside


def error_frame(error: Error, so_far: SoFar) -> bytes:
    return b"data: " + msgspec.json.encode({"error": error.message}) + b"\n\n"
