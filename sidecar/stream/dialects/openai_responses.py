"""OpenAI Responses and those who speak it (Azure, Bedrock Mantle, DeepSeek, vLLM, LM Studio, llama.cpp, xAI).

`event: response.x` + `data: {"type":"response.x"}`. `response.completed`, `.incomplete`, `.failed`, `.cancelled` and
`.done` end it; the error may be said twice. What deltas say is said again by what ends a text, a part, an item and the
answer, and on some servers only there (`said.py`, `requested.py`).
Wire: platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from sidecar.stream import failure, items, pointers
from sidecar.stream.dialects import Decode
from sidecar.stream.events import End, Error, Event, Extension, Finish, ReasoningDelta, Start, Status, TextDelta
from sidecar.stream.framing import Frame
from sidecar.stream.reasons import canonical
from sidecar.stream.requested import Item, Requested
from sidecar.stream.said import ANSWER, ITEM, PART, TEXT, Once, Said
from sidecar.stream.sofar import SoFar

PATHS = ("/responses", "/responses/*")
PING = b": ping\n\n"
REFRAIN = ("obfuscation", "sequence_number")

_BEGIN = ("response.created", "response.queued", "response.in_progress")
_ENDS = ("completed", "incomplete", "failed", "cancelled")
_FINAL = (*_ENDS, "done")
_DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning.summary",
    "response.function_call_arguments.delta": "function_call",
    "response.custom_tool_call_input.delta": "custom_tool_call",
}
_KEPT = ("response.image_generation_call.partial_image", "response.audio.delta", "response.audio.transcript.delta")


class _Said(msgspec.Struct, gc=False):
    type: str = ""
    delta: Any = None
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str = ""


_decode = msgspec.json.Decoder(_Said).decode


def matches(frame: Frame, said: Any) -> bool:
    if not isinstance(said, dict):
        return False
    kind = said.get("type") or frame.name
    return (isinstance(kind, str) and kind.startswith("response.")) or (
        said.get("object") == "response" and isinstance(said.get("output"), list)
    )


def decoder() -> Decode:
    return _Decoder()


class _Decoder:
    def __init__(self) -> None:
        self._said = Said()
        self._requested = Requested()
        self._once = Once()
        self._begun = self._resumed = False
        self.heard = self._said.heard

    def __call__(self, frame: Frame) -> Iterable[Event] | None:
        data = frame.data or b""
        if data.strip() == b"[DONE]":
            return [End()]
        said = _decode(data)
        if said.type == "response.output_text.delta" and self._begun and type(said.delta) is str and said.delta:
            self._said.add(("text", said.output_index, said.content_index), said.delta)
            return [TextDelta(said.delta)]  # nearly always: 0.7 us against 1.0
        # DashScope labels its events `response.x:HTTP_STATUS/200`
        kind = (said.type or frame.name).partition(":")[0]
        if not self._begun:
            self._begin(kind, data)
        if kind in _DELTAS and isinstance(said.delta, str):
            return list(self._delta(_DELTAS[kind], said, said.delta)) if said.delta else []
        events = self._rest(kind, msgspec.json.decode(data))
        return events if events is None else list(events)

    def _begin(self, kind: str, data: bytes) -> None:
        """A stream that is resumed in its middle says at the end what its client has from the first time."""
        self._begun = True
        said = pointers.read(data)
        first = kind in _BEGIN or (kind == "response.output_item.added" and not pointers.count(said, "/output_index"))
        self._resumed = self._said.lost = not first and (pointers.count(said, "/sequence_number") or 0) > 1

    def _delta(self, voice: str, said: _Said, words: str) -> Iterable[Event]:
        if voice in items.CALLS:
            free = voice == "custom_tool_call"
            return self._requested.delta(Item(said.output_index, said.item_id, arguments=words, free=free))
        second = said.content_index if said.summary_index is None else said.summary_index
        self._said.add((voice, said.output_index, second), words)
        return [_spoken(voice, words)]

    def _rest(self, kind: str, said: Any) -> Iterable[Event] | None:
        index = pointers.count(said, "/output_index")
        match kind:
            case "response.created" | "response.queued" | "response.in_progress":
                return [Start(pointers.text(said, "/response/model"), pointers.text(said, "/response/id"))]
            case "response.output_item.added":
                return self._added(said.get("item"), index)
            case "response.content_part.added" | "response.reasoning_summary_part.added":
                self._said.begin(index)
                return []
            case "response.output_item.done":
                return self._items([(index, said.get("item"))], ITEM)
            case "response.output_text.annotation.added":
                return self._annotations([said.get("annotation")])
            case "error" | "response.error":
                return [failure.read(said.get("error") or said)]
        start, _, last = kind.rpartition(".")
        if start == "response" and last in _FINAL:
            return self._final(said.get("response"), last)
        if last == "done" and (of := start.removeprefix("response.")):
            return self._done(of, said, index)
        if not kind and isinstance(said, dict) and said.get("error"):
            return [failure.read(said)]
        if not kind.startswith("response.") and kind != "keepalive":
            return self._body(said)
        return [Extension(kind, said)] if kind in _KEPT else []

    def _done(self, of: str, said: Any, index: int | None) -> Iterable[Event]:
        """The end of a text, of a part or of a call's arguments, each whole."""
        second = pointers.count(said, "/content_index", "/summary_index")
        if isinstance(part := said.get("part"), dict):
            return self._wholes([(index, second, part)], PART)
        voice = _DELTAS.get(f"response.{of}.delta", "")
        if voice in items.CALLS:
            words, name = pointers.text(said, "/arguments", "/input"), pointers.text(said, "/name")
            item = Item(index, pointers.text(said, "/item_id"), "", name, words, voice == "custom_tool_call")
            return self._requested.done(item)
        part = {"type": of, "text": pointers.text(said, "/text", "/refusal")}
        return self._wholes([(index, second, part)], TEXT) if voice else []

    def _added(self, item: Any, index: int | None) -> Iterable[Event]:
        self._said.begin(index)
        kind = items.kind_of(item)
        if kind in items.CALLS:
            said = items.call(item, index)
            # an item's own id stands for its call's only where that is never told
            return self._requested.added(said if pointers.text(item, "/call_id") else said._replace(id=""))
        if kind in ("message", "reasoning", ""):
            return []
        return [Status("server_tool", {"id": pointers.text(item, "/id"), "name": kind})]

    def _items(self, whole: list[tuple[int | None, Any]], level: int) -> Iterable[Event]:
        """Items that are whole, with their indexes."""
        yield from self._wholes([part for index, item in whole for part in items.parts(item, index)], level)
        for _, item in whole:
            yield from self._beside(item)
        calls = [items.call(item, index) for index, item in whole if items.kind_of(item) in items.CALLS]
        if level == ANSWER:
            yield from () if self._resumed else self._requested.answer(calls)
        else:
            yield from (event for call in calls for event in self._requested.item(call))

    def _wholes(self, parts: list[items.Place], level: int) -> Iterable[Event]:
        """What was not told of parts that are whole, and what stands beside their words."""
        voices = [items.VOICES.get(items.kind_of(part), "") for _, _, part in parts]
        known = [((v, at, nth), items.words(part)) for v, (at, nth, part) in zip(voices, parts, strict=True) if v]
        for (key, _), rest in zip(known, self._said.missing(known, level), strict=True):
            if rest:
                yield _spoken(key[0], rest)
        for voice, (_, _, part) in zip(voices, parts, strict=True):
            yield from self._annotations(pointers.at(part, "/annotations"))
            if not voice and items.kind_of(part) and self._once.new(part):
                yield Extension(items.kind_of(part), part)

    def _annotations(self, found: Any) -> Iterable[Event]:
        fresh = [items.cited(one) for one in (found if isinstance(found, list) else ()) if one and self._once.new(one)]
        return [Extension("annotations", fresh)] if fresh else []

    def _beside(self, item: Any) -> Iterable[Event]:
        """What an item has besides words and calls: images, what a tool of the backend did, sealed reasoning."""
        kind = items.kind_of(item)
        if kind in ("message", *items.CALLS):
            return
        if kind == "reasoning":
            sealed = pointers.text(item, "/encrypted_content")
            item = {"id": pointers.text(item, "/id"), "encrypted_content": sealed} if sealed else {}
            kind = "encrypted_content"
        if isinstance(item, dict) and item.keys() - {"id", "type", "status"} and self._once.new(item):
            yield Extension(kind, item)

    def _final(self, response: Any, word: str) -> Iterable[Event]:
        """The last word, which has the whole answer once more."""
        status = pointers.text(response, "/status")
        status = status if status in _ENDS and (status != "completed" or word == "done") else word
        output = pointers.at(response, "/output")
        yield from self._items(list(enumerate(output if isinstance(output, list) else ())), ANSWER)
        alone = "" if output else pointers.text(response, "/output_text")
        yield from self._wholes([(None, None, {"type": "text", "text": alone})], ANSWER)
        yield from self._requested.rest(complete=status in ("completed", "done"))
        yield from _usage(response)
        if status == "failed":
            error = pointers.at(response, "/error") or pointers.at(response, "/status_details/error")
            yield failure.read(error or "the response failed")
            return
        reason = pointers.text(response, "/incomplete_details/reason", "/status_details/reason")
        raw = (reason if status != "cancelled" else "") or status
        yield from (Finish(canonical(raw), raw), End())

    def _body(self, said: Any) -> Iterable[Event] | None:
        """A non-streamed answer."""
        if not matches(Frame(b"", b""), said) or "type" in said:
            return None
        start = Start(pointers.text(said, "/model"), pointers.text(said, "/id"))
        return [start, *self._final(said, pointers.text(said, "/status"))]


def _spoken(voice: str, words: str) -> Event:
    if voice in ("text", "refusal"):
        return TextDelta(words, refusal=voice == "refusal")
    return ReasoningDelta(words)


def _usage(response: Any) -> list[Any]:
    return pointers.usage(
        pointers.at(response, "/usage"),
        "/input_tokens",
        "/output_tokens",
        "/total_tokens",
        "/input_tokens_details/cached_tokens",
        "/output_tokens_details/reasoning_tokens",
    )


def error_frame(error: Error, so_far: SoFar) -> bytes:
    """Twice: openai-python raises only where an `error` key is there, Codex reads `response.failed` alone."""
    number = so_far.number("sequence_number", -1) + 1
    said = {"code": error.type or error.code.lower(), "message": error.message, "param": None}
    failed = {
        "id": so_far.id,
        "object": "response",
        "created_at": so_far.created,
        "status": "failed",
        "model": so_far.model,
        "output": [],
        "error": {
            "code": "rate_limit_exceeded" if error.outcome == "rate_limited" else "server_error",
            "message": error.message,
        },
    }
    return _framed(
        {"type": "error", "sequence_number": number, **said, "error": {"type": error.outcome, **said}}
    ) + _framed({"type": "response.failed", "sequence_number": number + 1, "response": failed})


def _framed(said: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (said["type"].encode(), msgspec.json.encode(said))


def retold(body: bytes) -> bytes:
    """A whole answer stands in the events that begin and end a stream."""
    said = pointers.read(body)
    if not matches(Frame(body, body), said) or "type" in said:
        return b""
    status = pointers.text(said, "/status") or "completed"
    opened = {**said, "status": "in_progress", "output": []}
    begun = {"type": "response.created", "sequence_number": 0, "response": opened}
    ended = {"type": f"response.{status}", "sequence_number": 1, "response": said}
    events = ((each["type"], msgspec.json.encode(each).decode()) for each in (begun, ended))
    return "".join(f"event: {name}\ndata: {data}\n\n" for name, data in events).encode()
