"""The Responses API as the servers of that API vary it."""

from collections.abc import Iterator
from typing import Any

from tests.differential import truth
from tests.differential.dice import Dice
from tests.differential.paper import MESSAGE, Paper, Stream
from tests.differential.truth import split

PATH = "/v1/responses"

TOLD = {
    "everywhere": "delta done item end",
    "in deltas": "delta",
    "not in deltas": "done item end",
    "in done": "done",
    "in the item": "item",
    "in the end": "end",
    "not in the end": "delta done item",
    "the tail not in deltas": "tail done item end",
    "the tail only in done": "tail done",
    "the tail only in the end": "tail end",
}
"""Where the words of an item are said."""

MISLEADS = {
    "told: in done": "nobody reads it where there are deltas or items",
    "told: in deltas": "a call is read of its item",
    "told: the tail only in done": "nobody reads it where there are deltas or items",
}

ERRORS = {
    "error": [("error", {"type": "error", "code": "server_error", "message": MESSAGE, "param": None})],
    "error, nested": [("error", {"type": "error", "error": {"type": "server_error", "message": MESSAGE}})],
    "failed": [
        (
            "response.failed",
            {
                "type": "response.failed",
                "response": {
                    "id": "resp_1",
                    "status": "failed",
                    "error": {"code": "server_error", "message": MESSAGE},
                    "output": [],
                },
            },
        )
    ],
}


def stream(dice: Dice) -> Stream:
    return _Responses(dice).stream()


class _Responses:
    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._chance = dice.of("responses")
        self._paper = Paper(dice, named=dice.way("event lines", "yes", "no") == "yes")
        self._said = truth.said(dice)
        self._usage = truth.usage(dice) if not dice.maybe("no usage") else {}
        self._told = TOLD[dice.way("told", *TOLD)].split()
        self._index = dice.way("output index", "right", "absent", "always 0")
        self._item_id = dice.way("item id", "right", "changes", "absent")
        self._added = not dice.maybe("no added items")
        self._call = dice.way("call", "named at first", "named at last", "id at last", "arguments in the added item")
        self._parts = not dice.maybe("no content parts")
        self._thought = dice.way("reasoning", "summary", "text")
        self._numbered = not dice.maybe("no sequence numbers")
        self._others = dice.way("other events", "none", "keepalive", "unknown")
        self._output: list[dict[str, Any]] = []
        self._sequence = 0

    def stream(self) -> Stream:
        self._begins()
        for item, pieces in self._items():
            if item["type"] == "function_call":
                self._called(item, pieces)
            else:
                self._spoken(item, pieces)
        self._ends()
        true = truth.answer([self._said], self._usage, "m-1")
        return self._paper.stream(PATH, true, MISLEADS, ERRORS)

    def _event(self, kind: str, **more: Any) -> None:
        said = {"type": kind} | more
        if self._index == "absent":
            said.pop("output_index", None)
        elif "output_index" in said and self._index == "always 0":
            said["output_index"] = 0
        if self._item_id == "absent":
            said.pop("item_id", None)
        elif "item_id" in said and self._item_id == "changes":
            said["item_id"] += f"_{self._sequence}"
        if self._numbered:
            said["sequence_number"] = self._sequence
        self._sequence += 1
        self._paper.say(said, kind if self._dice.way("event lines", "yes", "no") == "yes" else "")

    def _response(self, status: str, **more: Any) -> dict[str, Any]:
        said = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m-1", "status": status, "output": []}
        return said | more

    def _begins(self) -> None:
        way = self._dice.way("begin", "created", "queued", "created alone", "in progress alone", "absent")
        kinds = {"created": "created in_progress", "queued": "queued created in_progress", "created alone": "created"}
        for kind in kinds.get(way, "" if way == "absent" else "in_progress").split():
            self._event(f"response.{kind}", response=self._response("in_progress" if kind != "queued" else kind))

    def _items(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        said = self._said
        if said.reasoning:
            yield {"id": "rs_1", "type": "reasoning", "summary": []}, said.reasoning
        if said.text or said.refusal:
            yield {"id": "msg_1", "type": "message", "role": "assistant", "content": []}, said.text or said.refusal
        for number, call in enumerate(said.calls):
            item = {"id": f"fc_{number}", "type": "function_call", "call_id": call.id, "name": call.name}
            yield item, split(self._chance, call.arguments)

    def _spoken(self, item: dict[str, Any], pieces: list[str]) -> None:
        """Reasoning, text or a refusal."""
        index, whole, told = len(self._output), "".join(pieces), self._told
        at = {"item_id": item["id"], "output_index": index}
        event, part, field = self._kind(item, whole)
        at |= {"summary_index": 0} if "summary" in event else {"content_index": 0}
        if self._added:
            self._event("response.output_item.added", output_index=index, item=item | {"status": "in_progress"})
        part_event = "response.reasoning_summary_part" if "summary" in event else "response.content_part"
        if self._parts:
            empty = {key: "" if key in ("text", "refusal") else value for key, value in part.items()}
            self._event(f"{part_event}.added", **at, part=empty)
        shown = pieces if "delta" in told else pieces[:-1] if "tail" in told else []
        for piece in shown:
            self._other()
            self._event(f"response.{event}.delta", **at, delta=piece, **self._obfuscated())
        if "done" in told:
            self._event(f"response.{event}.done", **at, **{"refusal" if event == "refusal" else "text": whole})
            if self._parts:
                self._event(f"{part_event}.done", **at, part=part)
        full = item | {field: [part], "status": "completed"}
        last = full if "item" in told else item | {"status": "completed"}
        self._event("response.output_item.done", output_index=index, item=last)
        self._output.append(full)

    def _kind(self, item: dict[str, Any], whole: str) -> tuple[str, dict[str, Any], str]:
        """The name of its events, its one part, and the item's field for that."""
        if item["type"] == "reasoning":
            if self._thought == "summary":
                return "reasoning_summary_text", {"type": "summary_text", "text": whole}, "summary"
            return "reasoning_text", {"type": "reasoning_text", "text": whole}, "content"
        if self._said.refusal:
            return "refusal", {"type": "refusal", "refusal": whole}, "content"
        return "output_text", {"type": "output_text", "text": whole, "annotations": []}, "content"

    def _called(self, item: dict[str, Any], pieces: list[str]) -> None:
        index, whole, told = len(self._output), "".join(pieces), self._told
        at = {"item_id": item["id"], "output_index": index}
        first = item | {"arguments": "", "status": "in_progress"}
        if self._call == "named at last":
            first["name"] = ""
        elif self._call == "id at last":
            del first["call_id"]
        elif self._call == "arguments in the added item":
            first["arguments"] = whole
        if self._added:
            self._event("response.output_item.added", output_index=index, item=first)
        for piece in pieces if "delta" in told else pieces[:-1] if "tail" in told else []:
            self._other()
            self._event("response.function_call_arguments.delta", **at, delta=piece)
        if "done" in told:
            self._event("response.function_call_arguments.done", **at, arguments=whole)
        full = item | {"arguments": whole, "status": "completed"}
        last = full if "item" in told else full | {"arguments": ""}
        self._event("response.output_item.done", output_index=index, item=last)
        self._output.append(full)

    def _other(self) -> None:
        if self._others != "none" and self._chance.random() < 0.3:
            self._event("keepalive" if self._others == "keepalive" else "response.mystery.in_progress")

    def _obfuscated(self) -> dict[str, str]:
        return {"obfuscation": "x" * self._chance.randrange(9)} if self._dice.maybe("obfuscation") else {}

    def _ends(self) -> None:
        self._paper.ends()
        finish = self._said.finish
        details = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
        status = "incomplete" if details else "completed"
        kind = self._dice.way("end event", status, "done", "completed")
        more: dict[str, Any] = {"output": self._output if "end" in self._told else [], "usage": self._counts()}
        more["incomplete_details"] = {"reason": details} if details else None
        self._event(f"response.{kind}", response=self._response(status, **more))
        if self._dice.maybe("[DONE]"):
            self._paper.frames.append(self._paper.block("[DONE]"))

    def _counts(self) -> dict[str, Any] | None:
        if not (usage := self._usage):
            return None
        said: dict[str, Any] = {"input_tokens": usage["input"], "output_tokens": usage["output"]}
        said["total_tokens"] = usage["input"] + usage["output"]
        if "cached" in usage:
            said["input_tokens_details"] = {"cached_tokens": usage["cached"]}
        if "reasoning" in usage:
            said["output_tokens_details"] = {"reasoning_tokens": usage["reasoning"]}
        return said
