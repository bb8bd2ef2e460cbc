"""Anthropic's messages as the servers of that API vary them."""

from collections.abc import Iterator
from typing import Any

from tests.differential import truth
from tests.differential.answer import Call, parsed
from tests.differential.dice import Dice
from tests.differential.paper import MESSAGE, Paper, Stream
from tests.differential.truth import Said, split

PATH = "/v1/messages"

MISLEADS = {
    "arguments cut at the limit: yes": "arguments that were cut are completed",
    "index: always 0": "an index is a place in the answer",
    "message start: no usage": "no counts, or no answer",
    "tool input: null": "null is an input",
    "stop: only the end": "no word, no reason",
    "no counts: yes": "a count that is missing is a zero",
}

FINISHES = {
    "stop": ("end_turn", "stop_sequence"),
    "length": ("max_tokens", "model_context_window_exceeded"),
    "tool_calls": ("tool_use", "end_turn"),
    "content_filter": ("refusal",),
}

ERRORS = {
    "overloaded": [("error", {"type": "error", "error": {"type": "overloaded_error", "message": MESSAGE}})],
    "with a request's id": [
        ("error", {"type": "error", "error": {"type": "api_error", "message": MESSAGE}, "request_id": "req_1"})
    ],
    "llama.cpp": [("error", {"code": 500, "message": MESSAGE, "type": "server_error"})],
}


def stream(dice: Dice) -> Stream:
    return _Messages(dice).stream()


class _Messages:
    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._chance = dice.of("messages")
        self._paper = Paper(dice, named=dice.way("event lines", "yes", "no") == "yes")
        self._said = refusing(truth.said(dice))
        self._usage = {name: count for name, count in truth.usage(dice).items() if name != "reasoning"}
        self._start = dice.way("message start", "whole", "no usage", "no content", "twice", "absent")
        self._begin = dice.way("block start", "empty", "holds the first words", "absent")
        self._stops = dice.way("block stop", "yes", "no") == "yes"
        self._index = dice.way("index", "right", "from 1", "always 0")
        self._input = dice.way(
            "tool input", "in deltas", "in the start", "in both", "empty delta first", "one delta", "no input", "null"
        )
        self._stop = dice.way("stop", "usual", "twice", "null first", "with all counts", "only the end")
        self._pings = dice.maybe("pings")
        if dice.maybe("no counts"):
            self._usage = {}

    def stream(self) -> Stream:
        self._ping()
        self._begins()
        for number, (block, deltas) in enumerate(self._blocks(self._said)):
            self._block({"right": number, "from 1": number + 1, "always 0": 0}[self._index], block, deltas)
        if self._dice.maybe("signed thought, hidden"):
            self._block(len(self._said.calls) + 2, {"type": "redacted_thinking", "data": "eJw="}, [])
        self._ends()
        finish = ("tool_calls" if self._said.calls else "stop") if self._stop == "only the end" else self._said.finish
        if self._stop == "only the end":
            self._usage = (
                {} if self._start in ("no usage", "absent") else {n: c for n, c in self._usage.items() if n != "output"}
            )
        model = "" if self._start == "absent" else "m-1"
        true = truth.answer([self._said._replace(finish=finish)], self._usage, model)
        return self._paper.stream(PATH, true, MISLEADS, ERRORS)

    def _event(self, kind: str, **more: Any) -> None:
        name = kind if self._dice.way("event lines", "yes", "no") == "yes" else ""
        self._paper.say({"type": kind} | more, name)

    def _ping(self) -> None:
        if self._pings and self._chance.random() < 0.3:
            self._event("ping")

    def _begins(self) -> None:
        if self._start == "absent":
            return
        message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": []}
        message |= {"stop_reason": None, "stop_sequence": None, "usage": self._counts(1)}
        for field in ("usage", "content"):
            if self._start == f"no {field}":
                del message[field]
        for _ in range(2 if self._start == "twice" else 1):
            self._event("message_start", message=message)

    def _blocks(self, said: Said) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Each block as it starts, and its deltas."""
        if said.reasoning:
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in said.reasoning]
            if not self._dice.maybe("no signature"):
                deltas.append({"type": "signature_delta", "signature": "c2ln"})
            yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
        if said.text:
            yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in said.text]
        for call in said.calls:
            yield self._tool(call)

    def _tool(self, call: Call) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        block: dict[str, Any] = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        pieces, whole = split(self._chance, call.arguments), parsed(call.arguments)
        way = self._input if isinstance(whole, dict) else "in deltas"
        if way in ("in the start", "in both"):
            block["input"] = whole
        if way == "no input":
            del block["input"]
        if way == "null":
            block["input"] = None
        pieces = [call.arguments] if way == "one delta" else ["", *pieces] if way == "empty delta first" else pieces
        pieces = [] if way == "in the start" or (not whole and self._dice.maybe("no deltas without input")) else pieces
        return block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]

    def _block(self, index: int, block: dict[str, Any], deltas: list[dict[str, Any]]) -> None:
        kind = block["type"]
        if self._begin == "holds the first words" and kind in ("text", "thinking") and deltas:
            block[kind] = deltas.pop(0).get(kind, "")
        if self._begin != "absent" or kind == "tool_use":
            self._event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            self._ping()
            self._event("content_block_delta", index=index, delta=delta)
        if self._stops:
            self._event("content_block_stop", index=index)

    def _ends(self) -> None:
        said = self._said
        word = self._chance.choice(FINISHES.get(said.finish, ("refusal",))) if self._dice.maybe("finish word") else None
        word = word or FINISHES.get(said.finish, ("refusal",))[0]
        reason, counts = {"stop_reason": word, "stop_sequence": None}, self._counts()
        if self._stop == "null first":
            self._event("message_delta", delta={"stop_reason": None, "stop_sequence": None}, usage=self._counts(2))
        self._paper.ends()
        if self._stop != "only the end":
            usage = counts if self._stop == "with all counts" else self._made(counts)
            for _ in range(2 if self._stop == "twice" else 1):
                self._event("message_delta", delta=reason, usage=usage)
        if self._dice.maybe("whole message again"):
            content = [{"type": "text", "text": "".join(said.text)}] if said.text else []
            more = {"content": content, "stop_reason": word if self._stop != "only the end" else None}
            self._event("message", id="msg_1", role="assistant", model="m-1", **more)
        end = self._dice.way("end", "message_stop", "nothing", "and [DONE]")
        if end != "nothing" or self._stop == "only the end":
            self._event("message_stop")
        if end == "and [DONE]":
            self._paper.frames.append(self._paper.block("[DONE]"))

    def _counts(self, made: int | None = None) -> dict[str, int]:
        """All counts; before the end only so many tokens were `made`."""
        if not self._usage:
            return {}
        given = 0 if made and self._stop == "with all counts" else self._usage["input"]
        said = {"input_tokens": given, "output_tokens": min(made or 1 << 30, self._usage["output"])}
        if "cached" in self._usage:
            said["cache_read_input_tokens"] = 0 if made and self._stop == "with all counts" else self._usage["cached"]
        return said

    def _made(self, counts: dict[str, int]) -> dict[str, int]:
        """Those that a start has not told."""
        untold = self._start in ("absent", "no usage")
        return {name: count for name, count in counts.items() if untold or name == "output_tokens"}


def refusing(said: Said) -> Said:
    """The same where a refusal is text with a reason of its own."""
    finish = "refusal" if said.refusal or said.finish == "content_filter" else said.finish
    return said._replace(text=said.text or said.refusal, refusal=[], finish=finish)


def in_openai(usage: dict[str, int]) -> dict[str, int]:
    """Anthropic counts what was cached beside the input, OpenAI in it."""
    return usage | ({"input": usage["input"] + usage.get("cached", 0)} if usage else {})
