"""Who asked, across processes: W3C trace context in, ids, and the client's own request id."""

import re
from collections.abc import Iterable

import msgspec

TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
READ = frozenset({b"traceparent", b"tracestate", b"x-request-id", b"user-agent"})
MAX_STATE_MEMBERS = 32
MAX_STATE_BYTES = 8192


class Trace(msgspec.Struct, frozen=True):
    """A caller's trace context: ids in lower-case hex, `state` the tracestate to pass on or empty."""

    trace_id: str
    span_id: str
    flags: int
    state: str = ""


class Asked(msgspec.Struct, frozen=True):
    """What telemetry reads of a request's headers; anything unfit is absent."""

    trace: Trace | None
    request_id: str
    user_agent: bytes


def asked(headers: Iterable[tuple[bytes, bytes]]) -> Asked:
    """Read the raw ASGI headers, once."""
    parents: list[bytes] = []
    states: list[bytes] = []
    request_id = user_agent = b""
    for name, value in headers:
        if name not in READ:
            continue
        if name == b"user-agent":
            user_agent = value
        elif name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
        else:
            request_id = value
    kept = request_id.decode() if request_id and REQUEST_ID.fullmatch(request_id) else ""
    return Asked(parse(parents, states) if parents else None, kept, user_agent)


def parse(parents: list[bytes], states: list[bytes]) -> Trace | None:
    """The context that these headers carry; None where it is not exactly one valid traceparent."""
    found = TRACEPARENT.fullmatch(parents[0].strip()) if len(parents) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more) or not trace_id.strip(b"0") or not span_id.strip(b"0"):
        return None
    return Trace(trace_id.decode(), span_id.decode(), int(flags, 16) & 1, _state(states))


def _state(states: list[bytes]) -> str:
    joined = b",".join(states)
    members = [member.strip() for member in joined.split(b",") if member.strip()]
    if len(members) > MAX_STATE_MEMBERS or len(joined) > MAX_STATE_BYTES or not joined.isascii():
        return ""
    return b",".join(members).decode()


def traceparent(trace_id: str, span_id: str, flags: int) -> bytes:
    """The header's value, version 00."""
    return f"00-{trace_id}-{span_id}-{flags:02x}".encode()
