"""What a browser on another origin may do and read, by the Fetch standard's CORS protocol."""

from sidecar.policy.config import Cors

Header = tuple[bytes, bytes]

_EXPOSED = b"X-Stream-Format, X-Stream-Id, X-Request-Id, Retry-After, Traceresponse"


def answer(cors: Cors, origin: str) -> list[Header]:
    """The headers of an answer to this origin; nothing where the rule leaves CORS to the backend."""
    if not cors.origins or not origin:
        return []
    everyone = "*" in cors.origins
    if not everyone and origin.lower() not in cors.origins:
        return [(b"vary", b"Origin")]
    allowed = [(b"access-control-allow-origin", b"*" if everyone else origin.encode("latin-1"))]
    if cors.credentials == "on":
        allowed.append((b"access-control-allow-credentials", b"true"))
    exposed = [(b"access-control-expose-headers", _EXPOSED)]
    return allowed + exposed + ([] if everyone else [(b"vary", b"Origin")])


def preflight(cors: Cors, origin: str, method: str) -> list[Header]:
    """The headers of the answer to a preflight for this method; without `allow` ones where the origin may not."""
    headers = [header for header in answer(cors, origin) if header[0] != b"access-control-expose-headers"]
    if any(name == b"access-control-allow-origin" for name, _ in headers):
        headers += [
            (b"access-control-allow-methods", method.encode("latin-1")),
            (b"access-control-allow-headers", ", ".join(cors.headers).encode("latin-1")),
            (b"access-control-max-age", b"%d" % cors.max_age),
        ]
    return headers
