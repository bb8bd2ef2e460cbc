"""Asking an OpenAI-format backend to count tokens, for a client that did not ask."""

import msgspec

_PATHS = ("/chat/completions", "/completions")
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_ASK = b'{"include_usage":true}'


def asking(path: str, body: bytes) -> bytes:
    """The body with `stream_options.include_usage`; the same object where it is no OpenAI request or asks already."""
    if not path.endswith(_PATHS):
        return body
    try:
        said = _decode(body)
        options = _decode(said.get("stream_options", b"{}"))
    except (ValueError, RecursionError):
        return body
    if "include_usage" in options:
        return body
    options["include_usage"] = msgspec.Raw(b"true")
    said["stream_options"] = msgspec.Raw(msgspec.json.encode(options) if len(options) > 1 else _ASK)
    return msgspec.json.encode(said)
