"""What clients ask and backends say in these tests. All that is private in it has the SECRET in it."""

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

import jsonschema

from tests.wire.house import SECRET
from tests.wire.message import Message, request

CHAT = "/v1/chat/completions"
PRIVATE = (f"Authorization: Bearer {SECRET}", f"X-Api-Key: {SECRET}", f"Cookie: session={SECRET}")
WORDS = ("Hello ", SECRET, " world")

_schema = json.loads((resources.files("sidecar.stream.wires") / "envelope-v1.schema.json").read_text())


def prompt(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": SECRET}], **fields}).encode()


def ask(*lines: str, path: str = CHAT, version: str = "1.1", **fields: Any) -> bytes:
    """A client that asks for a stream."""
    body = prompt(**{"stream": True, **fields})
    return request("POST", path, *PRIVATE, "Content-Type: application/json", *lines, body=body, version=version)


def sse(said: Any, end: bytes = b"\n") -> bytes:
    data = said if isinstance(said, str) else json.dumps(said)
    return b"data: " + data.encode() + end * 2


def delta(content: str = "", finish: str | None = None) -> bytes:
    """A frame of OpenAI's chat."""
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    return sse({"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})


DONE = sse("[DONE]")
OPENAI = (*(delta(word) for word in WORDS), delta(finish="stop"), DONE)


def event(name: str, **fields: Any) -> bytes:
    """A frame of Anthropic's messages."""
    return b"event: %s\n" % name.encode() + sse({"type": name, **fields})


ANTHROPIC = (
    event("message_start", message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in WORDS),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    event("message_stop"),
)


def line(content: str = "", **fields: Any) -> bytes:
    """A line of Ollama's chat."""
    said = {"model": "m", "message": {"role": "assistant", "content": content}, "done": False, **fields}
    return json.dumps(said).encode() + b"\n"


OLLAMA = (*(line(word) for word in WORDS), line(done=True, done_reason="stop"))


def frames(body: bytes) -> list[dict[str, Any]]:
    """The frames of an envelope stream; each is valid, and the last word stands once, at the end."""
    blocks = body.decode().split("\n\n")
    assert blocks.pop() == ""
    blocks = [block for block in blocks if not block.startswith(":")]
    assert all(block.startswith("data: ") for block in blocks[:-1])
    found = [json.loads(block.removeprefix("id: end\n").removeprefix("data: ")) for block in blocks]
    for each in found:
        jsonschema.validate(each, _schema)
    assert [frame["type"] for frame in found if frame["type"] in ("complete", "error")] == [found[-1]["type"]]
    assert blocks[-1].startswith("id: end\n")
    return found


def text(found: Iterable[dict[str, Any]]) -> str:
    return "".join(frame["data"]["content"] for frame in found if frame["type"] == "chunk")


def complete(reply: Message) -> dict[str, Any]:
    """What the `complete` of a whole envelope stream says."""
    assert reply.whole
    *_, last = frames(reply.body)
    assert last["type"] == "complete", last
    data: dict[str, Any] = last["data"]
    return data


def failed(reply: Message) -> dict[str, Any]:
    """What the `error` frame of an envelope stream says."""
    assert reply.whole
    *_, last = frames(reply.body)
    assert last["type"] == "error", last
    data: dict[str, Any] = last["data"]
    return data


def refused(reply: Message) -> dict[str, Any]:
    """The error of an answer that is one, whose shape both SDK families read."""
    assert reply.whole and reply.get("content-type") == "application/json"
    said = json.loads(reply.body)
    assert said.keys() == {"type", "error"} and said["type"] == "error"
    error: dict[str, Any] = said["error"]
    assert error.keys() == {"type", "message", "code", "upstream", "outcome", "hint"}
    assert all(isinstance(value, str) for value in error.values()) and error["message"] and error["code"]
    return error
