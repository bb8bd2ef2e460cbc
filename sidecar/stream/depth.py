"""How deep JSON is nested: it is read to 1,024 levels, and written again to what is left of the interpreter's stack."""

from typing import Any

MAX_DEPTH = 500
"""Levels of a value that is handed on as one; what is nested deeper is handed on as text."""


def is_deep(value: Any) -> bool:
    """Whether the value has more levels than that."""
    layer = [value]
    for _ in range(MAX_DEPTH + 1):
        holders = [each for each in layer if isinstance(each, dict | list)]
        if not holders:
            return False
        layer = [inner for each in holders for inner in (each.values() if isinstance(each, dict) else each)]
    return True
