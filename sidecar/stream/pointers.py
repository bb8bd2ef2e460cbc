"""Values in JSON, deep inside by pointer: `/usage/input_tokens`, `/choices/0/delta`."""

from functools import lru_cache
from typing import Any

import msgspec

from sidecar.stream.events import Usage


@lru_cache(512)
def _steps(pointer: str) -> tuple[str, ...]:
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def read(data: bytes | str) -> Any:
    """The JSON value; None where it is none."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None


def at(said: Any, pointer: str) -> Any:
    """The value that an RFC 6901 pointer names."""
    for step in _steps(pointer):
        if type(said) is dict:
            said = said.get(step)
        elif type(said) is list and step.isdecimal() and int(step) < len(said):
            said = said[int(step)]
        else:
            return None
    return said


def text(said: Any, *pointers: str) -> str:
    """The first of these that is a filled string; empty where none is."""
    for pointer in pointers:
        value = at(said, pointer)
        if isinstance(value, str) and value:
            return value
    return ""


def count(said: Any, *pointers: str) -> int | None:
    """The first of these that is a number of tokens."""
    for pointer in pointers:
        value = number(at(said, pointer))
        if value is not None:
            return value
    return None


def number(value: Any) -> int | None:
    """A whole number of zero or more, also where it is written with a point, as Titan does; None for all else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def usage(
    said: Any, given: str, made: str, total: str = "/-", cached: str = "/-", reasoning: str = "/-"
) -> list[Usage]:
    """The `Usage` that these pointers show, or nothing."""
    known, spent = count(said, given), count(said, made)
    if known is None and spent is None:
        return []
    return [Usage(known, spent, count(said, total), count(said, cached), count(said, reasoning))]
