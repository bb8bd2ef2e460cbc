"""Globs: `*` any run of characters, `?` one, `[134] [a-z] [!x]` one of a set.

In a path `*`, `?` and sets stay within a segment and `**` crosses; anywhere else `*` and `**` are the same.
Every wildcard but the last takes the shortest run and never gives it back (an atomic group): that finds a match
whenever there is one, and a hostile header of n bytes costs n steps a wildcard, not n to the power of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

_TOKEN = re.compile(r"(?P<stars>\*+)|(?P<one>\?)|(?P<set>\[[!^]?\]?+[^\]]*\])|(?P<text>.)", re.S)
_WITHIN = re.compile(r"\*+([^*?[]+)\*+")


def matcher(globs: Iterable[str]) -> Callable[[str], object]:
    """A function that is true of a text which any of the globs matches; not for paths. ValueError as `regex`."""
    within, whole = [], []
    for pattern in globs:
        inner = _WITHIN.fullmatch(pattern)
        within += [re.escape(inner[1])] if inner else []
        whole += [] if inner else [regex(pattern)]
    found, matched = re.compile("|".join(within), re.S).search, re.compile("|".join(whole), re.S).match
    if not within or not whole:
        return found if within else matched
    return lambda text: found(text) or matched(text)


def regex(pattern: str, *, path: bool = False, never: str = "") -> str:
    """The regular expression of a glob, for `re.match` with DOTALL; `never`: what a segment of a path cannot hold.

    ValueError where a set is not closed or its range is reversed.
    """
    segment = f"[^/{never}]" if path else "."
    first, *rest = _chunks(pattern, path, segment)
    leads = ["(?:.*?/)??" if path and pieces[1:] and not pieces[0] else ".*?" for pieces in rest]
    crossed = [lead + _chunk(pieces, segment) for lead, pieces in zip(leads, rest, strict=True)]
    return _chunk(first, segment) + _atomic(crossed) + r"\Z"


def covers(wide: str, narrow: str, *, path: bool = False) -> bool:
    """Whether every text that `narrow` matches is surely matched by `wide`; False where that cannot be told."""
    able = _able(wide, path)
    return wide == narrow or (able is not None and all(map(able, _samples(narrow, path))))


@lru_cache(4096)
def _able(wide: str, path: bool) -> Callable[[str], object] | None:
    """The match of a glob of nothing but text and stars, whose `*` does not take the sign of a crossing."""
    if any(kind in ("one", "set") for kind, _ in _tokens(wide)):
        return None
    return re.compile(regex(wide, path=path, never="\n"), re.S).match


@lru_cache(4096)
def _samples(narrow: str, path: bool) -> tuple[str, str]:
    """A glob as two texts: wildcards as nothing, and as what only a wildcard matches."""
    return _replaced(narrow, "", ""), _replaced(narrow, "\0", "\n" if path else "\0")


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


def _chunks(pattern: str, path: bool, segment: str) -> list[list[str]]:
    """What stands between the wildcards that cross segments; each in the pieces between the others.

    Where a crossing is not followed by a slash, the rest of that segment is a wildcard of its own.
    """
    chunks = [[""]]
    for kind, text in _tokens(pattern):
        if kind == "stars" and (text != "*" or not path):
            chunks.append([""])
        elif kind == "stars":
            chunks[-1].append("")
        elif path and text != "/" and len(chunks) > 1 and chunks[-1] == [""]:
            chunks[-1].append(_one(kind, text, segment))
        else:
            chunks[-1][-1] += _one(kind, text, segment)
    return chunks


def _chunk(pieces: list[str], segment: str) -> str:
    return pieces[0] + _atomic([f"{segment}*?{piece}" for piece in pieces[1:]])


def _atomic(parts: list[str]) -> str:
    """One after the other; all but the last keep what they took."""
    return "".join(f"(?>{part})" for part in parts[:-1]) + "".join(parts[-1:])


def _replaced(pattern: str, single: str, crossing: str) -> str:
    """The pattern as text, with something that no literal matches in the place of every wildcard."""
    return "".join(
        text if kind == "text" else crossing if kind == "stars" and len(text) > 1 else single
        for kind, text in _tokens(pattern)
    )
