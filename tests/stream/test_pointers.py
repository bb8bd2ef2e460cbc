"""Values by pointer, whatever the JSON is."""

from typing import Any

import pytest

from sidecar.stream import pointers
from sidecar.stream.events import Usage

SAID: Any = {"a": {"b": [1, {"c": "deep"}]}, "": "no name", "x/y": 1, "m~n": 2, "0": "zero", "e": "", "f": False}


@pytest.mark.parametrize(
    "pointer, value",
    [
        ("", SAID),
        ("/a/b/0", 1),
        ("/a/b/1/c", "deep"),
        ("/", "no name"),
        ("/x~1y", 1),
        ("/m~0n", 2),
        ("/0", "zero"),
        ("/e", ""),
        ("/f", False),
        ("/a/b/2", None),
        ("/a/b/-", None),
        ("/a/b/-1", None),
        ("/a/b/c", None),
        ("/a/b/٣", None),
        ("/a/b/1/c/d", None),
        ("/nowhere/at/all", None),
    ],
)
def test_at(pointer: str, value: Any) -> None:
    assert pointers.at(SAID, pointer) == value


@pytest.mark.parametrize("said", [None, 5, "text", [], [None], True])
def test_at_takes_anything(said: Any) -> None:
    assert pointers.at(said, "/a/0/b") is None
    assert pointers.text(said, "/a", "/0") == ""
    assert pointers.count(said, "/a", "/0") is None


def test_text_is_the_first_that_is_filled() -> None:
    assert pointers.text(SAID, "/e", "/x~1y", "/nowhere", "/a/b/1/c", "/0") == "deep"
    assert pointers.text(SAID, "/e", "/f") == ""


@pytest.mark.parametrize(
    "value, count",
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        (7.5, None),
        (2**60, None),
        (1e300, None),
        (-1, None),
        (True, None),
        ("7", None),
        (None, None),
    ],
)
def test_count(value: Any, count: int | None) -> None:
    assert pointers.count({"n": value}, "/n") == count


def test_usage() -> None:
    said = {"in": 3, "out": 4, "all": 7, "cached": 1, "thought": 2}
    assert pointers.usage(said, "/in", "/out", "/all", "/cached", "/thought") == [Usage(3, 4, 7, 1, 2)]
    assert pointers.usage(said, "/in", "/nowhere") == [Usage(3)]
    assert pointers.usage(said, "/-", "/-", "/all") == []
    assert pointers.usage(None, "/in", "/out") == []
