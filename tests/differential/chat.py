"""Chat completions as the servers of that API vary them."""

from collections.abc import Iterator
from typing import Any

from tests.differential import truth
from tests.differential.chatcalls import Calls
from tests.differential.dice import Dice
from tests.differential.paper import MESSAGE, Paper, Stream
from tests.differential.truth import Said

PATH = "/v1/chat/completions"

MISLEADS = {
    "text: parts": "a list of parts is no string",
    "reasoning: reasoning_text": "a field that only its server's client knows",
    "reasoning: reasoning_details": "a field that only its server's client knows",
    "reasoning: parts": "a list of parts is no string",
    "whole answer in one event: yes": "a chunk has `delta`, a whole answer `message`",
    "choice index: counts": "each index is a choice of its own",
    "usage: in the choice": "counts stand beside the choices",
    "usage: x_groq": "counts stand at the top",
    "finish: only [DONE]": "no word, no reason",
    "empty call: yes": "an entry is a call",
    "function_call: yes": "the API before tools",
    "call: id always": "what is said twice is joined",
    "call: id rotates": "what is said twice is joined",
    "call: name always": "what is said twice is joined",
    "call: one index": "an index is a call",
    "call: no index": "an index is a call",
    "call: null index": "an index is a call",
    "call: neither id nor index": "an index is a call",
    "arguments begin: {}": "braces are arguments",
    "arguments end: {}": "braces are arguments",
    "error: vLLM": "an error has an `error`",
}

FINISHES = {
    "stop": ("stop", "eos", "end_turn", "STOP"),
    "length": ("length", "max_tokens"),
    "tool_calls": ("tool_calls", "stop", "function_call", "tool_use"),
    "content_filter": ("content_filter",),
}

_DONE = b"data: [DONE]\n\n"
ERRORS = {
    "object": [("", {"error": {"message": MESSAGE, "type": "server_error", "param": None, "code": None}})],
    "object, code, [DONE]": [("", {"error": {"message": MESSAGE, "type": "overloaded", "code": 503}}), _DONE],
    "text": [("", {"error": MESSAGE})],
    "event": [("error", {"error": {"message": MESSAGE, "code": 500}})],
    "vLLM": [("", {"object": "error", "message": MESSAGE, "type": "InternalServerError", "code": 500}), _DONE],
    "beside a choice": [
        (
            "",
            {
                "id": "c",
                "error": {"code": 502, "message": MESSAGE},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            },
        )
    ],
}
"""OpenAI, a relay, Ollama, llama.cpp, vLLM, OpenRouter."""


def stream(dice: Dice) -> Stream:
    return _Chat(dice).stream()


class _Chat:
    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._chance = dice.of("chat")
        self._paper = Paper(dice)
        count = int(dice.way("choices", "1", "2", "3"))
        self._calls = Calls(dice, alone=count == 1)
        self._said = [truth.said(dice, number, self._calls.distinct) for number in range(count)]
        self._usage = truth.usage(dice)
        self._alone = count == 1
        self._head = self._heads()
        self._index = dice.way("choice index", "right", "absent", "counts") if self._alone else "right"
        # a chunk that counts and has finished is a choice
        stop = () if self._index == "counts" else ("stop",)
        self._unfinished = dice.way("no finish yet", "null", "absent", "empty", "the word null", *stop)
        self._filler = dice.way("other fields", "absent", "null", "empty")
        self._role = dice.way("role", "first", "with empty content", "always", "never", "with the first words")
        self._reasoning = dice.way(
            "reasoning", "reasoning_content", "reasoning", "both", "reasoning_text", "reasoning_details", "parts"
        )
        self._parts = dice.way("text", "string", "parts") == "parts"
        self._halves = dice.maybe("letters in halves") and self._unfinished != "stop"
        self._finish = dice.way("finish", "alone", "with the last", *(stop and ("only [DONE]", "twice", "early")))
        self._use = dice.way("usage", "last", "growing", "zeros first", "none", "in the choice", "x_groq", "no choices")
        self._once = self._alone and dice.maybe("whole answer in one event")
        self._stub = dice.maybe("empty call")
        self._chunks = 0

    def stream(self) -> Stream:
        said, dice = self._said, self._dice
        if self._use == "none" or (self._use == "in the choice" and self._finish == "only [DONE]" and not self._once):
            self._usage = {}
        if dice.maybe("placeholder chunk"):
            hidden = {"id": "keepalive", "object": "chat.completion.chunk", "created": 0, "model": "none"}
            self._paper.say(hidden | {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}]})
        if dice.maybe("empty choices first"):
            self._say([], prompt_filter_results=[])
        if self._once:
            self._whole(said[0])
        else:
            self._chunked()
        self._end()
        true = truth.answer([self._true(each) for each in said], self._usage, "m-1")
        return self._paper.stream(PATH, true, MISLEADS, ERRORS)

    def _true(self, said: Said) -> Said:
        wordless = self._finish == "only [DONE]" and not self._once
        finish = ("tool_calls" if said.calls else "stop") if wordless else said.finish
        return said._replace(calls=[self._calls.true(call) for call in said.calls], finish=finish)

    def _heads(self) -> dict[str, Any]:
        head: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
        match self._dice.way("head", "whole", "no object", "no id", "no created", "more"):
            case "more":
                return head | {"system_fingerprint": None, "service_tier": "default", "provider": "x", "error": None}
            case "whole":
                return head
            case missing:
                del head[missing.removeprefix("no ")]
                return head

    def _say(self, choices: list[dict[str, Any]], **more: Any) -> None:
        self._chunks += 1
        if self._use == "growing" and "usage" not in more:
            more["usage"] = self._counts(self._chunks)
        elif self._use == "zeros first" and self._chunks == 1:
            more["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        elif self._filler == "null":
            more.setdefault("usage", None)
        self._paper.say(self._head | {"choices": choices} | more)

    def _chunked(self) -> None:
        """Choices by turns, as each has its own words in order."""
        turns = [list(self._of(number, said)) for number, said in enumerate(self._said)]
        # a cut behind such a word looks like an end
        if self._finish == "early" or self._unfinished == "stop":
            self._paper.cut_from = 1 << 30
        together = self._dice.maybe("choices in one chunk")
        while any(turns):
            live = [turn for turn in turns if turn]
            if sum(map(len, live)) == 1:
                self._paper.ends()
            if self._chunks == 4 and self._finish == "early" and self._unfinished != "stop":
                self._paper.cut_from = len(self._paper.frames)
            several = live if together and self._chance.random() < 0.5 else [self._chance.choice(live)]
            self._say([turn.pop(0) for turn in several])

    def _of(self, number: int, said: Said) -> Iterator[dict[str, Any]]:
        """The entries of one choice."""
        deltas = [*self._deltas(said)]
        word = self._chance.choice(FINISHES[said.finish]) if self._dice.maybe("finish word") else said.finish
        if said.calls and said.finish == "length":
            word = "length"
        first: dict[str, Any] = {"role": "assistant"}
        if self._role == "with the first words" and deltas:
            deltas[0] = first | deltas[0]
        elif self._role != "never":
            deltas.insert(0, first | ({"content": ""} if self._role == "with empty content" else {}))
        for place, delta in enumerate(deltas):
            last = place == len(deltas) - 1
            early = "stop" if self._finish == "early" and place == 0 and not last else None
            yield self._entry(number, delta, word if last and self._finish == "with the last" else early)
        if self._finish != "with the last":
            reason = None if self._finish == "only [DONE]" else word
            for _ in range(2 if self._finish == "twice" else 1):
                yield self._entry(number, {}, reason)

    def _entry(self, number: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        self._calls.count += 1
        index = self._calls.count - 1 if self._index == "counts" else number
        entry: dict[str, Any] = {} if self._index == "absent" else {"index": index}
        if self._role == "always":
            delta = {"role": "assistant"} | delta
        if self._filler != "absent":
            filling = {"content": "", "tool_calls": []} if self._filler == "empty" else _NULLS
            delta = filling | delta
        if self._stub and not self._said[number].calls:
            delta = delta | _STUB
        entry["delta"] = delta
        none = {"null": None, "empty": "", "the word null": "null", "stop": "stop"}
        if finish:
            entry["finish_reason"] = finish
        elif self._unfinished != "absent":
            entry["finish_reason"] = none[self._unfinished]
        if finish and self._usage and self._use == "in the choice":
            entry["usage"] = self._counts()
        return entry | ({"logprobs": None} if self._filler == "null" else {})

    def _deltas(self, said: Said) -> Iterator[dict[str, Any]]:
        for piece in said.reasoning:
            yield self._thought(piece)
        for piece in self._letters(said.text):
            yield {"content": [{"type": "text", "text": piece}] if self._parts else piece}
        for piece in said.refusal:
            yield {"refusal": piece}
        yield from self._calls.deltas(said.calls)

    def _letters(self, text: list[str]) -> Iterator[str]:
        """The pieces, perhaps with a letter's two halves in two of them."""
        for piece in text:
            at = next((i for i, letter in enumerate(piece) if ord(letter) > 0xFFFF), -1)
            if not self._halves or at < 0 or not self._paper.escapes:
                yield piece
                continue
            high, low = (piece[at].encode("utf-16-be")[i : i + 2].decode("utf-16-be", "surrogatepass") for i in (0, 2))
            yield piece[:at] + high
            yield low + piece[at + 1 :]

    def _thought(self, piece: str) -> dict[str, Any]:
        match self._reasoning:
            case "both":
                return {"reasoning_content": piece, "reasoning": piece}
            case "reasoning_details":
                return {"reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}]}
            case "parts":
                return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]}
            case field:
                return {field: piece}

    def _whole(self, said: Said) -> None:
        self._paper.ends()
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said.text) or None}
        if said.reasoning:
            message["reasoning_content"] = "".join(said.reasoning)
        if said.refusal:
            message["refusal"] = "".join(said.refusal)
        if said.calls:
            message["tool_calls"] = [self._calls.whole(call) for call in said.calls]
        choice = {"index": 0, "message": message, "finish_reason": said.finish}
        self._use = "with the answer"
        self._say([choice], object="chat.completion", usage=self._counts())

    def _counts(self, chunks: int | None = None) -> dict[str, Any] | None:
        """The API's counts; after so many `chunks` they are not yet what they will be."""
        counts = self._usage
        if not counts:
            return None
        made = counts["output"] if chunks is None else min(chunks, counts["output"])
        said: dict[str, Any] = {"prompt_tokens": counts["input"], "completion_tokens": made}
        if not self._dice.maybe("no total"):
            said["total_tokens"] = counts["input"] + made
        if "cached" in counts:
            said["prompt_tokens_details"] = {"cached_tokens": counts["cached"], "audio_tokens": 0}
        if "reasoning" in counts and chunks is None:
            said["completion_tokens_details"] = {"reasoning_tokens": counts["reasoning"]}
        return said

    def _end(self) -> None:
        self._paper.ends()
        if self._usage and not self._once:
            match self._use:
                case "x_groq":
                    self._say([], x_groq={"id": "req_1", "usage": self._counts()})
                case "no choices":
                    self._paper.say({"usage": self._counts()})
                case use if use != "in the choice":
                    self._say([], usage=self._counts())
        end = self._dice.way("end", "[DONE]", "nothing", "no blank line", "twice")
        if end != "nothing" or self._finish == "only [DONE]":
            done = self._paper.block("[DONE]")
            self._paper.frames.append(done.rstrip() if end == "no blank line" else done)
            self._paper.frames += [done] if end == "twice" else []


_NULLS = {"content": None, "refusal": None, "function_call": None, "tool_calls": None, "reasoning_content": None}
_STUB = {"tool_calls": [{"index": 0, "id": "", "type": "function", "function": {"name": "", "arguments": ""}}]}
