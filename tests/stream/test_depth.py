"""JSON that can be read is handed on, however deep it is: as a value, or as its text."""

import json

import pytest

from sidecar.stream.depth import MAX_DEPTH, is_deep
from sidecar.stream.events import End, Extension, ToolCallEnd
from sidecar.stream.wires import NAMES, make
from tests.stream.reading import read

DEPTHS = (400, MAX_DEPTH + 1, *range(900, 1030), 1500, 20_000)
"""What can be read and not written again is a matter of a few levels, and of how deep the stack is already."""
DONE = 'data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def test_how_deep_it_is() -> None:
    for depth in (0, 1, MAX_DEPTH, MAX_DEPTH + 1):
        for text in (nested(depth), "[" * depth + "1" + "]" * depth):
            assert is_deep(json.loads(text)) is (depth > MAX_DEPTH)


@pytest.mark.parametrize("depth", DEPTHS)
def test_deep_arguments_are_told_as_text(depth: int) -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": nested(depth)}}
    body = f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'tool_calls': [call]}}]})}\n\n{DONE}"
    events = read(body.encode()).events
    (told,) = [event for event in events if isinstance(event, ToolCallEnd)]
    assert told.invalid is (depth > MAX_DEPTH) and told.arguments_text == nested(depth)
    assert (told.arguments is None) is told.invalid
    for name in NAMES:
        assert name == "passthrough" or nested(depth).encode() in make(name).encode(events, []).replace(b"\\", b"")


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "frame",
    [
        'data: {{"choices":[{{"index":0,"delta":{{"audio":{}}}}}]}}\n\n',
        'data: {{"type":"content_block_start","content_block":{{"type":"x","y":{}}}}}\n\n',
        'data: {{"strange":{}}}\n\n',
        'data: {{"type":"status","data":{{"message":"m","more":{}}}}}\n\n',
        'data: {{"choices":[{{"index":"0","delta":{{"audio":{}}}}}]}}\n\n',
    ],
    ids=["audio", "a block", "unknown", "a status", "of a wrong type too"],
)
def test_deep_extensions_are_told_as_text(frame: str, depth: int) -> None:
    events = read((frame.format(nested(depth)) + DONE).encode()).events
    assert isinstance(events[-1], End)
    as_text = any(isinstance(event, Extension) and isinstance(event.value, str) for event in events)
    assert as_text is (depth > MAX_DEPTH)
    for name in ("envelope-v1", "envelope-v2"):
        said = make(name).encode(events, []).replace(b"\\", b"")
        assert nested(depth)[:60_000].encode() in said
