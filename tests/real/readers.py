"""What official SDKs read of an answer, over the network or out of recorded bytes, told in one vocabulary."""

import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import anthropic
import httpx
import httpx2
import ollama
import openai
from anthropic.types import Message
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from tests.real.answer import Answer, Failed, Notes
from tests.stream.test_envelope_v2 import SCHEMA

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
MESSAGES, NATIVE = "/v1/messages", "/completion"
API_CHAT, API_GENERATE = "/api/chat", "/api/generate"


class Where(NamedTuple):
    """A base URL; `transport` makes, for a library of httpx's kind, what answers in its stead."""

    url: str
    headers: Mapping[str, str] = {}
    transport: Callable[[ModuleType], Any] | None = None

    def through(self, library: ModuleType) -> dict[str, Any]:
        return {"transport": self.transport(library)} if self.transport else {}


Reader = Callable[[Where, str, dict[str, Any]], Answer]


def openai_client(where: Where) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(**where.through(httpx2))
    return openai.OpenAI(
        base_url=where.url, api_key="none", max_retries=0, default_headers=where.headers, http_client=http
    )


def chat(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """openai-python's chunks of a chat completion, whatever the path."""
    notes = Notes()
    with openai_client(where) as client:
        if not body.get("stream", True):
            whole = client.post(path, cast_to=ChatCompletion, body=body)
            _chunk(whole.to_dict(mode="json"), "message", notes)
            return notes.answer()
        stream = client.post(
            path, cast_to=ChatCompletionChunk, body=body, stream=True, stream_cls=openai.Stream[ChatCompletionChunk]
        )
        with stream:
            for chunk in stream:
                _chunk(chunk.to_dict(mode="json"), "delta", notes)
    return notes.answer()


def _chunk(said: dict[str, Any], part: str, notes: Notes) -> None:
    for choice in said.get("choices") or ():
        delta, number = choice.get(part) or {}, choice["index"]
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        notes.hear(delta.get("content"), reasoning, choice.get("finish_reason"), number)
        for place, call in enumerate(delta.get("tool_calls") or ()):
            function = call["function"]
            notes.call(call.get("index", place), function.get("name"), function.get("arguments"), number)
    if usage := said.get("usage"):
        notes.count(usage["prompt_tokens"], usage["completion_tokens"])
    elif (timings := said.get("timings")) and any(choice.get("finish_reason") for choice in said["choices"]):
        # llama.cpp counts here where nobody asked, and leaves out of `prompt_n` what it had in its cache
        notes.count(timings["prompt_n"] + timings.get("cache_n", 0), timings["predicted_n"])


def completions(where: Where, path: str, body: dict[str, Any]) -> Answer:
    notes = Notes()
    with openai_client(where) as client:
        stream = client.post(path, cast_to=Completion, body=body, stream=True, stream_cls=openai.Stream[Completion])
        with stream:
            for chunk in filter(None, stream):  # llama.cpp's first event is `null` where it answers several prompts
                for choice in chunk.choices:
                    notes.hear(choice.text, finish=choice.finish_reason, choice=choice.index)
                if chunk.usage:
                    notes.count(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
    return notes.answer()


def responses(where: Where, path: str, body: dict[str, Any]) -> Answer:
    notes = Notes()
    with openai_client(where) as client:
        stream = client.post(
            path, cast_to=Response, body=body, stream=True, stream_cls=openai.Stream[ResponseStreamEvent]
        )
        with stream:
            for event in stream:
                _event(event, notes)
    return notes.answer()


def _event(event: Any, notes: Notes) -> None:
    match event.type:
        case "response.output_text.delta":
            notes.hear(event.delta)
        case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
            notes.hear(reasoning=event.delta)
        case "response.output_item.done" if event.item.type == "function_call":
            notes.call(event.item.call_id, event.item.name, event.item.arguments)
        case "response.failed" | "error":
            raise Failed(event.type)
        case "response.completed" | "response.incomplete":
            why = event.response.incomplete_details
            notes.hear(finish=(why and why.reason) or event.response.status)
            if usage := event.response.usage:
                notes.count(usage.input_tokens, usage.output_tokens)


def messages(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """anthropic-python's own sum of a stream's events."""
    http = anthropic.DefaultHttpxClient(**where.through(httpx2))
    client = anthropic.Anthropic(
        base_url=where.url, api_key="none", max_retries=0, default_headers=where.headers, http_client=http
    )
    assert path == MESSAGES
    with client, client.messages.stream(model="", max_tokens=1, messages=[], extra_body=body) as stream:
        return _message(stream.get_final_message())


def _message(said: Message) -> Answer:
    notes = Notes()
    notes.hear(finish=said.stop_reason)
    for place, block in enumerate(said.content):
        match block.type:
            case "text":
                notes.hear(block.text)
            case "thinking":
                notes.hear(reasoning=block.thinking)
            case "tool_use":
                notes.call(place, block.name, json.dumps(block.input))
    notes.count(said.usage.input_tokens, said.usage.output_tokens)
    return notes.answer()


def native(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """llama.cpp's own events, as its documentation has them read."""
    notes = Notes()
    for _, said in events(where, path, body):
        if said is None:
            continue
        if "error" in said:
            raise Failed(said["error"]["message"])
        notes.hear(said["content"], finish=said["stop_type"] if said["stop"] else "", choice=said.get("index", 0))
        if said["stop"]:
            notes.count(said["tokens_evaluated"], said["tokens_predicted"])
    return notes.answer()


def envelope(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """The envelope's version 2, every frame held against its schema."""
    notes, frames = Notes(), list(events(where, path, body))
    for number, (last, frame) in enumerate(frames):
        SCHEMA.validate(frame)
        assert frame["meta"]["sequence"] == number
        assert (last == "end") == (number == len(frames) - 1) == (frame["type"] in ("complete", "error"))
        _frame(frame["type"], frame["data"], notes)
    heard = notes.answer()
    whole = frames[-1][1]["data"]
    assert [whole, *whole.get("choices", ())][0].get("final_response", "") == heard.choices[0].text
    return heard


def _frame(kind: str, data: dict[str, Any], notes: Notes) -> None:
    choice = data.get("choice", 0)
    match kind:
        case "chunk":
            notes.hear(data["content"], choice=choice)
        case "reasoning":
            notes.hear(reasoning=data["content"], choice=choice)
        case "tool_call" if data.get("done"):
            arguments = data["arguments_text"] if data.get("invalid") else json.dumps(data["arguments"])
            notes.call(data["id"], data["name"], arguments, choice)
        case "error":
            raise Failed(data["message"])
        case "complete":
            for said in (data, *data.get("choices", ())):
                notes.hear(finish=said["finish_reason"], choice=said.get("choice", 0))
            if usage := data.get("usage"):
                notes.count(usage.get("input_tokens"), usage.get("output_tokens"))


def events(where: Where, path: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    """(id, JSON) of every event with data; a status that is none of success raises."""
    with httpx2.Client(base_url=where.url, headers=where.headers, timeout=60, **where.through(httpx2)) as client:
        answer = client.post(path, json=body).raise_for_status()
    blocks = answer.text.split("\n\n")
    assert blocks.pop() == ""
    fields = [dict(line.split(": ", 1) for line in block.split("\n") if line[:1] not in (":", "")) for block in blocks]
    return [(block.get("id", ""), json.loads(block["data"])) for block in fields if "data" in block]


def api_chat(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """ollama-python's chat."""
    notes = Notes()
    with ollama.Client(where.url, headers=where.headers, **where.through(httpx)) as client:
        answer = client.chat(**{"model": "any", "stream": True} | body)
        for part in answer if body.get("stream", True) else [answer]:
            notes.hear(part.message.content, part.message.thinking, part.done_reason)
            for call in part.message.tool_calls or ():
                notes.call(len(notes.calls), call.function.name, json.dumps(call.function.arguments))
            if part.done:
                notes.count(part.prompt_eval_count, part.eval_count)
    return notes.answer()


def api_generate(where: Where, path: str, body: dict[str, Any]) -> Answer:
    """ollama-python's generate."""
    notes = Notes()
    with ollama.Client(where.url, headers=where.headers, **where.through(httpx)) as client:
        for part in client.generate(**{"model": "any", "stream": True} | body):
            notes.hear(part.response, part.thinking, part.done_reason)
            if part.done:
                notes.count(part.prompt_eval_count, part.eval_count)
    return notes.answer()


READERS: dict[str, Reader] = {
    CHAT: chat,
    COMPLETIONS: completions,
    RESPONSES: responses,
    MESSAGES: messages,
    NATIVE: native,
    API_CHAT: api_chat,
    API_GENERATE: api_generate,
}
"""Endpoint to the reader that its server's makers, or its API's inventors, give out."""

FAILURES = (openai.APIError, anthropic.APIError, ollama.ResponseError, httpx.HTTPError, httpx2.HTTPError, Failed)
"""What a reader raises for an answer that failed, or broke off."""
