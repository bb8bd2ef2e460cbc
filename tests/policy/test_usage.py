"""The body that asks for usage says all else as it was."""

import msgspec
import pytest

from sidecar.policy.usage import asking

PATH = "/v1/chat/completions"


def test_a_request_that_does_not_ask_is_made_to() -> None:
    body = b'{"model": "m", "temperature": 1.0, "n": 12345678901234567890, "stream": true}'
    asked = asking(PATH, body)
    assert msgspec.json.decode(asked)["stream_options"] == {"include_usage": True}
    assert b'"temperature":1.0' in asked and b"12345678901234567890" in asked


def test_other_options_stay() -> None:
    asked = asking(PATH, b'{"stream_options": {"include_obfuscation": false}}')
    assert msgspec.json.decode(asked)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, b'{"stream_options": {"include_usage": true}}'),
        (PATH, b'{"stream_options": {"include_usage": false}}'),
        ("/v1/messages", b'{"model": "m"}'),
        (PATH, b"[1]"),
        (PATH, b"not json"),
        (PATH, b'{"stream_options": 7}'),
        (PATH, b'{"x":' + b"[" * 100_000),
    ],
)
def test_what_asks_already_or_is_no_such_request_is_the_same_object(path: str, body: bytes) -> None:
    assert asking(path, body) is body
