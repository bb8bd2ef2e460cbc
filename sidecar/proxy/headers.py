"""Which headers cross the proxy, each way, and which it adds."""

from collections.abc import Iterable
from typing import Any

from sidecar.policy.config import Policy, Upstream

Header = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade http2-settings".split()
)
_OURS_IN = frozenset(b"x-stream-format host expect".split())
_FORWARDING = frozenset(b"x-forwarded-for x-forwarded-host x-forwarded-proto forwarded via".split())
_NOT_ON_STREAMS = frozenset(b"content-length content-encoding etag".split())
_UNBUFFERED = [
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"connection", b"keep-alive"),
]
_LISTS = {
    b"vary": b"Accept, X-Stream-Format",
    b"access-control-expose-headers": b"X-Stream-Format, X-Stream-Id, X-Request-Id",
}


def get(headers: Iterable[Header], wanted: bytes) -> str:
    """The first header of that name, or the empty string; all names are lower-case here, as ASGI has them."""
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return ""


def end_to_end(headers: Iterable[Header]) -> list[Header]:
    """Without the hop-by-hop headers (RFC 9110, 7.6.1), those that `Connection` names included."""
    headers = [(name.lower(), value) for name, value in headers]
    named = {token.strip().lower() for name, value in headers if name == b"connection" for token in value.split(b",")}
    return [(name, value) for name, value in headers if name not in _HOP_BY_HOP and name not in named]


def to_backend(scope: Any, upstream: Upstream, authority: bytes, stream: bool, trace: list[Header]) -> list[Header]:
    """The request's headers for the backend. `authority` is the upstream url's; a length is the client's own."""
    given: list[Header] = scope["headers"]
    replaced = {name for name, _ in trace}
    host = next((value for name, value in given if name == b"host"), b"")
    out = [(b"host", {"upstream": authority, "preserve": host or authority}.get(upstream.host, upstream.host.encode()))]
    for name, value in end_to_end(given):
        if name in _OURS_IN or name in _FORWARDING or name in replaced or (stream and name == b"accept-encoding"):
            continue
        out.append((name, _unwished(value) if name == b"accept" else value))
    if stream:
        out.append((b"accept-encoding", b"identity"))
    return out + _forwarding(scope, given, host) + trace


def _unwished(accept: bytes) -> bytes:
    """Without the format that the client wishes, which is for us alone."""
    kinds = []
    for kind in accept.split(b","):
        name, *parameters = kind.split(b";")
        if name.strip().lower() == b"text/event-stream":
            kept = (each for each in parameters if each.partition(b"=")[0].strip().lower() != b"profile")
            kind = b";".join([name, *kept])
        kinds.append(kind)
    return b",".join(kinds)


def _forwarding(scope: Any, given: list[Header], host: bytes) -> list[Header]:
    client = scope.get("client")
    address = (client[0] if client else "unknown").encode()
    before: dict[bytes, list[bytes]] = {}
    for name, value in given:
        if name in _FORWARDING:
            before.setdefault(name, []).append(value)

    def add(name: bytes, value: bytes) -> Header:
        return name, b", ".join([*before.get(name, ()), value])

    node = b'"[%s]"' % address if b":" in address else address
    element = b'for=%s;host="%s";proto=%s' % (node, host.translate(None, b'"\\'), scope["scheme"].encode())
    out = [add(b"x-forwarded-for", address), add(b"forwarded", element)]
    # a proxy before us knew the client's own words better
    out.append((b"x-forwarded-host", before.get(b"x-forwarded-host", [host])[0]))
    out.append((b"x-forwarded-proto", before.get(b"x-forwarded-proto", [scope["scheme"].encode()])[0]))
    out.append(add(b"via", scope["http_version"].encode() + b" sidecar"))
    return out


def plain(answer: Iterable[Header], own: list[Header]) -> list[Header]:
    """The headers of an answer that passes untouched; ours only where the backend sent none of that name."""
    out = _under(end_to_end(answer), own)
    names = {name for name, _ in out}
    return out + [(name, value) for name, value in own if name not in names or name == b"vary"]


def on_stream(
    answer: Iterable[Header], own: list[Header], policy: Policy, format: str, content_type: bytes | None
) -> list[Header]:
    """The headers of a stream: the backend's, without what cannot be true of it, and what keeps it unbuffered."""
    given = [(name, value) for name, value in _under(end_to_end(answer), own) if name not in _NOT_ON_STREAMS]
    own = [(name, value) for name, value in own if name != b"x-request-id" or not get(given, b"x-request-id")]
    ours = [header for header in own if header[0] not in _LISTS] + [(b"x-stream-format", format.encode())]
    if policy.headers == "on":
        ours += _UNBUFFERED
    if content_type:
        ours.append((b"content-type", content_type))
    ours += [_joined(name, given + own, value) for name, value in _LISTS.items()]
    replaced = {name for name, _ in ours}
    return [(name, value) for name, value in given if name not in replaced] + ours


def _under(given: list[Header], own: list[Header]) -> list[Header]:
    """The backend's headers; without its own CORS where a rule says what browsers may do."""
    if not get(own, b"access-control-allow-origin"):
        return given
    return [(name, value) for name, value in given if not name.startswith(b"access-control-")]


def _joined(name: bytes, given: list[Header], value: bytes) -> Header:
    """One header out of all of that name, and our value; a word stands once."""
    words: dict[bytes, bytes] = {}
    for each in [*(v for n, v in given if n == name), value]:
        for word in each.split(b","):
            words.setdefault(word.strip().lower(), word.strip())
    return name, b", ".join(filter(None, words.values()))
