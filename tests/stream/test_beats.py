"""Keep-alives that are data: words between the frames of another dialect, or words of a plain text."""

import json
from typing import Any

import pytest

from sidecar.stream.beats import is_beat
from sidecar.stream.events import End, Error, Extension, Start, TextDelta
from tests.stream.reading import by, read

WORDS = [
    "ping",
    "PING",
    "pong",
    "null",
    "heartbeat",
    "heart-beat",
    "keepalive",
    "keep-alive",
    "[PING]",
    "noop",
    ": ping",
]

NATIVE = b'data: {"index":0,"content":" Low","stop":false}\n\ndata: {"content":"","stop":true,"stop_type":"eos"}\n\n'
COMPLETION = b'data: {"choices":[{"text":" Low","index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def sse(*frames: Any) -> list[str]:
    return [f"data: {frame if isinstance(frame, str) else json.dumps(frame)}\n\n" for frame in frames]


STREAMS = {
    "openai-chat": sse(
        {"model": "m", "choices": [{"delta": {"content": " Low"}}]},
        {"choices": [{"delta": {"content": " tide"}, "finish_reason": "stop"}]},
        "[DONE]",
    ),
    "gemini": sse(
        {"candidates": [{"content": {"parts": [{"text": " Low"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": " tide"}]}, "finishReason": "STOP"}]},
    ),
    "ollama": ['{"response":" Low","done":false}\n', '{"response":" tide","done":true,"done_reason":"stop"}\n'],
    "dashscope": sse(
        {"output": {"text": " Low", "finish_reason": "null"}, "request_id": "r"},
        {"output": {"text": " Low tide", "finish_reason": "stop"}, "request_id": "r"},
    ),
    "homemade": sse({"content": " Low"}, {"content": " tide"}, {"done": True}),
    "generic": sse({"answer": " Low"}, {"answer": " tide"}, {"done": True}),
    "vercel-data": ['f:{"messageId":"m"}\n', '0:" Low"\n', '0:" tide"\n', 'd:{"finishReason":"stop"}\n'],
}


def beat(word: str, dialect: str) -> str:
    return f"{word}\n" if dialect in ("ollama", "vercel-data") else f"data: {word}\n\n"


@pytest.mark.parametrize("word", [*WORDS, '"ping"'])
@pytest.mark.parametrize("dialect", STREAMS)
def test_between_frames_it_is_no_text(dialect: str, word: str) -> None:
    for at in range(1, len(STREAMS[dialect]) + 1):
        frames = [*STREAMS[dialect][:at], beat(word, dialect), *STREAMS[dialect][at:]]
        for told in ("auto", "homemade" if dialect == "generic" else dialect):
            for size in (1, 7, 9999):
                reading = read(by(size, "".join(frames).encode()), told)
                assert (reading.text, reading.events[-1]) == (" Low tide", End())
                assert not any(isinstance(event, Extension) for event in reading.events)
                assert reading.parser.unknown_frames == 0


@pytest.mark.parametrize("word", [*WORDS, '"ping"'])
@pytest.mark.parametrize("dialect", [dialect for dialect, frames in STREAMS.items() if frames[0][:5] == "data:"])
def test_before_all_frames_it_is_no_text(dialect: str, word: str) -> None:
    body = "".join([beat(word, dialect) * 3, *STREAMS[dialect]]).encode()
    for size in (1, 7, 9999):
        reading = read(by(size, body), "auto", True)
        assert (reading.text, reading.events[-1]) == (" Low tide", End())


@pytest.mark.parametrize("word", WORDS)
def test_in_plain_text_it_is_a_word(word: str) -> None:
    told = word.removeprefix(": ")
    for before, behind in (("", " is a word"), ("a ", ""), ("a ", " is a word"), ("", "")):
        frames = [f"data: {text}\n\n" for text in (before, told, behind) if text]
        for size in (1, 7, 9999):
            reading = read(by(size, "".join(frames).encode()), "auto", True)
            assert (reading.text, reading.events[-1]) == (f"{before}{told}{behind}", End())


def test_in_a_text_told_as_text_it_is_said_at_once() -> None:
    stream = read([b"data: ping\n\n"], "text", True)
    assert stream.events[:2] == [Start(), TextDelta("ping")]


def test_text_that_goes_on_between_home_made_frames_keeps_its_words() -> None:
    body = "".join(sse({"content": "a "}, "word: ", "ping", {"done": True})).encode()
    assert read(body, "auto", True).text == "a word: ping"


@pytest.mark.parametrize("size", [1, 7, 999])
@pytest.mark.parametrize(
    ("body", "dialect", "text"),
    [
        (NATIVE, "auto", " Low"),
        (NATIVE, "llamacpp", " Low"),
        (COMPLETION, "auto", " Low"),
        (COMPLETION, "openai-chat", " Low"),
        (b"data:  is a word\n\n", "auto", "null is a word"),
        (b"data: null\n\n", "auto", "nullnull"),
        (b"", "auto", "null"),
    ],
)
def test_what_follows_a_first_null_tells(body: bytes, dialect: str, text: str, size: int) -> None:
    """llama.cpp's first event where it answers several prompts."""
    reading = read(by(size, b"data: null\n\n" + body), dialect, True)
    assert (reading.text, reading.events[-1]) == (text, End())


@pytest.mark.parametrize("word", ["null", "ping"])
@pytest.mark.parametrize("ends", ["\n", "\n\n"])
@pytest.mark.parametrize("place", range(4))
def test_as_a_line_of_a_frame_it_is_no_text(word: str, ends: str, place: int) -> None:
    lines = [block.strip() for block in STREAMS["openai-chat"]]
    lines[place:place] = [f"data: {word}"]
    body = "\n".join(lines) + ends if ends == "\n" else f"{lines[0]}\n{lines[1]}\n\n" + "\n\n".join(lines[2:]) + "\n\n"
    for size in (1, 7, 9999):
        reading = read(by(size, body.encode()), "auto", True)
        assert (reading.text, reading.events[-1]) == (" Low tide", End())


def test_a_stream_of_keep_alives_that_breaks_is_no_answer() -> None:
    assert isinstance(read(b"data: ping\n\n" * 3, "auto", True, clean=False).events[-1], Error)


def test_so_many_are_kept_and_no_more() -> None:
    body = b"data: ping\n\n" * 3000 + "".join(STREAMS["openai-chat"]).encode()
    assert read(body, "openai-chat", True).text == " Low tide"


@pytest.mark.parametrize("text", ["", "pin", "ping me", "nullable", "a null", "{}", "[]", "0", "pinging"])
def test_other_words_are_none(text: str) -> None:
    assert not is_beat(text.encode())
