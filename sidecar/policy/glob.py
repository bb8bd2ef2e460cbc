"""Globs: `*` any run of characters, `?` one, `[134] [a-z] [!x]` one of a set.

In a path `*`, `?` and sets stay within a segment and `**` crosses; anywhere else `*` and `**` are the same.
Every wildcard but the last takes the shortest run and never gives it back (an atomic group): that finds a match
whenever there is one, and a hostile header of n bytes costs n steps a wildcard, not n to the power of them.
"""

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"(?P<stars>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?[^\]]*\])|(?P<text>.)", re.S)


def regex(pattern: str, *, path: bool = False, never: str = "") -> str:
    """The regular expression of a glob, for `re.match` with DOTALL; `never`: what a segment of a path cannot hold.

    ValueError where a set is not closed or its range is reversed.
    """
    segment = f"[^/{never}]" if path else "."
    chunks = [[""]]
    for kind, text in _tokens(pattern):
        if kind == "stars" and path and text == "*":
            chunks[-1].append("")
        elif kind == "stars":
            chunks.append([""])
        else:
            chunks[-1][-1] += _one(kind, text, segment)
    return _join([_join(pieces, segment) for pieces in chunks], ".") + r"\Z"


def covers(wide: str, narrow: str, *, path: bool = False) -> bool:
    """Whether every text that `narrow` matches is surely matched by `wide`; False where that cannot be told."""
    if wide == narrow:
        return True
    if any(kind in ("one", "set") for kind, _ in _tokens(wide)):
        return False
    able = re.compile(regex(wide, path=path, never="\n"), re.S).match
    return bool(able(_replaced(narrow, "", "")) and able(_replaced(narrow, "\0", "\n" if path else "\0")))


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    return ((str(found.lastgroup), found[0]) for found in _TOKEN.finditer(pattern))


def _one(kind: str, text: str, segment: str) -> str:
    if kind == "one":
        return segment
    if kind == "set":
        return ("" if segment == "." else "(?!/)") + _set(text[1:-1])
    if text == "[":
        raise ValueError("its [ is not closed; a [ itself is written [[]")
    return re.escape(text)


def _set(members: str) -> str:
    negated = members[0] in "!^"
    characters = re.sub(r"[^\w-]", lambda found: "\\" + found[0], members[negated:])
    made = f"[{'^' if negated else ''}{characters}]"
    try:
        re.compile(made.replace("--", "z-a"))  # re means to give -- a sense of its own
    except re.error:
        raise ValueError(f"[{members}] is not a set of characters") from None
    return made


def _join(parts: list[str], wildcard: str) -> str:
    first, *rest = parts
    if not rest:
        return first
    return first + "".join(f"(?>{wildcard}*?{part})" for part in rest[:-1]) + f"{wildcard}*?{rest[-1]}"


def _replaced(pattern: str, single: str, crossing: str) -> str:
    """The pattern as text, with something that no literal matches in the place of every wildcard."""
    return "".join(
        text if kind == "text" else crossing if kind == "stars" and len(text) > 1 else single
        for kind, text in _tokens(pattern)
    )
