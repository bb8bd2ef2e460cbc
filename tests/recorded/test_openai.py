"""Every recorded stream leaves in OpenAI's format, and OpenAI's own SDK reads of it what was expected of the stream."""

from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.recorded.replay import Body, through
from tests.recorded.test_transcripts import STREAMS, Transcript, differences, excused
from tests.stream.test_openai_wire import REASONS, calls, chunks, counted, of_choice


def leaving(transcript: Transcript) -> bytes:
    body = Body(transcript.body, transcript.told["content_type"] or "")
    return through("openai", body, "", 61).data


@pytest.mark.parametrize("transcript", STREAMS, ids=lambda transcript: transcript.name)
def test_openai_s_sdk_reads_it(transcript: Transcript) -> None:
    told, body, said = transcript.told, leaving(transcript), list[ChatCompletionChunk]()
    end, error = "whole", ""
    try:
        for chunk in chunks(body):
            said.append(chunk)
    except openai.APIError as raised:
        end, error = "failed", raised.message
    assert body.endswith(b"data: [DONE]\n\n") == (end == "whole")
    wrong = differences(as_openai_says_it(told), heard(said, end, error))
    assert not wrong.keys() - excused(told), wrong


def as_openai_says_it(told: dict[str, Any]) -> dict[str, Any]:
    """Its few finish reasons, and counts that contain what was cached and thought."""
    expected, counts = told["expected"], told["expected"]["usage"] or {}
    reason = expected["finish_reason"]
    if reason not in ("error", "cancelled"):
        reason = reason and REASONS.get(reason, "stop")
    whole = {key: counts.get(f"{key}_inclusive", counts.get(key)) for key in ("input_tokens", "output_tokens")}
    return told | {"expected": expected | {"finish_reason": reason, "usage": whole}}


def heard(said: list[ChatCompletionChunk], end: str, error: str) -> dict[str, Any]:
    """What the first choice said, as the transcripts tell it."""
    first, usage = of_choice(said, 0), counted(said) if said and end == "whole" else None
    return {
        "end": end,
        "error": error,
        "text": first["text"],
        "refusal": first["refusal"],
        "reasoning": first["reasoning"],
        "finish_reason": next(iter(first["finish"]), None),
        "tool_calls": [call[2:] for call in calls(said) if call[0] == 0],
        "input_tokens": usage[0] if usage else None,
        "output_tokens": usage[1] if usage else None,
    }
