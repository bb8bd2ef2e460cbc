"""The times between the chunks of a stream, in buckets."""

from itertools import compress
from math import inf

GAP_BOUNDS = tuple(0.01 * 2 ** (step / 4) for step in range(-28, 57))
"""Seconds, four to an octave, 78 us to 164 s; the octaves are the bucket bounds of the GenAI conventions."""

_BOUNDS = (*GAP_BOUNDS, inf)
_PLACES = range(len(_BOUNDS))


def buckets() -> list[int]:
    """One for each of `GAP_BOUNDS`, and one for longer gaps."""
    return [0] * len(_BOUNDS)


def counted(gaps: list[int]) -> list[tuple[float, int]]:
    """The buckets that are not empty: the upper bound in seconds, or infinity, and how many."""
    return [(_BOUNDS[place], gaps[place]) for place in compress(_PLACES, gaps)]


def p99(gaps: list[int], longest: float) -> float:
    """Seconds that 99 of 100 gaps do not exceed, to a quarter of an octave."""
    left = sum(gaps) * 0.99
    for bound, count in counted(gaps):
        left -= count
        if left <= 0:
            return min(bound, longest)
    return longest
