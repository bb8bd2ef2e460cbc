"""Whichever of its five places a server says a text or a call in, it is told, and once.

The answers are made by a seeded generator; `SIDECAR_MUTATIONS` says how many.
"""

import json
import os
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from sidecar.stream.events import Event, ReasoningDelta, TextDelta, ToolCallEnd
from sidecar.stream.parser import StreamParser
from sidecar.stream.said import ANSWER, ITEM, MAX_PARTS, MAX_SAID, PART, PENDING, TEXT, Said
from tests.stream.reading import Reading, by, read

COUNT = int(os.environ.get("SIDECAR_MUTATIONS", "200"))
DELTAS, LEVELS = -1, (TEXT, PART, ITEM, ANSWER)
EVENTS = {
    "output_text": ("output_text", "content_part", "content_index", "text"),
    "refusal": ("refusal", "content_part", "content_index", "refusal"),
    "reasoning_text": ("reasoning_text", "content_part", "content_index", "text"),
    "summary_text": ("reasoning_summary_text", "reasoning_summary_part", "summary_index", "text"),
    "function_call": ("function_call_arguments", "", "", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "", "", "input"),
}
"""Type of a part or a call: how its texts' events are called, those of the part, its index, and its words."""


class Part(NamedTuple):
    """A part of an item, or a call's arguments. `where` it is said, and how many pieces of it the deltas bring."""

    type: str
    output: int
    second: int
    pieces: list[str]
    where: set[int]
    streamed: int

    @property
    def words(self) -> str:
        return "".join(self.pieces)

    @property
    def is_call(self) -> bool:
        return self.type in ("function_call", "custom_tool_call")


class Stream:
    """A server's way to say an answer, its indexes right, missing or constant, its ids that or rotating."""

    def __init__(self, chance: random.Random, even: bool) -> None:
        self.chance = chance
        self.even = even  # each part is said in the same places
        self.last = chance.choice((set(), {ANSWER}))  # whether the last event has the answer
        self.where = self._places()
        self.whole = chance.random() < 0.5  # deltas bring all, where they come
        self.indexes = chance.choice(("missing", "constant")) if even else "right"
        self.ids = chance.choice(("right", "missing", "constant", "rotating"))
        self.items = [self._item(output) for output in range(chance.randrange(1, 5))]
        self.told: dict[tuple[int, int, str], int] = {}  # how many characters of each part
        self.expected: dict[str, str] = {"text": "", "refusal": "", "reasoning": ""}
        self.number = 0

    def frames(self) -> Iterator[bytes]:
        yield self.frame("response.created", response={"id": "r", "model": "m", "status": "in_progress"})
        for output, item in enumerate(self.items):
            yield self.frame("response.output_item.added", output, item=self.body(item, bare=True))
            for part in item:
                yield from self.part(part)
            if any(ITEM in part.where for part in item):
                self.tell(part for part in item if ITEM in part.where)
                yield self.frame("response.output_item.done", output, item=self.body(item, ITEM))
        self.tell(part for item in self.items for part in item if ANSWER in part.where)
        whole = [self.body(item, ANSWER) for item in self.items if any(ANSWER in part.where for part in item)]
        yield self.frame("response.completed", response={"id": "r", "status": "completed", "output": whole})

    def part(self, part: Part) -> Iterator[bytes]:
        text, frame, index, name = EVENTS[part.type]
        place = {index: part.second} if index and self.indexes != "missing" else {}
        if frame:
            yield self.frame(f"response.{frame}.added", part.output, **place, part={"type": part.type, name: ""})
        if DELTAS in part.where:
            for number, piece in enumerate(part.pieces[: part.streamed], 1):
                self.tell([part], len("".join(part.pieces[:number])))
                yield self.frame(f"response.{text}.delta", part.output, **place, delta=piece)
        if TEXT in part.where:
            self.tell([part])
            yield self.frame(f"response.{text}.done", part.output, **place, **{name: part.words})
        if PART in part.where and frame:
            self.tell([part])
            yield self.frame(f"response.{frame}.done", part.output, **place, part=self.said(part))

    def frame(self, kind: str, output: int | None = None, **said: Any) -> bytes:
        if output is not None:
            self.number += 1
            ids = {"right": f"i{output}", "constant": "i", "rotating": f"i{self.number}"}
            at = {} if self.ids == "missing" else {"item_id": ids[self.ids]}
            if self.indexes != "missing":
                at["output_index"] = output if self.indexes == "right" else 0
            said = at | said
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()

    def body(self, item: list[Part], level: int = -2, bare: bool = False) -> dict[str, Any]:
        """The item as an event has it; parts that this level leaves out stay in it where they stand, without words."""
        first = item[0]
        if first.is_call:
            words = "" if bare or level not in first.where else first.words
            call = {"call_id": f"call_{first.output}", "name": f"f{first.output}", EVENTS[first.type][3]: words}
            return {"type": first.type, "id": f"i{first.output}"} | call
        told = [] if bare else [self.said(part, level) for part in item]
        if first.type in ("output_text", "refusal"):
            return {"type": "message", "role": "assistant", "content": told}
        summary = [part for part in told if part["type"] == "summary_text"]
        return {"type": "reasoning", "summary": summary, "content": [part for part in told if part not in summary]}

    def said(self, part: Part, level: int | None = None) -> dict[str, Any]:
        name = EVENTS[part.type][3]
        return {"type": part.type, name: part.words if level is None or level in part.where else ""}

    def tell(self, parts: Any, size: int | None = None) -> None:
        """What a reader learns, who knows which part is meant."""
        for part in parts:
            if part.is_call:
                continue
            key = (part.output, part.second, part.type)
            known = self.told.get(key, 0)
            self.told[key] = max(known, len(part.words) if size is None else size)
            voice = {"output_text": "text", "refusal": "refusal"}.get(part.type, "reasoning")
            self.expected[voice] += part.words[known : self.told[key]]

    def calls(self) -> list[tuple[str, str, Any]]:
        """In the order of their announcement, which all have."""
        parts = [item[0] for item in self.items if item[0].is_call]
        free = {part.output: {"input": part.words} for part in parts if part.type == "custom_tool_call"}
        return [(f"call_{p.output}", f"f{p.output}", free.get(p.output) or json.loads(p.words)) for p in parts]

    def _item(self, output: int) -> list[Part]:
        chance, call = self.chance, chance_of_call(self.chance)
        if call:
            return [self._part(call, output, 0)]
        kinds = chance.choice((("output_text", "refusal"), ("summary_text", "reasoning_text")))
        kinds = sorted(chance.choices(kinds, k=chance.randrange(1, 4)), reverse=kinds[0] == "summary_text")
        counts = dict.fromkeys(kinds, -1)
        parts = []
        for number, kind in enumerate(kinds):
            counts[kind] += 1
            parts.append(self._part(kind, output, number if kind in ("output_text", "refusal") else counts[kind]))
        item = {ITEM} if any(ITEM in part.where for part in parts) else set()
        return [part._replace(where=part.where | item) for part in parts]

    def _part(self, kind: str, output: int, second: int) -> Part:
        where = self.where if self.even else self._places()
        mark = f"{kind[:3]}{output}{second}"
        pieces = [f"{mark}-{number} " for number in range(self.chance.randrange(1, 6))]
        if kind == "function_call":
            pieces = ['{"at"', ":", f'"{mark}"', "}"]
        whole = self.whole or where <= {DELTAS, PART}  # calls have no parts
        return Part(kind, output, second, pieces, where, len(pieces) if whole else self.chance.randrange(len(pieces)))

    def _places(self) -> set[int]:
        places = self.last | set(self.chance.sample((DELTAS, TEXT, PART, ITEM), self.chance.randrange(5)))
        return places if places - {PART} else {*places, TEXT}


def chance_of_call(chance: random.Random) -> str:
    return chance.choice(("", "", "function_call", "custom_tool_call"))


def heard(reading: Reading) -> dict[str, str]:
    found = {"text": "", "refusal": "", "reasoning": ""}
    for event in reading.events:
        if isinstance(event, TextDelta | ReasoningDelta):
            refusal = isinstance(event, TextDelta) and event.refusal
            voice = "refusal" if refusal else "text" if isinstance(event, TextDelta) else "reasoning"
            found[voice] += event.text
    return found


def called(events: list[Event]) -> list[tuple[str, str, Any]]:
    return [(e.id, e.name, e.arguments) for e in events if isinstance(e, ToolCallEnd)]


@pytest.mark.parametrize("even", [False, True], ids=["any-places", "poor-indexes"])
@pytest.mark.parametrize("seed", range(COUNT))
def test_what_is_said_anywhere_is_told_once(seed: int, even: bool) -> None:
    stream = Stream(random.Random(f"{seed} {even}"), even)
    frames = list(stream.frames())
    body = b"".join(frames)
    for reading in (read(frames, event_stream=True), read(body), read(by(5, body), "openai-responses")):
        assert heard(reading) == stream.expected, body.decode()
        assert sorted(called(reading.events)) == stream.calls(), body.decode()


def frame(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()


def delta(words: str) -> bytes:
    return frame("response.output_text.delta", output_index=0, content_index=0, delta=words)


def test_words_that_only_the_refrain_read_are_known_at_the_end() -> None:
    words = [f"w{number} " for number in range(3 * PENDING)]
    parser, text = StreamParser(event_stream=True), ""
    for chunk in [*map(delta, words), frame("response.output_text.done", output_index=0, text="".join(words) + "end")]:
        text += "".join(event.text for event in parser.feed(chunk)[0] if isinstance(event, TextDelta))
        assert len(vars(parser)["_heard"] or ()) <= PENDING
    assert text == "".join(words) + "end"


@pytest.mark.parametrize("again", [1, 2, 3])
def test_an_event_that_comes_twice_says_nothing_new(again: int) -> None:
    whole = {"type": "output_text", "text": "Low tide."}
    frames = [
        frame("response.output_text.done", output_index=0, content_index=0, text="Low tide."),
        frame("response.content_part.done", output_index=0, content_index=0, part=whole),
        frame("response.output_item.done", output_index=0, item={"type": "message", "content": [whole]}),
    ]
    for order in (frames, frames[::-1]):
        assert read([one for one in order for _ in range(again)], event_stream=True).text == "Low tide."


def test_an_index_that_counts_events_parts_no_text() -> None:
    deltas = [
        frame("response.output_text.delta", output_index=n, delta=word) for n, word in enumerate(("A", " b", " c"))
    ]
    whole = frame("response.output_text.done", output_index=3, text="A b c d")
    assert read([*deltas, whole], event_stream=True).text == "A b c d"
    assert read([deltas[0], whole], event_stream=True).text == "A b c d"


def test_parts_that_deltas_do_not_tell_apart_are_told() -> None:
    texts = [{"type": "message", "content": [{"type": "output_text", "text": words}]} for words in ("One. ", "Two.")]
    last = frame("response.completed", response={"status": "completed", "output": texts})
    for deltas in (["One. ", "Two."], ["One. Two."], ["One. Tw"], ["O"], []):
        frames = [frame("response.output_text.delta", delta=words) for words in deltas]
        assert read([*frames, last], event_stream=True).text == "One. Two."


def test_what_comes_behind_a_whole_call_is_not_of_it() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
    late = {"output_index": 0, "item_id": "i"}
    events = read(
        [
            frame("response.output_item.added", output_index=0, item=call | {"arguments": ""}),
            frame("response.output_item.done", output_index=0, item=call),
            frame("response.function_call_arguments.delta", delta='{"a"', **late),
            frame("response.function_call_arguments.done", arguments='{"a":2}', **late),
            frame("response.output_item.done", output_index=0, item=call),
            frame("response.completed", response={"status": "completed", "output": [call]}),
        ],
        event_stream=True,
    ).events
    assert called(events) == [("c", "f", {"a": 1})]


def test_more_than_is_kept_is_not_completed() -> None:
    said = Said()
    for _ in range(MAX_SAID // 1024 + PENDING + 1):
        said.add(("text", 0, 0), "x" * 1024)
    assert said.missing([(("text", 0, 0), "y")], TEXT) == [""] and said.lost
    many = Said()
    for number in range(MAX_PARTS + 2):
        many.add(("text", number, 0), "x")
    assert many.missing([(("text", 0, 0), "y")], TEXT) == [""] and many.lost
