"""`null` as a first event: llama.cpp's where it answers several prompts, or a word of plain text."""

import pytest

from sidecar.stream.events import End
from tests.stream.reading import by, read

NATIVE = b'data: {"index":0,"content":" Low","stop":false}\n\ndata: {"content":"","stop":true,"stop_type":"eos"}\n\n'
COMPLETION = b'data: {"choices":[{"text":" Low","index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


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
def test_what_follows_tells(body: bytes, dialect: str, text: str, size: int) -> None:
    reading = read(by(size, b"data: null\n\n" + body), dialect, True)
    assert (reading.text, reading.events[-1]) == (text, End())
