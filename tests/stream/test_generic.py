"""Streams of dialects that have no module, read by their names: own texts in the shapes that are published.

Each row is what a reader should get: text, reasoning, calls, why it finished, (input, output) tokens, and what failed.
"""

import base64
import json
from typing import Any, NamedTuple

import pytest

from sidecar.stream.events import (
    End,
    Error,
    Event,
    Extension,
    Finish,
    ReasoningDelta,
    Status,
    TextDelta,
    ToolCallEnd,
    Usage,
)
from sidecar.stream.parser import StreamParser
from tests.stream.reading import assert_one_life, by, read


class Row(NamedTuple):
    """A stream and what it says."""

    body: str
    text: str
    reasoning: str = ""
    calls: list[tuple[str, Any]] = []
    finish: str = "stop"
    usage: tuple[int | None, int | None] | None = None
    error: str = ""


def sse(*frames: Any) -> str:
    """Events: an object is `data:`, a pair is a name and data (None: no data), text that has a line end is as it is."""
    return "".join(map(_block, frames))


def _block(frame: Any) -> str:
    if isinstance(frame, str) and "\n" in frame:
        return frame
    name, data = frame if isinstance(frame, tuple) else ("", frame)
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {name}\n" if name else "") + (f"data: {text}\n" if data is not None else "") + "\n"


def lines(*frames: Any) -> str:
    return "".join(json.dumps(frame, ensure_ascii=False) + "\n" for frame in frames)


def chunk(text: str, **more: Any) -> dict[str, Any]:
    """LangChain's message chunk."""
    return {"content": text, "additional_kwargs": {}, "response_metadata": {}, "type": "AIMessageChunk", **more}


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
DELTA = {"choices": [{"index": 0, "delta": {"content": "Fen"}, "finish_reason": None}]}
STOP = {"choices": [{"index": 0, "delta": {"content": "land"}, "finish_reason": "stop"}], "usage": USAGE}

ROWS = {
    # ---- vendors
    "anthropic text completions": Row(
        sse(
            ("completion", {"type": "completion", "completion": " Fen", "stop_reason": None, "model": "old-2"}),
            ("ping", {}),
            ("completion", {"type": "completion", "completion": "land", "stop_reason": None, "model": "old-2"}),
            ("completion", {"type": "completion", "completion": "", "stop_reason": "max_tokens", "model": "old-2"}),
        ),
        " Fenland",
        finish="length",
    ),
    "aleph alpha": Row(
        sse(
            {"type": "stream_chunk", "index": 0, "completion": "Fen"},
            {"type": "stream_chunk", "index": 0, "completion": "land"},
            {"type": "stream_summary", "index": 0, "model_version": "1", "finish_reason": "maximum_tokens"},
            {"type": "completion_summary", "num_tokens_prompt_total": 5, "num_tokens_generated": 2},
            "[DONE]",
        ),
        "Fenland",
        finish="length",
        usage=(5, 2),
    ),
    "baidu": Row(
        sse(
            {"id": "as-1", "object": "chat.completion", "sentence_id": 0, "is_end": False, "result": "Fen"},
            {
                **{"id": "as-1", "object": "chat.completion", "sentence_id": 1, "is_end": True, "result": "land"},
                **{"is_truncated": False, "finish_reason": "normal", "usage": USAGE},
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "baidu error": Row(
        sse({"error_code": 17, "error_msg": "Open api daily request limit reached"}),
        "",
        error="Open api daily request limit reached",
    ),
    "hunyuan": Row(
        sse(
            {"Id": "h1", "Choices": [{"Delta": {"Role": "assistant", "Content": "Fen"}, "FinishReason": ""}]},
            {
                "Id": "h1",
                "Choices": [{"Delta": {"Role": "assistant", "Content": "land"}, "FinishReason": "stop"}],
                "Usage": {"PromptTokens": 5, "CompletionTokens": 2, "TotalTokens": 7},
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "hunyuan tools": Row(
        sse(
            {
                "Choices": [
                    {
                        "Delta": {
                            "ToolCalls": [
                                {"Index": 0, "Id": "c1", "Function": {"Name": "tide", "Arguments": '{"port":'}}
                            ]
                        }
                    }
                ]
            },
            {
                "Choices": [
                    {
                        "Delta": {"ToolCalls": [{"Index": 0, "Function": {"Arguments": '"Ely"}'}}]},
                        "FinishReason": "tool_calls",
                    }
                ]
            },
        ),
        "",
        calls=[("tide", {"port": "Ely"})],
        finish="tool_calls",
    ),
    "minimax with the whole at the end": Row(
        sse(
            {"id": "1", "choices": [{"index": 0, "delta": {"content": "Fen"}}], "object": "chat.completion.chunk"},
            {"id": "1", "choices": [{"index": 0, "delta": {"content": "land"}}], "object": "chat.completion.chunk"},
            {
                "choices": [
                    {"finish_reason": "stop", "index": 0, "message": {"content": "Fenland", "role": "assistant"}}
                ],
                "object": "chat.completion",
                "usage": USAGE,
                "base_resp": {"status_code": 0, "status_msg": ""},
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "minimax error": Row(
        sse({"base_resp": {"status_code": 1004, "status_msg": "login fail"}, "choices": None}), "", error="login fail"
    ),
    "spark": Row(
        sse(
            {"code": 0, "message": "Success", "sid": "s", "choices": [{"delta": {"content": "Fen"}, "index": 0}]},
            {"code": 0, "message": "Success", "sid": "s", "choices": [{"delta": {"content": "land"}, "index": 0}]},
            "[DONE]",
        ),
        "Fenland",
    ),
    "spark error": Row(sse({"code": 10013, "message": "input is refused", "sid": "s"}), "", error="input is refused"),
    "zhipu of old": Row(
        "event:add\nid:1\ndata:Fen\n\nevent:add\nid:1\ndata:land\n\nevent:finish\nid:1\ndata:\nmeta:{}\n\n", "Fenland"
    ),
    "volcengine of old": Row(
        sse(
            {"req_id": "r", "choice": {"message": {"role": "assistant", "content": "Fen"}}},
            {"req_id": "r", "choice": {"message": {"content": "land"}, "finish_reason": "stop"}, "usage": USAGE},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "coze": Row(
        sse(
            ("conversation.chat.created", {"id": "1", "conversation_id": "2", "status": "created"}),
            ("conversation.chat.in_progress", {"id": "1", "status": "in_progress"}),
            ("conversation.message.delta", {"id": "m", "role": "assistant", "type": "answer", "content": "Fen"}),
            ("conversation.message.delta", {"id": "m", "role": "assistant", "type": "answer", "content": "land"}),
            (
                "conversation.message.completed",
                {"id": "m", "role": "assistant", "type": "answer", "content": "Fenland"},
            ),
            ("conversation.message.completed", {"id": "v", "role": "assistant", "type": "verbose", "content": "{}"}),
            (
                "conversation.message.completed",
                {"id": "f", "role": "assistant", "type": "follow_up", "content": "Why?"},
            ),
            (
                "conversation.chat.completed",
                {"id": "1", "status": "completed", "usage": {"token_count": 7, "output_count": 2, "input_count": 5}},
            ),
            ("done", '"[DONE]"'),
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "coze failed": Row(
        sse(
            ("conversation.message.delta", {"id": "m", "role": "assistant", "type": "answer", "content": "Fen"}),
            ("conversation.chat.failed", {"id": "1", "status": "failed", "last_error": {"code": 5000, "msg": "no"}}),
        ),
        "Fen",
        error="no",
    ),
    "reka": Row(
        sse(
            {"id": "r", "responses": [{"chunk": {"content": "Fen", "role": "assistant"}, "finish_reason": None}]},
            {
                "id": "r",
                "responses": [{"chunk": {"content": "Fenland is", "role": "assistant"}, "finish_reason": None}],
            },
            {
                "id": "r",
                "responses": [{"chunk": {"content": "Fenland is wet", "role": "assistant"}, "finish_reason": "stop"}],
                "usage": {"input_tokens": 5, "output_tokens": 2},
            },
        ),
        "Fenland is wet",
        usage=(5, 2),
    ),
    "oracle": Row(
        sse(
            {"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Fen"}]}, "pad": "aa"},
            {"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "land"}]}, "pad": "a"},
            {"finishReason": "stop", "pad": "aaa"},
        ),
        "Fenland",
    ),
    "oracle with cohere": Row(
        sse(
            {"apiFormat": "COHERE", "text": "Fen"},
            {"apiFormat": "COHERE", "text": "land"},
            {"apiFormat": "COHERE", "text": "Fenland", "finishReason": "COMPLETE", "chatHistory": [{"message": "hi"}]},
        ),
        "Fenland",
    ),
    "inflection": Row(
        sse({"created": 1.5, "idx": 0, "text": "Fen"}, {"created": 1.6, "idx": 1, "text": "land"}, "[DONE]"), "Fenland"
    ),
    "you.com": Row(
        sse(
            ("youChatToken", {"youChatToken": "Fen"}),
            ("youChatToken", {"youChatToken": "land"}),
            ("done", "That was all."),
        ),
        "Fenland",
    ),
    "poe": Row(
        sse(
            ("meta", {"content_type": "text/markdown"}),
            ("text", {"text": "Fen"}),
            ("text", {"text": "land"}),
            ("suggested_reply", {"text": "Why?"}),
            ("done", {}),
        ),
        "Fenland",
    ),
    "poe error": Row(
        sse(("text", {"text": "Fen"}), ("error", {"allow_retry": False, "text": "the bot is ill"})),
        "Fen",
        error="the bot is ill",
    ),
    "lmi": Row(lines({"outputs": ["Fen"]}, {"outputs": ["land"]}, {"outputs": [""], "done": True}), "Fenland"),
    # ---- servers
    "text-generation-webui of old": Row(
        lines(
            {"event": "text_stream", "message_num": 0, "text": "Fen"},
            {"event": "text_stream", "message_num": 1, "text": "land"},
            {"event": "stream_end", "message_num": 2},
        ),
        "Fenland",
    ),
    "lmdeploy": Row(
        sse(
            {"text": "Fen", "tokens": 1, "input_tokens": 5, "history_tokens": 0, "finish_reason": None},
            {"text": "land", "tokens": 2, "input_tokens": 5, "history_tokens": 0, "finish_reason": "stop"},
        ),
        "Fenland",
        usage=(5, None),
    ),
    "camel case": Row(
        sse(
            {"outputText": "Fen", "isFinished": False},
            {"outputText": "land", "isFinished": True, "tokenUsage": {"inputTokens": 5, "outputTokens": 2}},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    # ---- frameworks
    "fastgpt": Row(
        sse(
            ("flowNodeStatus", {"status": "running", "name": "AI"}),
            ("answer", DELTA),
            ("answer", STOP),
            ("answer", "[DONE]"),
            ("flowResponses", [{"moduleName": "AI", "textOutput": "Fenland"}]),
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "flowise": Row(
        "".join(
            f"message:\ndata:{json.dumps({'event': event, 'data': data})}\n\n"
            for event, data in (
                ("start", ""),
                ("token", "Fen"),
                ("token", "land"),
                ("sourceDocuments", [{"pageContent": "p"}]),
                ("metadata", {"chatId": "c", "question": "q"}),
                ("end", "[DONE]"),
            )
        ),
        "Fenland",
    ),
    "langserve text": Row(
        sse(("metadata", {"run_id": "r"}), ("data", '"Fen"'), ("data", '"la\\n"'), ("data", '"nd"'), ("end", None)),
        "Fenla\nnd",
    ),
    "langserve messages": Row(
        sse(
            ("metadata", {"run_id": "r"}),
            ("data", chunk("Fen")),
            ("data", chunk("land", response_metadata={"finish_reason": "stop"})),
            ("data", chunk("", usage_metadata={"input_tokens": 5, "output_tokens": 2, "total_tokens": 7})),
            ("end", None),
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "langserve error": Row(
        sse(("data", '"Fen"'), ("error", {"status_code": 500, "message": "Internal Server Error"})),
        "Fen",
        error="Internal Server Error",
    ),
    "langgraph": Row(
        sse(
            ("metadata", {"run_id": "r", "attempt": 1}),
            ("messages", [chunk("Fen", id="run-1"), {"langgraph_node": "agent", "langgraph_step": 1}]),
            ("messages", [chunk("land", id="run-1"), {"langgraph_node": "agent"}]),
            ("messages", [chunk("", response_metadata={"finish_reason": "stop"}), {"langgraph_node": "agent"}]),
            ("end", None),
        ),
        "Fenland",
    ),
    "langchain events": Row(
        lines(
            {"event": "on_chain_start", "name": "Seq", "run_id": "a", "data": {"input": "q"}},
            {"event": "on_chat_model_start", "name": "Chat", "run_id": "b", "data": {"input": {"messages": [[]]}}},
            {"event": "on_chat_model_stream", "name": "Chat", "run_id": "b", "data": {"chunk": chunk("Fen")}},
            {"event": "on_parser_stream", "name": "Str", "run_id": "c", "data": {"chunk": "Fen"}},
            {"event": "on_chain_stream", "name": "Seq", "run_id": "a", "data": {"chunk": "Fen"}},
            {"event": "on_chat_model_stream", "name": "Chat", "run_id": "b", "data": {"chunk": chunk("land")}},
            {"event": "on_chain_stream", "name": "Seq", "run_id": "a", "data": {"chunk": "land"}},
            {
                "event": "on_chat_model_stream",
                "name": "Chat",
                "run_id": "b",
                "data": {"chunk": chunk("", response_metadata={"finish_reason": "stop"})},
            },
            {"event": "on_chat_model_end", "name": "Chat", "run_id": "b", "data": {"output": chunk("Fenland")}},
            {"event": "on_chain_end", "name": "Seq", "run_id": "a", "data": {"output": "Fenland"}},
        ),
        "Fenland",
    ),
    "langchain tools": Row(
        sse(
            chunk(
                "",
                tool_call_chunks=[{"name": "tide", "args": "", "id": "c1", "index": 0}],
                tool_calls=[{"name": "tide", "args": {}, "id": "c1"}],
            ),
            chunk("", tool_call_chunks=[{"name": None, "args": '{"port":', "id": None, "index": 0}]),
            chunk("", tool_call_chunks=[{"name": None, "args": '"Ely"}', "id": None, "index": 0}]),
            chunk("", response_metadata={"finish_reason": "tool_calls"}),
        ),
        "",
        calls=[("tide", {"port": "Ely"})],
        finish="tool_calls",
    ),
    "langchain, serialised": Row(
        sse(
            {"lc": 1, "type": "constructor", "id": ["x", "AIMessageChunk"], "kwargs": {"content": "Fen"}},
            {"lc": 1, "type": "constructor", "id": ["x", "AIMessageChunk"], "kwargs": {"content": "land"}},
            "[DONE]",
        ),
        "Fenland",
    ),
    "llamaindex agent": Row(
        sse(
            {
                "value": {"delta": "Fen", "response": "Fen", "current_agent_name": "A"},
                "qualified_name": "w.AgentStream",
            },
            {
                "value": {"delta": "land", "response": "Fenland", "current_agent_name": "A"},
                "qualified_name": "w.AgentStream",
            },
            "[DONE]",
        ),
        "Fenland",
    ),
    "pydantic ai events": Row(
        sse(
            {"index": 0, "part": {"content": "", "part_kind": "thinking"}, "event_kind": "part_start"},
            {"index": 0, "delta": {"content_delta": "Wet?", "part_delta_kind": "thinking"}, "event_kind": "part_delta"},
            {"index": 1, "part": {"content": "Fen", "part_kind": "text"}, "event_kind": "part_start"},
            {"index": 1, "delta": {"content_delta": "land", "part_delta_kind": "text"}, "event_kind": "part_delta"},
            {"result": {"output": "Fenland"}, "event_kind": "agent_run_result"},
            "[DONE]",
        ),
        "Fenland",
        "Wet?",
    ),
    "mastra": Row(
        sse(
            {"type": "start", "runId": "r", "from": "AGENT", "payload": {"id": "a"}},
            {"type": "step-start", "runId": "r", "from": "AGENT", "payload": {"messageId": "m"}},
            {"type": "text-delta", "runId": "r", "from": "AGENT", "payload": {"id": "t", "text": "Fen"}},
            {"type": "text-delta", "runId": "r", "from": "AGENT", "payload": {"id": "t", "text": "land"}},
            {
                "type": "tool-call",
                "runId": "r",
                "from": "AGENT",
                "payload": {"toolCallId": "c1", "toolName": "tide", "args": {"port": "Ely"}},
            },
            {
                "type": "finish",
                "runId": "r",
                "from": "AGENT",
                "payload": {
                    "stepResult": {"reason": "tool-calls"},
                    "output": {"usage": {"inputTokens": 5, "outputTokens": 2}},
                },
            },
            "[DONE]",
        ),
        "Fenland",
        calls=[("tide", {"port": "Ely"})],
        finish="tool_calls",
        usage=(5, 2),
    ),
    "ai sdk's full stream": Row(
        sse(
            {"type": "start"},
            {"type": "reasoning-delta", "id": "0", "text": "Wet?"},
            {"type": "text-delta", "id": "1", "text": "Fen"},
            {"type": "text-delta", "id": "1", "textDelta": "land"},
            {"type": "finish", "finishReason": "length", "totalUsage": {"inputTokens": 5, "outputTokens": 2}},
        ),
        "Fenland",
        "Wet?",
        finish="length",
        usage=(5, 2),
    ),
    "letta": Row(
        sse(
            {"id": "1", "message_type": "reasoning_message", "reasoning": "Wet?", "source": "reasoner_model"},
            {
                "id": "1",
                "message_type": "tool_call_message",
                "tool_call": {"name": "tide", "arguments": '{"port":"Ely"}', "tool_call_id": "c1"},
            },
            {"id": "1", "message_type": "tool_return_message", "tool_return": "high", "status": "success"},
            {"message_type": "ping"},
            {"id": "2", "message_type": "assistant_message", "content": "Fen"},
            {"id": "2", "message_type": "assistant_message", "content": [{"type": "text", "text": "land"}]},
            {"message_type": "stop_reason", "stop_reason": "end_turn"},
            {"message_type": "usage_statistics", "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
            "[DONE]",
        ),
        "Fenland",
        "Wet?",
        calls=[("tide", {"port": "Ely"})],
        finish="tool_calls",
        usage=(5, 2),
    ),
    "adk": Row(
        sse(
            {"content": {"parts": [{"text": "Fen"}], "role": "model"}, "partial": True, "author": "a", "id": "1"},
            {"content": {"parts": [{"text": "land"}], "role": "model"}, "partial": True, "author": "a", "id": "1"},
            {
                "content": {"parts": [{"text": "Fenland"}], "role": "model"},
                "author": "a",
                "finishReason": "STOP",
                "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2},
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "a2a": Row(
        sse(
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {"kind": "status-update", "status": {"state": "working"}, "final": False},
            },
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {"kind": "artifact-update", "artifact": {"parts": [{"kind": "text", "text": "Fen"}]}},
            },
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {
                    "kind": "artifact-update",
                    "artifact": {"parts": [{"kind": "text", "text": "land"}]},
                    "append": True,
                },
            },
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {"kind": "status-update", "status": {"state": "completed"}, "final": True},
            },
        ),
        "Fenland",
    ),
    "agents sdk": Row(
        sse(
            {
                "type": "raw_response_event",
                "data": {"type": "response.output_text.delta", "output_index": 0, "delta": "Fen"},
            },
            {
                "type": "raw_response_event",
                "data": {"type": "response.output_text.delta", "output_index": 0, "delta": "land"},
            },
            {
                "type": "raw_response_event",
                "data": {
                    "type": "response.completed",
                    "response": {"status": "completed", "usage": {"input_tokens": 5, "output_tokens": 2}},
                },
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "claude code": Row(
        lines(
            {"type": "system", "subtype": "init", "session_id": "s"},
            {
                "type": "stream_event",
                "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Fen"}},
            },
            {
                "type": "stream_event",
                "event": {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "land"}},
            },
            {
                "type": "stream_event",
                "event": {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"input_tokens": 5, "output_tokens": 2},
                },
            },
            {"type": "stream_event", "event": {"type": "message_stop"}},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "home-made frames between anthropic's": Row(
        sse(
            ("message_start", {"type": "message_start", "message": {"id": "m", "model": "fern-1"}}),
            ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Fe"}}),
            {"chunk": "n", "type": "text"},
            {"type": "chunk", "data": {"content": "la", "index": 0}},
            {"content": "n"},
            ("content_block_delta", {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "d"}}),
            ("vertex_event", {"type": "vertex_event"}),
            ("message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
            ("message_stop", {"type": "message_stop"}),
        ),
        "Fenland",
    ),
    # ---- agents
    "bedrock, printed": Row(
        sse(
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "Fenland"}, "contentBlockIndex": 0}},
            {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "c1", "name": "tide"}}, "contentBlockIndex": 1}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"port":"Ely"}'}}, "contentBlockIndex": 1}},
            {"contentBlockStop": {"contentBlockIndex": 1}},
            {"messageStop": {"stopReason": "tool_use"}},
            {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, "metrics": {}}},
        ),
        "Fenland",
        calls=[("tide", {"port": "Ely"})],
        finish="tool_calls",
        usage=(5, 2),
    ),
    "bedrock, printed in events": Row(
        sse(
            {"event": {"contentBlockDelta": {"delta": {"text": "Fen"}, "contentBlockIndex": 0}}},
            {"event": {"contentBlockDelta": {"delta": {"text": "land"}, "contentBlockIndex": 0}}},
            {"event": {"messageStop": {"stopReason": "end_turn"}}},
            {"event": {"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, "metrics": {}}}},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "autogen": Row(
        sse(
            {"source": "assistant", "type": "ModelClientStreamingChunkEvent", "content": "Fen", "models_usage": None},
            {"source": "assistant", "type": "ModelClientStreamingChunkEvent", "content": "land", "models_usage": None},
            {"source": "assistant", "type": "TextMessage", "content": "Fenland", "models_usage": USAGE},
            {"type": "TaskResult", "stop_reason": "stop"},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "agno": Row(
        sse(
            {"event": "RunContent", "content": "Fen"},
            {"event": "RunContent", "content": "land"},
            {"event": "RunCompleted", "content": "Fenland", "metrics": {"input_tokens": 5, "output_tokens": 2}},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "crewai": Row(
        sse(
            {"type": "llm_stream_chunk", "chunk": "Fen", "tool_call": None},
            {"type": "llm_stream_chunk", "chunk": "land", "tool_call": None},
            {"type": "llm_call_completed", "response": "Fenland"},
            {"type": "crew_kickoff_completed", "output": "Fenland"},
        ),
        "Fenland",
    ),
    "adk in one part": Row(
        lines(
            {"content": {"parts": [{"text": "Fenland"}], "role": "model"}, "partial": True, "author": "a"},
            {"content": {"parts": [{"text": "Fenland"}], "role": "model"}, "author": "a", "finishReason": "STOP"},
        ),
        "Fenland",
    ),
    "images": Row(
        sse(
            ("image_generation.partial_image", {"type": "image_generation.partial_image", "b64_json": "AA"}),
            (
                "image_generation.completed",
                {"type": "image_generation.completed", "b64_json": "BB", "usage": {"input_tokens": 5}},
            ),
        ),
        "",
        usage=(5, None),
    ),
    "speech": Row(
        sse(
            {"type": "speech.audio.delta", "audio": "AA"},
            {"type": "speech.audio.done", "usage": {"input_tokens": 5, "output_tokens": 2}},
        ),
        "",
        usage=(5, 2),
    ),
    # ---- chats and platforms
    "coze of old": Row(
        sse(
            {
                "event": "message",
                "message": {"role": "assistant", "type": "answer", "content": "Fen"},
                "is_finish": False,
            },
            {
                "event": "message",
                "message": {"role": "assistant", "type": "answer", "content": "land"},
                "is_finish": True,
            },
            {"event": "message", "message": {"role": "assistant", "type": "follow_up", "content": "Why?"}},
            {"event": "done"},
        ),
        "Fenland",
    ),
    "coze of old failed": Row(
        sse({"event": "error", "error_information": {"err_code": 7, "err_msg": "no such bot"}}), "", error="no such bot"
    ),
    "ragflow": Row(
        sse(
            {"code": 0, "message": "", "data": {"answer": "Fen", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "Fenland", "reference": {}}},
            {"code": 0, "message": "", "data": True},
        ),
        "Fenland",
    ),
    "ragflow, short at first": Row(
        sse(
            {"code": 0, "message": "", "data": {"answer": "潮", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "潮水", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "潮水高。很", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "潮水高 [ID:0]。很", "reference": {}}},
            {"code": 0, "message": "", "data": True},
        ),
        "潮水高。很",
    ),
    "ragflow that was told to send what is new": Row(
        sse(
            {"code": 0, "message": "", "data": {"answer": "ha", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "ha", "reference": {}}},
            {"code": 0, "message": "", "data": {"answer": "!", "reference": {}}},
            {"code": 0, "message": "", "data": True},
        ),
        "haha!",
    ),
    "ragflow failed": Row(
        sse({"code": 500, "message": "it broke", "data": {"answer": "**ERROR**: it broke", "reference": []}}),
        "",
        error="it broke",
    ),
    "anythingllm": Row(
        sse(
            {"uuid": "u", "type": "textResponseChunk", "textResponse": "Fen", "close": False, "error": False},
            {"uuid": "u", "type": "textResponseChunk", "textResponse": "land", "close": False, "error": False},
            {"uuid": "u", "type": "finalizeResponseStream", "close": True, "error": False, "metrics": USAGE},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "maxkb": Row(
        sse(
            {"chat_id": "c", "content": "Fen", "is_end": False},
            {"chat_id": "c", "content": "land", "is_end": False},
            {"chat_id": "c", "content": "", "is_end": True, "completion_tokens": 2, "prompt_tokens": 5},
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "librechat": Row(
        sse(
            ("message", {"created": True, "message": {"text": "hi", "sender": "User", "isCreatedByUser": True}}),
            ("message", {"event": "on_run_step", "data": {"type": "message_creation"}}),
            (
                "message",
                {"event": "on_message_delta", "data": {"delta": {"content": [{"type": "text", "text": "Fen"}]}}},
            ),
            (
                "message",
                {"event": "on_message_delta", "data": {"delta": {"content": [{"type": "text", "text": "land"}]}}},
            ),
            ("message", {"final": True, "requestMessage": {"text": "hi"}, "responseMessage": {"text": "Fenland"}}),
        ),
        "Fenland",
    ),
    "langflow": Row(
        lines(
            {"event": "add_message", "data": {"text": "hi", "sender": "User"}},
            {"event": "token", "data": {"chunk": "Fen", "id": "x"}},
            {"event": "token", "data": {"chunk": "land", "id": "x"}},
            {"event": "add_message", "data": {"text": "Fenland", "sender": "Machine"}},
            {"event": "end", "data": {"result": {}}},
        ),
        "Fenland",
    ),
    "chainlit": Row(
        sse(
            {"event": "new_message", "data": {"output": "", "type": "assistant_message"}},
            {"event": "stream_token", "data": {"token": "Fen", "isSequence": False}},
            {"event": "stream_token", "data": {"token": "land", "isSequence": False}},
            {"event": "task_end", "data": {}},
        ),
        "Fenland",
    ),
    "voiceflow": Row(
        sse(
            ("trace", {"type": "completion", "payload": {"state": "start"}}),
            ("trace", {"type": "completion", "payload": {"state": "content", "content": "Fen"}}),
            ("trace", {"type": "completion", "payload": {"state": "content", "content": "land"}}),
            ("trace", {"type": "completion", "payload": {"state": "end"}}),
            ("end", {}),
        ),
        "Fenland",
    ),
    "haystack": Row(
        sse(
            {"content": "Fen", "meta": {"model": "m", "finish_reason": None}},
            {"content": "land", "meta": {"finish_reason": "length", "usage": USAGE}},
        ),
        "Fenland",
        finish="length",
        usage=(5, 2),
    ),
    "a chat's replies so far": Row(
        lines(
            {"replies": [{"text": "Fen", "id": 1}], "is_final_chunk": False},
            {"replies": [{"text": "Fenland", "id": 1}], "is_final_chunk": True},
        ),
        "Fenland",
    ),
    "a chat's message so far": Row(
        sse(
            {"message": {"author": {"role": "assistant"}, "content": {"parts": ["Fen"]}, "status": "in_progress"}},
            {"message": {"author": {"role": "assistant"}, "content": {"parts": ["Fenland"]}, "end_turn": True}},
            "[DONE]",
        ),
        "Fenland",
    ),
    "padded tokens and a final answer": Row(
        lines(
            {"type": "status", "status": "started"},
            {"type": "stream", "token": "Fen" + chr(0) * 3},
            {"type": "stream", "token": "land" + chr(0) * 2},
            {"type": "finalAnswer", "text": "Fenland", "interrupted": False},
        ),
        "Fenland",
    ),
    "langgraph updates": Row(
        sse(
            ("metadata", {"run_id": "r"}),
            ("updates", {"agent": {"messages": [{"content": "Fenland", "type": "ai", "id": "x"}]}}),
            ("end", None),
        ),
        "Fenland",
    ),
    "langgraph values": Row(
        sse(
            ("values", {"messages": [{"content": "hi", "type": "human"}]}),
            ("values", {"messages": [{"content": "hi", "type": "human"}, {"content": "Fenland", "type": "ai"}]}),
            ("end", None),
        ),
        "Fenland",
    ),
    "langgraph with the question first": Row(
        sse(
            ("messages", [{"content": "hi", "type": "human"}, {}]),
            ("messages", [chunk("Fen"), {"langgraph_node": "agent"}]),
            ("messages", [{"content": "high", "type": "tool"}, {}]),
            ("messages", [chunk("land"), {"langgraph_node": "agent"}]),
            ("end", None),
        ),
        "Fenland",
    ),
    "langgraph failed": Row(
        sse(("messages", [chunk("Fen"), {}]), ("error", {"error": "ValueError", "message": "it broke"})),
        "Fen",
        error="it broke",
    ),
    "langserve log": Row(
        sse(
            ("data", {"ops": [{"op": "replace", "path": "", "value": {"id": "x", "streamed_output": []}}]}),
            ("data", {"ops": [{"op": "add", "path": "/streamed_output/-", "value": "Fen"}]}),
            ("data", {"ops": [{"op": "add", "path": "/streamed_output/-", "value": chunk("land")}]}),
            ("end", None),
        ),
        "Fenland",
    ),
    "mcp": Row(
        sse(
            ("message", {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}),
            ("message", {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "Fenland"}]}}),
        ),
        "Fenland",
    ),
    "sensenova": Row(
        sse(
            {
                "data": {"id": "x", "choices": [{"index": 0, "delta": "Fen", "finish_reason": ""}]},
                "status": {"code": 0},
            },
            {"data": {"choices": [{"index": 0, "delta": "land", "finish_reason": "stop"}], "usage": USAGE}},
            "[DONE]",
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "hunyuan failed": Row(
        sse(
            {"Choices": [{"Delta": {"Content": "Fen"}, "FinishReason": ""}]},
            {"Choices": [], "ErrorMsg": {"Msg": "it broke", "Code": 5000}},
        ),
        "Fen",
        error="it broke",
    ),
    "spark over a socket": Row(
        lines(
            {"header": {"code": 0, "status": 0}, "payload": {"choices": {"status": 0, "text": [{"content": "Fen"}]}}},
            {
                "header": {"code": 0, "status": 2},
                "payload": {"choices": {"status": 2, "text": [{"content": "land"}]}, "usage": {"text": USAGE}},
            },
        ),
        "Fenland",
        usage=(5, 2),
    ),
    "clarifai": Row(
        lines(
            {"status": {"code": 10000}, "outputs": [{"data": {"text": {"raw": "Fen"}}}]},
            {"status": {"code": 10000}, "outputs": [{"data": {"text": {"raw": "land"}}}], "done": True},
        ),
        "Fenland",
    ),
    "palm": Row(
        sse(
            {"candidates": [{"author": "1", "content": "Fen"}]},
            {"candidates": [{"author": "1", "content": "land"}]},
            "[DONE]",
        ),
        "Fenland",
    ),
    "predictions": Row(lines({"predictions": ["Fen"]}, {"predictions": ["land"], "done": True}), "Fenland"),
    "base64": Row(
        sse(*(base64.b64encode(json.dumps(frame).encode()).decode() for frame in (DELTA, STOP)), "[DONE]"),
        "Fenland",
        usage=(5, 2),
    ),
    "fastapi's error": Row(sse({"text": "Fen"}, {"detail": "it broke"}), "Fen", error="it broke"),
    # ---- home-made kinds
    "a chunk in an envelope with a code": Row(
        sse({"code": 0, "msg": "ok", "data": DELTA}, {"code": 0, "msg": "ok", "data": STOP}, "[DONE]"),
        "Fenland",
        usage=(5, 2),
    ),
    "a chunk as a string": Row(
        sse({"data": json.dumps(DELTA)}, {"data": json.dumps(STOP)}, {"data": "[DONE]", "done": True}),
        "Fenland",
        usage=(5, 2),
    ),
    "text in an envelope with a code": Row(
        sse(
            {"code": 200, "message": "success", "data": {"text": "Fen"}},
            {"code": 200, "message": "success", "data": {"text": "land", "is_end": True}},
        ),
        "Fenland",
    ),
    "a code that is no success": Row(
        sse({"code": 0, "data": {"text": "Fen"}}, {"code": 40001, "message": "out of quota", "data": None}),
        "Fen",
        error="out of quota",
    ),
    "no success": Row(sse({"success": False, "message": "no such bot"}), "", error="no such bot"),
    "a type and data": Row(
        sse(
            {"type": "token", "data": "Fen"}, {"type": "heartbeat"}, {"type": "token", "data": "land"}, {"type": "done"}
        ),
        "Fenland",
    ),
    "an event and content": Row(
        sse(
            {"event": "thinking", "content": "Wet?", "usage": None},
            {"event": "message", "answer_delta": None, "answer": "Fen"},
            {"event": "message", "answer": "land"},
            {"event": "complete", "answer": "Fenland", "usage": USAGE},
        ),
        "Fenland",
        "Wet?",
        usage=(5, 2),
    ),
    "named events": Row(
        sse(
            ("start", {"id": 1}),
            ("token", {"t": 1, "token": "Fen"}),
            ("token", {"t": 2, "token": "land"}),
            ("keepalive", {}),
            ("end", {}),
        ),
        "Fenland",
    ),
    "named events of plain text": Row(
        sse(("token", "Fen"), ("ping", "pong"), ("token", "land"), ("close", "bye")), "Fenland"
    ),
    "an event without data": Row(sse(("token", "Fen"), ("token", "land"), ("done", None)), "Fenland"),
    "content with a reason": Row(
        sse(
            {"content": "Fen", "finish_reason": None},
            {"content": "land", "finish_reason": None},
            {"content": "", "finish_reason": "length", "usage": USAGE},
        ),
        "Fenland",
        finish="length",
        usage=(5, 2),
    ),
    "content with reasoning": Row(
        sse({"content": "", "reasoning_content": "Wet?"}, {"content": "Fenland"}, {"done": True}), "Fenland", "Wet?"
    ),
    "a status beside text": Row(
        sse(
            {"status": "thinking", "message": "One moment"},
            {"status": "streaming", "text": "Fen"},
            {"status": "streaming", "text": "land"},
            {"status": "done"},
        ),
        "Fenland",
    ),
    "a failed status": Row(sse({"text": "Fen"}, {"status": "failed", "message": "it broke"}), "Fen", error="it broke"),
    "a json string and its end": Row(sse('"Fen"', '"land"', "[DONE]"), "Fenland"),
    "arrays of one": Row(sse([{"text": "Fen"}], [{"text": "land", "done": True}]), "Fenland"),
    "cumulative without saying so": Row(
        sse(
            {"answer": "Fen"},
            {"answer": "Fenland"},
            {"answer": "Fenland is wet"},
            {"answer": "Fenland is wet", "done": True},
        ),
        "Fenland is wet",
    ),
    "words that are said again": Row(sse({"answer": "no"}, {"answer": "no"}, {"answer": "!"}, {"done": True}), "nono!"),
    "half a character and its other half": Row(
        'data: {"text": "A \\ud83c"}\n\ndata: {"text": "\\udf0a wave"}\n\ndata: {"done": true}\n\n', "A 🌊 wave"
    ),
    "no more than words that look like it": Row(
        sse({"answer": "no"}, {"answer": " no"}, {"answer": "no"}, {"done": True}), "no nono"
    ),
    "a rule of dashes": Row(sse({"answer": "--"}, {"answer": "----"}, {"answer": "--"}, {"done": True}), "--------"),
}
BODIES = {
    "a document": Row(
        '{"answer": "Fenland", "usage": {"input_tokens": 5, "output_tokens": 2}}', "Fenland", usage=(5, 2)
    ),
    "a document over lines": Row('{\n  "response": "Fenland"\n}\n', "Fenland"),
    "home-made": Row('{"content": "Fenland"}', "Fenland"),
    "generated text": Row('[{"generated_text": "Fenland"}]', "Fenland"),
    "predictions": Row('{"predictions": [{"content": "Fenland"}]}', "Fenland"),
    "ai21 of old": Row(
        '{"id": 1, "completions": [{"data": {"text": "Fenland"}, "finishReason": {"reason": "endoftext"}}]}', "Fenland"
    ),
    "lines of json strings": Row('"Fen"\n"land\\n"\n"\\"wet\\""\n', 'Fenland\n"wet"'),
    "lengths before values": Row('15\n{"text": "Fen"}16\n{"text": "land"}14\n{"done": true}', "Fenland"),
    "a guard before values": Row(')]}\'\n\n17\n[{"text": "Fen"}]18\n[{"text": "land"}]16\n[{"done": true}]', "Fenland"),
    "values behind one another": Row('{"text": "Fen"}{"text": "land"}\x1e{"done": true}', "Fenland"),
    "more to come": Row(
        '{"answer": "Fen", "done": false}', "Fen", error="the backend's answer broke off before its end"
    ),
}


def told(events: list[Event]) -> Row:
    finish = next((e.reason for e in events if isinstance(e, Finish)), "")
    usages = [(e.input_tokens, e.output_tokens) for e in events if isinstance(e, Usage)]
    last = events[-1]
    assert isinstance(last, End | Error)
    return Row(
        "",
        "".join(e.text for e in events if isinstance(e, TextDelta)),
        "".join(e.text for e in events if isinstance(e, ReasoningDelta)),
        [(e.name, e.arguments) for e in events if isinstance(e, ToolCallEnd)],
        finish if isinstance(last, End) else "stop",
        usages[-1] if usages else None,
        last.message if isinstance(last, Error) else "",
    )


@pytest.mark.parametrize("name", [*ROWS, *BODIES])
def test_a_stream_that_nobody_described(name: str) -> None:
    row = {**ROWS, **BODIES}[name]
    body = row.body.encode()
    for pieces in ([body], by(7, body), by(1, body)):
        reading = read(pieces, event_stream=name in ROWS and not row.body.startswith("{"))
        assert_one_life(reading.events)
        assert told(reading.events) == row._replace(body="")
        assert b"".join(frame.raw for frame in reading.frames) == body


@pytest.mark.parametrize("name", ROWS)
def test_the_content_type_is_not_needed(name: str) -> None:
    row = ROWS[name]
    assert told(read(row.body.encode()).events) == row._replace(body="")


@pytest.mark.parametrize("name", ROWS)
def test_it_is_never_whole_before_its_end(name: str) -> None:
    """Cut between any two frames, cleanly: what was said is a beginning, and the end is not made up."""
    row = ROWS[name]
    end = "\n\n" if "\n\n" in row.body else "\n"
    frames = row.body.split(end)[:-1]
    cut = [end.join(frames[:size]) + end for size in range(1, len(frames))]
    for reading in [read(body.encode(), event_stream=True) for body in cut if not row.error]:
        said = told(reading.events)
        assert row.text.startswith(said.text)
        assert said.error or said.text == row.text or reading.parser.dialect == "text"


OPENAI, OPENAI_STOP = sse(DELTA), sse(STOP)


@pytest.mark.parametrize(
    "beside",
    [
        {"type": "citation_notes", "text": "a page"},
        {"message": "connected"},
        {"event": {"type": "status", "data": {"description": "Searching", "text": "no answer"}}},
        {"tool_calls": [{"name": "f", "args": {}}]},
    ],
)
def test_what_stands_beside_a_known_dialect_is_none_of_its_words(beside: Any) -> None:
    reading = read((OPENAI + sse(beside) + OPENAI_STOP + sse("[DONE]")).encode())
    assert (reading.text, reading.parser.dialect) == ("Fenland", "openai-chat")
    assert Extension("unknown", beside) in reading.events


def test_counts_beside_a_known_dialect_are_counted() -> None:
    reading = read((OPENAI + OPENAI_STOP + sse({"meta": {"input_tokens": 7}}) + sse("[DONE]")).encode())
    assert [e.input_tokens for e in reading.events if isinstance(e, Usage)] == [5, 7]


def test_an_end_beside_a_known_dialect_does_not_silence_it() -> None:
    reading = read((OPENAI + sse(("end", None)) + sse(DELTA) + sse("[DONE]")).encode())
    assert (reading.text, reading.events[-1]) == ("FenFen", End())


@pytest.mark.parametrize("event", ["connected", "session.opened", "ready"])
def test_a_greeting_is_no_text(event: str) -> None:
    reading = read(sse((event, {"message": "hello"}), {"text": "Fen"}, {"text": "land", "done": True}).encode())
    assert reading.text == "Fenland"


def test_a_status_of_a_stream_that_is_known_by_now() -> None:
    reading = read(sse({"text": "Fen"}, {"type": "status", "text": "Searching"}, {"done": True}).encode())
    assert Status("Searching") in reading.events


@pytest.mark.parametrize("before", [OPENAI, sse("Fen"), sse({"text": "Fen"}), ""])
def test_an_error_without_data(before: str) -> None:
    last = read((before + sse(("error", None))).encode()).events[-1]
    assert last == Error("upstream_error", "the backend reported an error without a message")


def test_what_nobody_knows_is_asked_about_three_times() -> None:
    strange = [{"kind": "beat", "n": number} for number in range(1, 9)]
    reading = read(sse({"text": "Fen"}, *strange, {"text": "land", "done": True}).encode())
    assert (reading.text, reading.parser.unknown_frames) == ("Fenland", 8)
    assert [e.value for e in reading.events if isinstance(e, Extension)] == strange


def test_a_long_value_is_looked_at_once() -> None:
    """An image in base64 that has no `+` and no `/` is one word of a key's letters; by trial of each it took hours."""
    said = b'data: {"type":"image.completed","b64_json":"%s"}\n\n' % (b"QUJD" * (1 << 18))
    assert not any(isinstance(event, Error) for event in StreamParser().feed(said)[0])
