"""What is a stream, and in which format it leaves. Everything here reads headers and a few words of the body."""

import re
from collections.abc import Container, Iterable
from urllib.parse import unquote

import msgspec

from sidecar.policy.config import Policy

Headers = Iterable[tuple[bytes, bytes]]

_STREAMING_PATHS = (
    ":streamGenerateContent",
    "/converse-stream",
    "/invoke-with-response-stream",
    "/invocations-response-stream",
    "/retrieveAndGenerateStream",
    "/generate_stream",
)
_STREAMING_UNLESS_FALSE = ("/api/chat", "/api/generate")
_STREAMS = (
    "text/event-stream",
    "application/x-ndjson",
    "application/stream+json",
    "application/vnd.amazon.eventstream",
)


_LINES = re.compile(r"application/(?:x-)?(?:nd-?json|json-?l|json-?lines|json-seq|json-stream|octet-stream)")
"""What a stream may come as, where one was asked for: FastAPI's JSON lines are `application/jsonl`."""


class Asked(msgspec.Struct, frozen=True):
    """What the body says: `stream` is None where it is silent; `rpc` marks JSON-RPC, which nobody touches.

    `usage`: OpenAI's `stream_options.include_usage` is true.
    """

    model: str = ""
    stream: bool | None = None
    rpc: bool = False
    usage: bool = False


_ABSENT = msgspec.Raw(b"")


class _Body(msgspec.Struct):
    model: msgspec.Raw = _ABSENT
    stream: msgspec.Raw = _ABSENT
    jsonrpc: msgspec.Raw = _ABSENT
    stream_options: msgspec.Raw = _ABSENT


# 6 ms for 8 MB, where building the whole value takes 33 ms and stalls every other stream for as long
_decode = msgspec.json.Decoder(_Body | list[_Body]).decode
_decode_word = msgspec.json.Decoder(str).decode
_TRUTH = {b"true": True, b"false": False}


def read_body(body: bytes) -> Asked:
    """The words of a JSON body that rules look at; nothing is asked where it is not a JSON object."""
    try:
        said = _decode(body)
        if isinstance(said, list):
            return Asked(rpc=any(part.jsonrpc is not _ABSENT for part in said))
        model = _decode_word(said.model) if bytes(said.model)[:1] == b'"' else ""
        options = None if said.stream_options is _ABSENT else msgspec.json.decode(said.stream_options)
    except (ValueError, RecursionError):
        return Asked()
    usage = isinstance(options, dict) and options.get("include_usage") is True
    return Asked(model, _TRUTH.get(bytes(said.stream)), said.jsonrpc is not _ABSENT, usage)


def model_in_path(path: str) -> str:
    """The model that Gemini's and Bedrock's paths name; empty for the others."""
    for mark in ("/models/", "/model/"):
        before, found, after = path.partition(mark)
        if found:
            return after.split("/")[0].rsplit(":", 1)[0] if mark == "/models/" else after.split("/")[0]
    return ""


def is_stream_request(method: str, path: str, accept: str, asked: Asked) -> bool:
    """Whether the client asks for a stream."""
    if asked.stream is not None and method != "GET":
        return asked.stream
    if method == "GET":
        return "text/event-stream" in accept.lower()
    return method == "POST" and path.endswith(_STREAMING_PATHS + _STREAMING_UNLESS_FALSE)


def is_stream_answer(status: int, content_type: str, asked: bool) -> bool:
    """Whether the backend's answer is one: by its type, or because a stream was asked for and it is JSON or text."""
    if not 200 <= status < 300 or status in (204, 205):
        return False
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _STREAMS:
        return True
    text = not kind or kind.startswith("text/") or kind == "application/json" or kind.endswith(("+json", "+json-seq"))
    return asked and (text or _LINES.fullmatch(kind) is not None)


def takes_json(method: str, accept: str) -> bool:
    """Whether a client that would take a stream would as well take a document, and asked for neither: a GET says no
    more of that than its Accept."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return method == "GET" and any(kind in ("application/json", "*/*", "application/*") for kind in kinds)


def untouchable(names: Container[bytes], asked: Asked) -> bool:
    """JSON-RPC and MCP, whose server-sent events are no answers of a model; `names` are those of the headers."""
    return asked.rpc or b"mcp-session-id" in names or b"mcp-protocol-version" in names


def reserved(path: str) -> bool:
    """Whether a path is the sidecar's own, decoded as often as that changes it (twice at most) and normalised."""
    if "%" not in path and ".sidecar" not in path:
        return False  # nearly all: 2.4 us
    for _ in range(3):
        parts: list[str] = []
        for part in path.replace("\\", "/").split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        if parts[:1] == [".sidecar"]:
            return True
        path = unquote(path)
    return False


class NotAcceptable(Exception):
    """The client asked for a format that there is not, or that the rule does not allow."""


def wish(headers: Headers) -> str:
    """The format that the client asks for; empty where it does not."""
    wished = ""
    for name, value in headers:
        if name == b"x-stream-format":
            return value.decode("latin-1").strip()
        if name == b"accept":
            wished = wished or profile(value.decode("latin-1"))
    return wished


def choose_format(policy: Policy, wished: str) -> str:
    """The format that this stream leaves in. Raises NotAcceptable, whose text says what there is."""
    if wished and wished not in policy.allow:
        raise NotAcceptable(f"no stream format {wished[:80]!r} here; there are: {', '.join(policy.allow)}")
    return wished or policy.format


def profile(accept: str) -> str:
    """The `profile` parameter of text/event-stream in an Accept header; empty where there is none."""
    if ";" not in accept:
        return ""
    for kind in accept.split(","):
        name, *parameters = (part.strip() for part in kind.split(";"))
        if name.lower() == "text/event-stream":
            for parameter in parameters:
                key, _, value = parameter.partition("=")
                if key.strip().lower() == "profile":
                    return value.strip().strip('"')
    return ""
