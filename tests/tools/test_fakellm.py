"""The fake backend by raw sockets: its bytes, its two HTTP versions, its faults, and what it witnesses."""

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from sidecar.tools.dialogue import TEXT, THOUGHT, Ask
from sidecar.tools.fakellm import FakeLLM

DEADLINE = 10
T = TypeVar("T")
TOOL = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def within(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, DEADLINE))


def request(path: str, body: object = None, *, version: str = "1.1", fake: str = "", close: bool = True) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/{version}\r\nhost: x\r\nx-fake: {fake}\r\n"
    closing = "connection: close\r\n" if close else ""
    return f"{head}{closing}content-length: {len(content)}\r\n\r\n".encode() + content


async def connect(llm: FakeLLM) -> Streams:
    return await asyncio.open_connection("127.0.0.1", llm.port)


async def ask(llm: FakeLLM, path: str, body: object = None, *, version: str = "1.1", fake: str = "") -> bytes:
    reader, writer = await connect(llm)
    writer.write(request(path, body, version=version, fake=fake))
    try:
        return await reader.read()
    finally:
        writer.close()


async def told(path: str, body: object = None, *, version: str = "1.1", fake: str = "") -> tuple[str, bytes]:
    """The head and the body, unchunked, that a fresh backend gives."""
    async with FakeLLM() as llm:
        head, _, rest = (await ask(llm, path, body, version=version, fake=fake)).partition(b"\r\n\r\n")
    return head.decode(), unchunked(rest) if b"chunked" in head else rest


def unchunked(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            return body
    raise AssertionError("no last chunk")


def sse(body: bytes) -> list[Any]:
    """The JSON of every `data:` line."""
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_openai_streams_its_text_and_its_usage_when_asked() -> None:
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    head, answer = within(told("/v1/chat/completions", body))
    assert "content-type: text/event-stream" in head and "transfer-encoding: chunked" in head
    assert answer.endswith(b"data: [DONE]\n\n")
    *chunks, last = sse(answer)
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == TEXT
    assert all(chunk["usage"] is None for chunk in chunks) and chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == len(chunks) - 2


def test_openai_says_no_usage_unasked_and_reasons_when_its_name_says_so() -> None:
    _, answer = within(told("/v1/chat/completions", {"model": "m-thinking", "stream": True}))
    chunks = sse(answer)
    assert not any("usage" in chunk for chunk in chunks)
    assert "".join(chunk["choices"][0]["delta"].get("reasoning_content", "") for chunk in chunks) == THOUGHT


def test_openai_calls_a_tool_in_fragments() -> None:
    body = {"stream": True, "tools": [{"type": "function", "function": TOOL}]}
    _, answer = within(told("/v1/chat/completions", body))
    calls = [call for chunk in sse(answer) for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert calls[0]["function"] == {"name": "get_weather", "arguments": ""} and len(calls) > 3
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"city": "Zürich"}


def test_a_tool_result_is_answered_in_words() -> None:
    said = [{"role": "user", "content": "?"}, {"role": "tool", "content": "21"}]
    body = {"tools": [{"type": "function", "function": TOOL}], "messages": said}
    _, answer = within(told("/v1/chat/completions", body))
    assert json.loads(answer)["choices"][0]["message"] == {"role": "assistant", "content": TEXT}


def test_anthropic_names_its_events_and_pings() -> None:
    _, answer = within(told("/v1/messages", {"model": "m-thinking", "stream": True, "max_tokens": 500}))
    names = re.findall(r"^event: (\w+)$", answer.decode(), re.M)
    assert names == [frame["type"] for frame in sse(answer)]
    assert names[:3] == ["message_start", "content_block_start", "ping"] and names[-1] == "message_stop"
    deltas = [frame["delta"] for frame in sse(answer) if frame["type"] == "content_block_delta"]
    assert "".join(delta.get("thinking", "") for delta in deltas) == THOUGHT
    assert "".join(delta.get("text", "") for delta in deltas) == TEXT


def test_anthropic_calls_a_tool_in_fragments() -> None:
    tool = {"name": "f", "input_schema": TOOL["parameters"]}
    _, answer = within(told("/v1/messages", {"stream": True, "tools": [tool]}))
    parts = [frame["delta"].get("partial_json", "") for frame in sse(answer) if frame["type"] == "content_block_delta"]
    assert len(parts) > 3 and json.loads("".join(parts)) == {"city": "Zürich"}
    assert sse(answer)[-2]["delta"]["stop_reason"] == "tool_use"


def test_responses_numbers_its_events_and_says_all_again_at_the_end() -> None:
    _, answer = within(told("/v1/responses", {"model": "m-thinking", "stream": True, "input": "?"}))
    frames = sse(answer)
    assert re.findall(r"^event: (.+)$", answer.decode(), re.M) == [frame["type"] for frame in frames]
    assert [frame["sequence_number"] for frame in frames] == list(range(len(frames)))
    deltas = [frame["delta"] for frame in frames if frame["type"] == "response.output_text.delta"]
    reasoning, message = frames[-1]["response"]["output"]
    assert "".join(deltas) == TEXT == message["content"][0]["text"]
    assert reasoning["summary"][0]["text"] == THOUGHT and frames[-1]["type"] == "response.completed"


def test_responses_calls_a_tool_in_fragments() -> None:
    body = {"stream": True, "tools": [{"type": "function", **TOOL}]}
    frames = sse(within(told("/v1/responses", body))[1])
    parts = [frame["delta"] for frame in frames if frame["type"] == "response.function_call_arguments.delta"]
    (call,) = frames[-1]["response"]["output"]
    assert (
        len(parts) > 3 and "".join(parts) == call["arguments"] and json.loads(call["arguments"]) == {"city": "Zürich"}
    )
    assert [frame["item"]["arguments"] for frame in frames if "item" in frame] == ["", call["arguments"]]


SAID = {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "fog"}]}]}
RESULTS = {
    "/v1/chat/completions": {"messages": [{"role": "tool", "content": "fog"}]},
    "/v1/responses": {"input": [{"type": "function_call_output", "call_id": "c", "output": "fog"}]},
    "/v1/messages": {"messages": [SAID]},
    "/api/chat": {"messages": [{"role": "tool", "content": "fog"}]},
    "/v1beta/models/m:streamGenerateContent": {
        "contents": [{"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "fog"}}}]}]
    },
}


@pytest.mark.parametrize("path", RESULTS)
def test_a_tools_result_is_repeated_when_asked_for(path: str) -> None:
    asked = RESULTS[path] | {"stream": True, "tools": [{"type": "function", **TOOL}]}
    assert b'"fog"' in within(told(path, asked, fake="repeat"))[1]
    assert b"promise" in within(told(path, asked))[1]


def test_a_prompt_names_the_tool_and_its_arguments() -> None:
    prompt = 'Be quick.\nCall read with {"path": "a/b"}'
    body = {"tools": [TOOL], "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}]}
    _, answer = within(told("/v1/messages", body))
    (called,) = json.loads(answer)["content"]
    assert (called["name"], called["input"]) == ("read", {"path": "a/b"})


def test_no_tool_is_called_when_none_may_be() -> None:
    body = {"stream": True, "tools": [{"type": "function", "function": TOOL}]}
    assert b"tool_calls" not in within(told("/v1/chat/completions", body, fake="calls=0"))[1]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_ollama_streams_lines_by_default(path: str) -> None:
    head, answer = within(told(path, {"model": "m"}))
    lines = [json.loads(line) for line in answer.splitlines()]
    assert "application/x-ndjson" in head and [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert "".join(line["response"] if "response" in line else line["message"]["content"] for line in lines) == TEXT


def test_gemini_ends_lines_with_crlf_and_says_no_last_word() -> None:
    _, answer = within(told("/v1beta/models/g:streamGenerateContent?alt=sse", {}))
    assert b"\n" not in answer.replace(b"\r\n", b"") and answer.endswith(b"\r\n\r\n")
    parts = [frame["candidates"][0]["content"]["parts"][0]["text"] for frame in sse(answer)]
    assert "".join(parts) == TEXT and sse(answer)[-1]["candidates"][0]["finishReason"] == "STOP"


def test_mixed_alternates_its_formats() -> None:
    _, answer = within(told("/mixed"))
    frames = [frame[6:] for frame in answer.decode().split("\n\n") if frame]
    objects = [json.loads(frame) for frame in frames if frame.startswith("{")]
    shapes = {tuple(sorted(shape)) for shape in objects}
    assert shapes == {("chunk", "type"), ("content",), ("data", "type"), ("done",)}
    assert any(not frame.startswith("{") for frame in frames) and frames[-1] == '{"done":true}'


def test_http_1_0_gets_no_chunks_and_the_close_ends_the_answer() -> None:
    head, answer = within(told("/mixed", version="1.0"))
    assert "chunked" not in head and "connection: close" in head and answer.endswith(b'data: {"done":true}\n\n')


def test_http_1_1_is_kept_alive_and_pipelined() -> None:
    async def scene() -> bytes:
        async with FakeLLM() as llm:
            reader, writer = await connect(llm)
            writer.write(request("/health", close=False) + request("/v1/models", close=False) + request("/nowhere"))
            answers = await reader.read()
            writer.close()
            return answers

    statuses = re.findall(rb"HTTP/1.1 (\d+)", within(scene()))
    assert statuses == [b"200", b"200", b"404"]


@pytest.mark.parametrize(
    ("fake", "tail"),
    [
        ("error-after=2", b'code":null}}\n\n'),
        ("rate-limit", b'"code":"rate_limit_exceeded"}}\n\n'),
        ("eof-after=0", b""),
        ("tokens=2; token-bytes=9", b"data: [DONE]\n\n"),
    ],
)
def test_a_switch_in_the_header_ends_the_stream_as_it_says(fake: str, tail: bytes) -> None:
    _, answer = within(told("/v1/chat/completions", {"stream": True}, fake=fake))
    assert answer.endswith(tail) and (tail or not answer)


def test_a_switch_in_the_models_name_makes_an_http_error() -> None:
    head, answer = within(told("/v1/messages", {"model": "m;status=529;retry-after=3", "stream": True}))
    assert head.startswith("HTTP/1.1 529 ") and "retry-after: 3" in head
    assert json.loads(answer)["error"]["type"] == "overloaded_error"


def test_a_cut_leaves_a_chunked_answer_without_its_end() -> None:
    async def scene() -> bytes:
        async with FakeLLM() as llm:
            return await ask(llm, "/mixed", fake="cut-after=3")

    answer = within(scene())
    assert b'{"chunk":"Every"' in answer and not answer.endswith(b"0\r\n\r\n")


def test_a_reset_is_a_reset() -> None:
    async def scene() -> None:
        async with FakeLLM() as llm:
            await ask(llm, "/mixed", fake="reset-after=0")

    with pytest.raises(ConnectionResetError):
        within(scene())


async def leaves(llm: FakeLLM, fake: str, read: int, path: str = "/mixed") -> dict[str, Any]:
    """A client that leaves after so many bytes; the backend's own record of it, as `/witness` gives it."""
    reader, writer = await connect(llm)
    writer.write(request(path, close=False, fake=fake))
    await writer.drain()
    await reader.readexactly(read)
    await llm.begun(1)
    writer.close()
    await llm.ended(1)
    records: list[dict[str, Any]] = json.loads((await ask(llm, "/witness")).partition(b"\r\n\r\n")[2])
    return records[0]


@pytest.mark.parametrize(
    ("fake", "read"),
    [("silence=60", 0), ("think=60", 50), ("stall-after=2", 50), ("pace=5; tokens=90", 50)],
)
def test_a_client_that_leaves_is_seen_at_once(fake: str, read: int) -> None:
    async def scene() -> tuple[dict[str, Any], list[str]]:
        lines: list[str] = []
        async with FakeLLM(say=lines.append) as llm:
            return await leaves(llm, fake, read), lines

    record, lines = within(scene())
    assert record["state"] == "cancelled" and record["cancelled_at"] == record["ended_at"] and record["seconds"] < 5
    assert len(lines) == 1 and lines[0].startswith("backend: request 1 cancelled by its client ")


def test_a_client_that_does_not_read_holds_the_backend_and_its_leaving_is_seen() -> None:
    async def scene() -> dict[str, Any]:
        async with FakeLLM() as llm:
            return await leaves(llm, "tokens=100000; token-bytes=10000", 50)

    record = within(scene())
    assert record["state"] == "cancelled" and 0 < record["tokens"] < 10000


def test_gaps_are_human_and_the_same_in_every_request() -> None:
    ask = Ask(1, "/mixed", "", "m", {}, {}, 1)
    llm = FakeLLM(pace=0.01)
    first, second = ([gap() for gap in [llm.gaps(ask)] * 12] for _ in range(2))
    assert first == second and 0.005 <= min(first) < max(first) - 0.002 and max(first) <= 0.015


def test_a_token_waits_for_its_gap() -> None:
    async def scene() -> list[float]:
        async with FakeLLM(pace=0.01) as llm:
            await ask(llm, "/mixed", fake="tokens=12")
        return llm.records[0].sent_at

    sent = within(scene())
    assert all(b - a > 0.004 for a, b in zip(sent, sent[1:], strict=False))
