"""The lines of a head, either way: none says more than one header."""

from collections.abc import Iterable

from sidecar.proxy.headers import Header

_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
CONTROLS = bytes({*range(32), 127} - {9})
ENDS = b"\0\r\n"
"""What could end a line; the other controls in a client's value are for the backend to judge."""


def lower(given: Iterable[Header]) -> list[Header]:
    """The headers under names as ASGI has them. RuntimeError where one cannot be a name."""
    headers = list(given)
    if are_names(headers):
        return headers
    headers = [(name.lower(), value) for name, value in headers]
    if not are_names(headers):
        raise RuntimeError("a header's name that is none")
    return headers


def are_names(headers: list[Header]) -> bool:
    """Whether all their names are that, in lower case."""
    names = [name for name, _ in headers]
    return not b"".join(names).translate(None, _TOKEN) and b"" not in names


def block(lines: list[bytes], forbidden: bytes = CONTROLS) -> bytes:
    """These lines with their ends, and the empty one. RuntimeError where one holds what is forbidden in it."""
    lines = [*lines, b"", b""]
    made = b"\r\n".join(lines)
    # a look at the whole block: 0.8 us a stream, where a regular expression took 4.3
    if len(made) - len(made.translate(None, forbidden)) != 2 * len(lines) - 2:
        raise RuntimeError("a header that would break out of its line")
    return made
