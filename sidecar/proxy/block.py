"""The header lines of an answer: none says more than one header."""

from collections.abc import Iterable

from sidecar.proxy.headers import Header

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes({*range(32), 127} - {9})


def lower(given: Iterable[Header]) -> list[Header]:
    """The headers under names as ASGI has them. RuntimeError where one cannot be a name."""
    headers = list(given)
    if _are_names([name for name, _ in headers]):
        return headers
    headers = [(name.lower(), value) for name, value in headers]
    if not _are_names([name for name, _ in headers]):
        raise RuntimeError("a header's name that is none")
    return headers


def block(lines: list[bytes]) -> bytes:
    """These lines with their ends, and the empty one. RuntimeError where a header would break out of its line."""
    lines = [*lines, b"", b""]
    made = b"\r\n".join(lines)
    # a look at the whole block: 0.8 us a stream, where a regular expression took 4.3
    if len(made) - len(made.translate(None, _CONTROLS)) != 2 * len(lines) - 2:
        raise RuntimeError("a header that would break out of its line")
    return made


def _are_names(words: list[bytes]) -> bool:
    return not b"".join(words).translate(None, _TOKEN) and b"" not in words
