"""What OpenAI's and Anthropic's own SDKs read of an answer, and what an envelope says."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import anthropic
import httpx2
import openai
from anthropic.types import Message
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from tests.differential.answer import Answer, Choice, Notes, merged

TIMEOUT = 20.0
FAILURES = (openai.APIError, anthropic.APIError, httpx2.HTTPError)


class Read(NamedTuple):
    """`crashed` is the exception of an SDK that could not read it at all."""

    answer: Answer
    crashed: str = ""


class Clients:
    """The SDKs before one server."""

    def __init__(self, url: str) -> None:
        self.openai = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=TIMEOUT)
        self.anthropic = anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=TIMEOUT)
        self.plain = httpx2.Client(base_url=url, timeout=TIMEOUT)

    def close(self) -> None:
        self.openai.close()
        self.anthropic.close()
        self.plain.close()


Reader = Callable[[Clients, str, str], Read]


def guarded(read: Callable[[Clients, str, str, Notes], None]) -> Reader:
    """What was heard up to the end or a failure."""

    def guard(clients: Clients, path: str, format: str) -> Read:
        notes = Notes()
        try:
            read(clients, path, format, notes)
        except FAILURES as failure:
            return Read(notes.answer(str(failure) or type(failure).__name__))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, AssertionError) as crash:
            return Read(notes.answer(repr(crash)), repr(crash))
        return Read(notes.answer())

    return guard


def failure(message: str) -> openai.APIError:
    """What an SDK would raise."""
    return openai.APIError(message, httpx2.Request("POST", "http://example.test"), body=None)


def wish(format: str) -> dict[str, str]:
    return {"x-stream-format": format} if format else {}


BODY = {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "messages": [], "input": ""}


@guarded
def chat(clients: Clients, path: str, format: str, notes: Notes) -> None:
    """openai-python's chunks, put together as its examples do."""
    call = {"cast_to": ChatCompletionChunk, "body": BODY, "options": {"headers": wish(format)}}
    stream = clients.openai.post(path, **call, stream=True, stream_cls=openai.Stream[ChatCompletionChunk])
    with stream:
        for chunk in stream:
            _chunk(chunk.to_dict(mode="json", warnings=False), notes)


def _chunk(said: dict[str, Any], notes: Notes) -> None:
    notes.model = said.get("model") or notes.model
    for choice in said.get("choices") or ():
        delta, number = choice.get("delta") or {}, choice.get("index") or 0
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        notes.hear(number, delta.get("content"), thought, delta.get("refusal"), choice.get("finish_reason"))
        for place, call in enumerate(delta.get("tool_calls") or ()):
            function = call.get("function") or {}
            key = call.get("index", place)
            notes.call(key, call.get("id"), function.get("name"), function.get("arguments"), number)
    if usage := said.get("usage"):
        _openai_usage(usage, "prompt_tokens", "completion_tokens", notes)


def _openai_usage(usage: dict[str, Any], given: str, made: str, notes: Notes) -> None:
    notes.count(
        input=usage.get(given),
        output=usage.get(made),
        cached=(usage.get(f"{given}_details") or {}).get("cached_tokens"),
        reasoning=(usage.get(f"{made}_details") or {}).get("reasoning_tokens"),
    )


@guarded
def responses(clients: Clients, path: str, format: str, notes: Notes) -> None:
    """openai-python's events: the items that the end or they themselves say whole, else the deltas."""
    call = {"cast_to": Response, "body": BODY, "options": {"headers": wish(format)}}
    stream = clients.openai.post(path, **call, stream=True, stream_cls=openai.Stream[ResponseStreamEvent])
    heard, done = Notes(), dict[Any, dict[str, Any]]()
    try:
        for event in stream:
            _event(event.to_dict(mode="json", warnings=False), heard, done, notes)
    finally:
        stream.close()
        for item in done.values():
            _item(item, notes)
        words, whole = heard.choices.get(0, Choice()), notes.choices.get(0, Choice())
        fields = ("text", "reasoning", "refusal")
        notes.choices[0] = whole._replace(**{field: getattr(whole, field) or getattr(words, field) for field in fields})


def _event(said: dict[str, Any], heard: Notes, done: dict[Any, dict[str, Any]], notes: Notes) -> None:
    kind, response = said.get("type", ""), said.get("response") or {}
    notes.model = response.get("model") or notes.model
    match kind:
        case "response.output_text.delta":
            heard.hear(text=said["delta"])
        case "response.refusal.delta":
            heard.hear(refusal=said["delta"])
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            heard.hear(reasoning=said["delta"])
        case "response.output_item.done":
            done[said.get("output_index", len(done))] = said["item"]
        case "response.failed" | "error":
            told = response.get("error") or said.get("error") or said
            raise failure(told.get("message") or "")
        case "response.completed" | "response.incomplete" | "response.done" | "response.cancelled":
            notes.hear(finish=(response.get("incomplete_details") or {}).get("reason") or response.get("status"))
            if usage := response.get("usage"):
                _openai_usage(usage, "input_tokens", "output_tokens", notes)
            if output := response.get("output"):
                done.clear()
                done.update(enumerate(output))


def _item(item: dict[str, Any], notes: Notes) -> None:
    content = item.get("content") or []
    match item.get("type"):
        case "message":
            refusal = merged(part.get("refusal") for part in content)
            notes.hear(text=merged(part.get("text") for part in content), refusal=refusal)
        case "reasoning":
            notes.hear(reasoning=merged(part.get("text") for part in (*content, *(item.get("summary") or ()))))
        case "function_call":
            notes.call(item.get("call_id"), item.get("call_id"), item.get("name"), item.get("arguments"))


@guarded
def messages(clients: Clients, path: str, format: str, notes: Notes) -> None:
    """anthropic-python's own sum of a stream's events."""
    call: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": [], "extra_headers": wish(format)}
    with clients.anthropic.messages.stream(**call) as stream:
        try:
            stream.until_done()
        finally:
            if snapshot := stream._current_snapshot_or_none():
                _message(snapshot, notes)
        stream.get_final_message()


def _message(said: Message, notes: Notes) -> None:
    notes.model = said.model
    notes.hear(finish=said.stop_reason)
    for place, block in enumerate(said.content):
        match block.type:
            case "text":
                notes.hear(text=block.text)
            case "thinking":
                notes.hear(reasoning=block.thinking)
            case "tool_use":
                notes.call(place, block.id, block.name, json.dumps(block.input))
    usage = said.usage
    notes.count(input=usage.input_tokens, output=usage.output_tokens, cached=usage.cache_read_input_tokens)


@guarded
def envelope(clients: Clients, path: str, format: str, notes: Notes) -> None:
    """The envelope's version 2; what its frames say is what its last word says."""
    answer = clients.plain.post(path, json=BODY, headers=wish(format))
    if answer.is_error:
        raise failure(answer.json()["error"]["message"])
    frames, fragments = list(_frames(answer.text.split("\n\n"))), dict[tuple[int, str], str]()
    for number, frame in enumerate(frames):
        assert frame["meta"]["sequence"] == number
        assert (number == len(frames) - 1) == (frame["type"] in ("complete", "error"))
        _frame(frame["type"], frame["data"], notes, fragments)
    last = frames[-1]
    if last["type"] == "error":
        raise failure(last["data"]["message"])
    for said in (last["data"], *last["data"].get("choices", ())):
        number = said.get("choice", 0)
        notes.hear(number, finish=said["finish_reason"])
        assert said["final_response"] == notes.choices[number].text
        ended, begun = [call["id"] for call in said["tool_calls"]], [id for choice, id in fragments if choice == number]
        assert ended == begun, f"calls {begun} became {ended}"


def _frames(blocks: Iterable[str]) -> Iterator[dict[str, Any]]:
    for block in blocks:
        for line in block.split("\n"):
            if line.startswith("data: "):
                yield json.loads(line[6:])


def _frame(kind: str, data: dict[str, Any], notes: Notes, fragments: dict[tuple[int, str], str]) -> None:
    number = data.get("choice", 0)
    match kind:
        case "chunk" if data.get("refusal"):
            notes.hear(number, refusal=data["content"])
        case "chunk":
            notes.hear(number, data["content"])
        case "reasoning":
            notes.hear(number, reasoning=data["content"])
        case "tool_call" if data.get("done"):
            text = data["arguments_text"] if data.get("invalid") else json.dumps(data["arguments"])
            said = fragments.setdefault((number, data["id"]), "")
            if said.strip() and not data.get("invalid"):
                assert json.loads(said) == data["arguments"], f"the fragments say {said}"
            notes.call(data["id"], data["id"], data["name"], text, number)
        case "tool_call":
            key = (number, data["id"])
            fragments[key] = fragments.get(key, "") + data["arguments_delta"]
        case "complete":
            notes.model = data.get("model", "")
            counts = data.get("usage", {})
            notes.count(
                input=counts.get("input_tokens"),
                output=counts.get("output_tokens"),
                cached=counts.get("cached_input_tokens"),
                reasoning=counts.get("reasoning_tokens"),
            )
