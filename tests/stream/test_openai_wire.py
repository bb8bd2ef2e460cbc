"""Whatever the backend spoke, OpenAI's own SDK reads what it said, and a failure is never a success."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from sidecar.policy import outcome
from sidecar.stream import pointers
from sidecar.stream.events import (
    End,
    Error,
    Event,
    Finish,
    ReasoningDelta,
    Start,
    Status,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.wires import make
from sidecar.stream.wires.openai import OpenAI
from tests.stream.reading import FIXTURES, Fixture, joined, read

CREATED = 1_790_000_000
REASONS = {"length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}
WHOLE = [fixture for fixture in FIXTURES if isinstance(fixture.events[-1], End)]
FAILED = [fixture for fixture in FIXTURES if isinstance(fixture.events[-1], Error)]


def named(fixtures: list[Fixture]) -> Any:
    return pytest.mark.parametrize("fixture", fixtures, ids=lambda fixture: fixture.name)


def encoded(events: Iterable[Event], usage: bool = True, ping: bool = False) -> bytes:
    wire = OpenAI("s1", CREATED, usage)
    body = wire.ping() if ping else b""
    for event in events:
        body += wire.encode([outcome.complete(event) if isinstance(event, Error) else event], [])
        body += wire.ping() if ping and not isinstance(event, End | Error) else b""
    return body


def chunks(body: bytes) -> Iterator[ChatCompletionChunk]:
    """The chunks as the official SDK reads them from its HTTP client."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    client = openai.OpenAI(
        api_key="none",
        base_url="http://backend",
        max_retries=0,
        http_client=openai.DefaultHttpxClient(transport=httpx2.MockTransport(answer)),
    )
    with client, client.chat.completions.create(model="m", messages=[], stream=True) as stream:
        yield from stream


def of_choice(said: list[ChatCompletionChunk], number: int) -> dict[str, Any]:
    deltas = [choice.delta for chunk in said for choice in chunk.choices if choice.index == number]
    reasons = [c.finish_reason for chunk in said for c in chunk.choices if c.index == number and c.finish_reason]
    return {
        "text": "".join(delta.content or "" for delta in deltas),
        "refusal": "".join(delta.refusal or "" for delta in deltas),
        "reasoning": "".join((delta.model_extra or {}).get("reasoning_content") or "" for delta in deltas),
        "finish": reasons,
    }


def told(events: list[Event], number: int) -> dict[str, Any]:
    own: list[Any] = [event for event in events if getattr(event, "choice", 0) == number]
    reasons = [REASONS.get(event.reason, "stop") for event in own if isinstance(event, Finish)]
    return {
        "text": "".join(e.text for e in own if isinstance(e, TextDelta) and not e.refusal),
        "refusal": "".join(e.text for e in own if isinstance(e, TextDelta) and e.refusal),
        "reasoning": "".join(e.text for e in own if isinstance(e, ReasoningDelta)),
        "finish": reasons,
    }


@named(WHOLE)
@pytest.mark.parametrize("ping", [False, True], ids=["", "pings"])
def test_the_official_sdk_reads_what_was_said(fixture: Fixture, ping: bool) -> None:
    events = fixture.events
    body = encoded(events, ping=ping)
    assert body.endswith(b"data: [DONE]\n\n") and body.count(b"[DONE]") == 1 + sum(map(says_done, events))
    said = list(chunks(body))
    for chunk in said:
        assert ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
        assert (chunk.id, chunk.created, chunk.object) == ("chatcmpl-s1", CREATED, "chat.completion.chunk")
    for number in {choice.index for chunk in said for choice in chunk.choices}:
        assert of_choice(said, number) == told(events, number)
    assert calls(said) == [
        (e.choice, e.index, e.id, e.name, e.arguments if not e.invalid else e.arguments_text)
        for e in sorted((e for e in events if isinstance(e, ToolCallEnd)), key=lambda e: (e.choice, e.index or 0))
    ]
    start = next(event for event in events if isinstance(event, Start))
    assert said[-1].model == start.model
    assert counted(said) == counts([event for event in events if isinstance(event, Usage)])


def says_done(event: Event) -> bool:
    return isinstance(event, TextDelta) and "[DONE]" in event.text


def calls(said: list[ChatCompletionChunk]) -> list[tuple[int, int, str, str, Any]]:
    """Every call as the SDK's own accumulator puts it together; arguments that do not parse stay text."""
    if not said:
        return []
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in said:
        state.handle_chunk(chunk)
    found = []
    for choice in state.current_completion_snapshot.choices:
        for index, call in enumerate(choice.message.tool_calls or ()):
            assert call.type == "function"
            found.append((choice.index, index, call.id, call.function.name, parsed(call.function.arguments)))
    return found


def parsed(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict) else text


def counted(said: list[ChatCompletionChunk]) -> Any:
    assert not any(chunk.usage for chunk in said[:-1])
    usage = said[-1].usage
    if not usage:
        return None
    assert said[-1].choices == []
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        given.cached_tokens if given else None,
        made.reasoning_tokens if made else None,
    )


def counts(usages: list[Usage]) -> Any:
    if not usages:
        return None
    last = usages[-1]
    if last.input_tokens is None and last.output_tokens is None:
        return None
    given, made = last.input_tokens or 0, last.output_tokens or 0
    if last.cache_apart:
        given += (last.cached_input_tokens or 0) + (last.cache_creation_input_tokens or 0)
    if last.reasoning_apart or last.total_tokens == given + made + (last.reasoning_tokens or 0):
        made += last.reasoning_tokens or 0
    total = given + made if last.total_tokens is None or last.cache_apart else last.total_tokens
    return given, made, total, last.cached_input_tokens, last.reasoning_tokens


@named(FAILED)
def test_the_official_sdk_raises_what_was_reported(fixture: Fixture) -> None:
    body = encoded(fixture.events)
    assert b"data: [DONE]" not in body
    said: list[ChatCompletionChunk] = []
    failure = None
    try:
        for chunk in chunks(body):
            said.append(chunk)
    except openai.APIError as error:
        failure = error
    last = fixture.events[-1]
    assert isinstance(last, Error)
    assert failure and failure.message == last.message
    whole = {event.id for event in fixture.events if isinstance(event, ToolCallEnd) and event.arguments_text == "{}"}
    assert all(arguments != {} or call in whole for _, _, call, _, arguments in calls(said))


@named(FIXTURES)
def test_it_reads_back_as_the_same(fixture: Fixture) -> None:
    back = read(encoded(fixture.events), "openai-chat", True).events
    kinds = (TextDelta, ReasoningDelta)
    ours = [event for event in fixture.events if isinstance(event, kinds)]
    assert joined(e for e in back if isinstance(e, kinds)) == joined(ours)


def test_the_bytes_of_a_stream() -> None:
    events: list[Event] = [
        Start("fern-1", "x"),
        Status("server_tool", {"name": "search"}),
        ReasoningDelta("Hm"),
        TextDelta("Hé"),
        ToolCallDelta(0, "call_1", "tide", ""),
        ToolCallDelta(0, "call_1", "tide", ""),
        ToolCallDelta(0, "call_1", "tide", "{}"),
        ToolCallEnd(0, "call_1", "tide", {}, "{}"),
        Finish("tool_calls"),
        Usage(9, 3, None, 2),
        End(),
    ]
    head = '"id":"chatcmpl-s1","object":"chat.completion.chunk","created":1790000000,"model":"fern-1"'

    def chunk(delta: str, reason: str = "null") -> str:
        return (
            f'data: {{{head},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{reason}}}]}}\n\n'
        )

    begun = '{"index":0,"id":"call_1","type":"function","function":{"name":"tide","arguments":""}}'
    usage = '{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":2}}'
    assert encoded(events).decode() == (
        chunk('{"role":"assistant","reasoning_content":"Hm"}')
        + chunk('{"content":"Hé"}')
        + chunk(f'{{"tool_calls":[{begun}]}}')
        + chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}')
        + chunk("{}", '"tool_calls"')
        + f'data: {{{head},"choices":[],"usage":{usage}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_usage_only_when_it_was_asked_for() -> None:
    assert b"usage" not in encoded([TextDelta("a"), Usage(1, 2), Finish("stop"), End()], usage=False)


def test_an_answer_without_words_still_says_its_role() -> None:
    (only,) = chunks(encoded([Finish("stop"), End()]))
    assert only.choices[0].delta.role == "assistant" and only.choices[0].finish_reason == "stop"


def test_choices_say_their_role_once_each() -> None:
    said = list(chunks(encoded([TextDelta("a"), TextDelta("b", 1), TextDelta("c"), End()])))
    assert [(c.index, c.delta.role) for chunk in said for c in chunk.choices] == [
        *((0, "assistant"), (1, "assistant"), (0, None)),
    ]


def test_a_failure_of_ours() -> None:
    wire = make("openai", stream="s1", created=CREATED)
    body = wire.opening() + wire.failed(outcome.complete(Error("stalled", "the backend fell silent")))
    with pytest.raises(openai.APIError) as raised:
        list(chunks(body))
    assert (raised.value.message, raised.value.code, raised.value.type) == (
        "the backend fell silent",
        "TIMEOUT",
        "stalled",
    )


@pytest.mark.parametrize(
    "shape, after_id, ping",
    [
        ("comment", False, b": ping\n\n"),
        ("comment-no-blank", False, b": ping\n"),
        ("auto", True, None),
        ("auto", False, None),
        ("event", False, None),
    ],
)
def test_a_ping(shape: str, after_id: bool, ping: bytes | None) -> None:
    wire = OpenAI("s1", CREATED)
    sent = wire.ping(shape, after_id)
    if ping is not None:
        assert sent == ping
    else:
        (chunk,) = chunks(sent + b"data: [DONE]\n\n")
        assert chunk.choices[0].delta.model_dump(exclude_none=True) == {}


def fixture_chunks(name: str) -> list[dict[str, Any]]:
    fixture = next(fixture for fixture in FIXTURES if fixture.name == name)
    lines = encoded(fixture.events).decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


FIELDS = {
    "annotations": ("openai-chat/sources.sse", "/choices/0/delta/annotations/0/type", "url_citation"),
    "citations": ("openai-chat/sources.sse", "/citations/0", "https://fern.example/a"),
    "search results": ("openai-chat/sources.sse", "/search_results/0/url", "https://fern.example/a"),
    "annotations of a part": ("openai-chat/content-of-many-kinds.sse", "/choices/0/delta/annotations/0/index", 1),
    "images of a part": ("openai-chat/content-of-many-kinds.sse", "/choices/0/delta/images/0/type", "image_url"),
    "logprobs with their words": ("openai-chat/logprobs.sse", "/choices/0/logprobs/content/0/token", "Low"),
    "what a call carries": (
        "openai-chat/tools-signed.sse",
        "/choices/0/delta/tool_calls/0/extra_content/google/thought_signature",
        "c2ln",
    ),
    "Gemini's signature of a call": (
        "gemini/signature-of-a-call.sse",
        "/choices/0/delta/tool_calls/0/extra_content/google/thought_signature",
        "c2ln",
    ),
    "what Anthropic read from its cache": ("anthropic/cache-written.sse", "/usage/prompt_tokens", 98),
    "what it wrote there": ("anthropic/cache-written.sse", "/usage/prompt_tokens_details/cache_write_tokens", 5),
    "thoughts of Gemini": ("gemini/thinking.sse", "/usage/completion_tokens", 6),
}


@pytest.mark.parametrize(("name", "pointer", "value"), FIELDS.values(), ids=FIELDS)
def test_what_the_format_has_a_field_for(name: str, pointer: str, value: object) -> None:
    assert value in [pointers.at(chunk, pointer) for chunk in fixture_chunks(name)]


def test_logprobs_come_in_the_chunk_of_their_words() -> None:
    (choice,) = [chunk["choices"][0] for chunk in fixture_chunks("openai-chat/logprobs.sse") if chunk["choices"]][:1]
    assert (choice["delta"]["content"], choice["logprobs"]["content"][0]["token"]) == ("Low", "Low")


def test_a_detail_alone_counts_nothing() -> None:
    assert not any(chunk.get("usage") for chunk in fixture_chunks("openai-chat/usage-of-a-detail.sse"))
