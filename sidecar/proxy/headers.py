"""Which headers cross the proxy, each way, and which it adds. All names are lower-case here."""

from collections.abc import Iterable
from typing import Any

from sidecar.policy.config import Policy, Upstream

Header = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding"
    b" upgrade http2-settings".split()
)
_FORWARDING = frozenset(b"x-forwarded-for x-forwarded-host x-forwarded-proto forwarded via".split())
_HEEDED = _HOP_BY_HOP | _FORWARDING | frozenset(b"x-stream-format host expect accept accept-encoding".split())
_NOT_ON_STREAMS = frozenset(b"content-length content-encoding etag".split())
_UNBUFFERED = {
    b"cache-control": b"no-cache, no-transform",
    b"x-accel-buffering": b"no",
    b"x-content-type-options": b"nosniff",
    b"connection": b"keep-alive",
}
_PLACES = (b"location", b"content-location")
_PORTS = {b"http": b":80", b"https": b":443"}
_LISTS = {
    b"vary": b"Accept, X-Stream-Format",
    b"access-control-expose-headers": b"X-Stream-Format, X-Stream-Id, X-Request-Id",
}


def get(headers: Iterable[Header], wanted: bytes) -> str:
    """The first header of that name, or the empty string."""
    for name, value in headers:
        if name == wanted:
            return value.decode("latin-1")
    return ""


def end_to_end(headers: list[Header]) -> list[Header]:
    """Without the hop-by-hop headers (RFC 9110, 7.6.1), those that `Connection` names included."""
    options = [value for name, value in headers if name == b"connection"]
    return _unnamed([header for header in headers if header[0] not in _HOP_BY_HOP], options)


def _unnamed(headers: list[Header], options: list[bytes]) -> list[Header]:
    """Without those that these values of `Connection` name."""
    if options in ([], [b"keep-alive"]):
        return headers
    named = {token.strip().lower() for value in options for token in value.split(b",")}
    return [header for header in headers if header[0] not in named]


def to_backend(scope: Any, upstream: Upstream, authority: bytes, stream: bool, trace: list[Header]) -> list[Header]:
    """The request's headers for the backend. `authority` is the upstream url's; a length is the client's own."""
    host = b""
    kept: list[Header] = []
    options: list[bytes] = []
    before: dict[bytes, list[bytes]] = {}
    for header in scope["headers"]:
        name, value = header
        if name not in _HEEDED:
            kept.append(header)
        elif name == b"host":
            host = host or value
        elif name == b"accept":
            kept.append((name, _unwished(value)))
        elif name == b"accept-encoding" and not stream:
            kept.append(header)
        elif name == b"connection":
            options.append(value)
        elif name in _FORWARDING:
            before.setdefault(name, []).append(value)
    kept = _unnamed(kept, options)
    if trace:
        replaced = dict(trace)
        kept = [header for header in kept if header[0] not in replaced]
    if stream:
        kept.append((b"accept-encoding", b"identity"))
    return [(b"host", _host(upstream, authority, host)), *kept, *_forwarding(scope, host, before), *trace]


def _host(upstream: Upstream, authority: bytes, given: bytes) -> bytes:
    if upstream.host == "upstream":
        return authority
    return (given or authority) if upstream.host == "preserve" else upstream.host.encode()


def _unwished(accept: bytes) -> bytes:
    """Without the format that the client wishes, which is for us alone."""
    if b"profile" not in accept.lower():
        return accept
    kinds = []
    for kind in accept.split(b","):
        name, *parameters = kind.split(b";")
        if name.strip().lower() == b"text/event-stream":
            kept = (each for each in parameters if each.partition(b"=")[0].strip().lower() != b"profile")
            kind = b";".join([name, *kept])
        kinds.append(kind)
    return b",".join(kinds)


def _forwarding(scope: Any, host: bytes, before: dict[bytes, list[bytes]]) -> Iterable[Header]:
    """What tells the backend of the client. `before` is what proxies before us said."""
    client = scope.get("client")
    address: bytes = client[0].encode() if client else b"unknown"
    scheme: bytes = scope["scheme"].encode()
    node = b'"[%b]"' % address if b":" in address else address
    said = {
        b"x-forwarded-for": address,
        b"forwarded": b'for=%b;host="%b";proto=%b' % (node, host.translate(None, b'"\\'), scheme),
        b"x-forwarded-host": host,
        b"x-forwarded-proto": scheme,
        b"via": scope["http_version"].encode() + b" sidecar",
    }
    for name, values in before.items():
        # the first of them knew the client's own words better
        knew = name in (b"x-forwarded-host", b"x-forwarded-proto")
        said[name] = values[0] if knew else b", ".join([*values, said[name]])
    return said.items()


def plain(answer: list[Header], own: list[Header]) -> list[Header]:
    """The headers of an answer that passes untouched; ours only where the backend sent none of that name."""
    out = _under(end_to_end(answer), own)
    names = {name for name, _ in out}
    return out + [(name, value) for name, value in own if name not in names or name == b"vary"]


def wanted(answer: list[Header]) -> list[Header]:
    """The protocol that a backend's own 426 wants, which it must say (RFC 9110, 15.5.22)."""
    named = [header for header in answer if header[0] == b"upgrade"]
    return [*named, (b"connection", b"Upgrade")] if named else []


def on_stream(
    answer: list[Header], own: list[Header], policy: Policy, format: str, content_type: bytes | None
) -> list[Header]:
    """The headers of a stream: the backend's, without what cannot be true of it, and what keeps it unbuffered."""
    given = _under(end_to_end(answer), own)
    ours = {name: value for name, value in own if name not in _LISTS}
    if get(given, b"x-request-id"):
        ours.pop(b"x-request-id", None)
    ours[b"x-stream-format"] = format.encode()
    if policy.headers == "on":
        ours.update(_UNBUFFERED)
    if content_type:
        ours[b"content-type"] = content_type
    lists = [header for header in (*given, *own) if header[0] in _LISTS]
    ours.update(_LISTS)
    for name in dict(lists):
        ours[name] = _joined([value for of, value in lists if of == name] + [ours[name]])
    kept = [header for header in given if header[0] not in ours and header[0] not in _NOT_ON_STREAMS]
    return [*kept, *ours.items()]


def located(answer: list[Header], url: str, authority: bytes, scope: Any) -> list[Header]:
    """The answer's headers, in which a Location of the backend's own address is one of the address that the client
    called; by `url` and by `authority`, its Host."""
    if not any(name in _PLACES for name, _ in answer):
        return answer
    scheme, _, place = url.rstrip("/").encode().partition(b"://")
    scheme = scheme if scheme == b"https" else b"http"
    given = dict(reversed(scope["headers"]))
    client = given.get(b"x-forwarded-host") or given.get(b"host", b"")
    if not client:
        return answer
    called = given.get(b"x-forwarded-proto", scope["scheme"].encode()) + b"://" + client
    own = {scheme + b"://" + each for host in (place, authority) for each in (host, host.removesuffix(_PORTS[scheme]))}
    return [(name, _moved(value, own, called) if name in _PLACES else value) for name, value in answer]


def _moved(value: bytes, own: set[bytes], called: bytes) -> bytes:
    for address in own:
        rest = value[len(address) :]
        if value[: len(address)].lower() == address.lower() and rest[:1] in (b"", b"/", b"?", b"#"):
            return called + rest
    return value


def _under(given: list[Header], own: list[Header]) -> list[Header]:
    """The backend's headers; without its own CORS where a rule says what browsers may do."""
    if not get(own, b"access-control-allow-origin"):
        return given
    return [(name, value) for name, value in given if not name.startswith(b"access-control-")]


def _joined(values: list[bytes]) -> bytes:
    """One list out of all; a word stands once."""
    words: dict[bytes, bytes] = {}
    for value in values:
        for word in value.split(b","):
            words.setdefault(word.strip().lower(), word.strip())
    return b", ".join(filter(None, words.values()))
