"""Keep-alives that some servers and gateways send as data: a word between the frames of another dialect."""

import re

_BEAT = re.compile(
    rb"\s*[\[(<:]*\s*(?:null|ping|pong|heart[ _-]?beat|keep[ _-]?alive|noop)\s*[\])>.!]*\s*", re.IGNORECASE
)
_QUOTED = re.compile(rb'\s*"(.*)"\s*', re.DOTALL)
_JSON = (b"{", b"[")


def is_beat(data: bytes) -> bool:
    """Whether this is such a word; to a stream of plain text it is one like others."""
    quoted = _QUOTED.fullmatch(data)
    return _BEAT.fullmatch(quoted[1] if quoted else data) is not None


def without(data: bytes) -> bytes:
    """The JSON of a frame of several lines, one of which is such a word; nothing where it is not so."""
    lines = data.split(b"\n")
    rest = [line for line in lines if not is_beat(line)]
    return b"\n".join(rest) if 0 < len(rest) < len(lines) and rest[0].lstrip()[:1] in _JSON else b""
