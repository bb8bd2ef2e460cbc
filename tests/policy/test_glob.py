"""Globs match what the plain regular expressions match, and cost what their text is long."""

import itertools
import random
import re
import time

import pytest

from sidecar.policy import glob

TEXTS = ["".join(letters) for length in range(7) for letters in itertools.product("ab/", repeat=length)]


def naive(pattern: str, path: bool) -> re.Pattern[str]:
    """The same glob with every wildcard free to give back."""
    one = "[^/]" if path else "."
    words = {"*": f"{one}*", "**": ".*", "?": one, "[ab]": "[ab]", "[!a]": "[^a/]" if path else "[^a]"}
    parts = re.findall(r"\*+|\?|\[.*?\]|.", pattern)
    return re.compile("".join(words.get("**" if part.startswith("**") else part, re.escape(part)) for part in parts))


def patterns(seed: int, count: int, pieces: list[str]) -> list[str]:
    chance = random.Random(seed)
    return ["".join(chance.choices(pieces, k=chance.randint(1, 8))) for _ in range(count)]


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/v1/chat/completions", "/v1/chat/completions", True),
        ("/v1/chat/completions", "/v1/chat/completions/", False),
        ("/v1/*", "/v1/models", True),
        ("/v1/*", "/v1/models/x", False),
        ("/v1/**", "/v1/models/x", True),
        ("/v1/**", "/v1", False),
        ("/V1/*", "/v1/models", False),
        ("**/completions", "/a/b/completions", True),
        ("/v1beta/models/*:streamGenerateContent", "/v1beta/models/g-2:streamGenerateContent", True),
        ("/v?/x", "/v1/x", True),
        ("/v?x", "/v/x", False),
        ("/a.c", "/abc", False),
        ("/*\n", "/x\n", True),
        ("/x", "/x\n", False),
    ],
)
def test_a_star_stays_within_a_segment_of_a_path(pattern: str, text: str, matches: bool) -> None:
    assert bool(re.match(glob.regex(pattern, path=True), text, re.S)) is matches


@pytest.mark.parametrize(
    ("patterns", "text", "matches"),
    [
        (["*"], "", True),
        (["*iphone*"], "mozilla (iphone; cpu)", True),
        (["*iphone*", "*ipad*"], "an ipad", True),
        (["*iphone*", "ipad*"], "an ipad", False),
        (["ollama-*"], "ollama-python/0.6", True),
        (["ollama-*"], "my-ollama-python/0.6", False),
        (["o[134]*"], "o3-mini", True),
        (["o[134]*"], "olmo", False),
        (["[!o]*"], "olmo", False),
        (["a[]x]"], "a]", True),
        (["a[[]b"], "a[b", True),
        (["a/*"], "a/b/c", True),
        (["[a-c]?"], "bz", True),
        (["[a-]"], "-", True),
        ([r"[\d]"], "1", False),
    ],
)
def test_elsewhere_a_star_matches_anything(patterns: list[str], text: str, matches: bool) -> None:
    assert bool(glob.matcher(patterns)(text)) is matches


@pytest.mark.parametrize("pattern", ["a[", "[z-a]", "[a--z]", "x[ab", "[]", "[!]"])
def test_a_bad_set_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="set of characters|not closed"):
        glob.regex(pattern)


@pytest.mark.parametrize("path", [True, False])
def test_atomic_wildcards_find_what_free_ones_find(path: bool) -> None:
    chance = random.Random(7)
    matched = 0
    for pattern in patterns(1, 400, ["a", "b", "/", "*", "**", "a", "?", "[ab]", "[!a]"]):
        able, free = re.compile(glob.regex(pattern, path=path), re.S), naive(pattern, path)
        for text in chance.sample(TEXTS, 60):
            expected = bool(free.fullmatch(text))
            assert bool(able.match(text)) is expected, (pattern, text)
            assert path or bool(glob.matcher([pattern])(text)) is expected, (pattern, text)
            matched += expected
    assert matched > 500


@pytest.mark.parametrize(
    ("pattern", "path", "text"),
    [
        ("*foo*bar*baz*qux", False, "foobarbaz" * 20_000),
        ("*f?o*x", False, "foo" * 60_000),
        ("/**a*a*a/x", True, "/" + "a" * 60_000),
        ("/*-*-*-*x", True, "/" + "-" * 60_000),
        ("/**/b/**/c", True, "/b/" * 20_000),
        ("/**-**-**-x", True, "/" + "-" * 60_000),
    ],
)
def test_a_hostile_text_costs_its_length(pattern: str, path: bool, text: str) -> None:
    able = re.compile(glob.regex(pattern, path=path), re.S).match
    began = time.perf_counter()
    assert not able(text)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("wide", "narrow", "path", "covers"),
    [
        ("*", "gpt-4*", False, True),
        ("gpt-*", "gpt-4*", False, True),
        ("gpt-4*", "gpt-*", False, False),
        ("gpt-*", "gpt-4o", False, True),
        ("*a*", "[ab]", False, False),
        ("o[134]*", "o[134]*", False, True),
        ("?", "a", False, False),
        ("/v1/**", "/v1/*/x", True, True),
        ("/v1/*/x", "/v1/**/x", True, False),
        ("/v1/*/*/x", "/v1/**/x", True, False),
        ("/v1/*/**", "/v1/**", True, False),
        ("**", "/any/*", True, True),
        ("*", "/any", True, False),
    ],
)
def test_what_covers_what(wide: str, narrow: str, path: bool, covers: bool) -> None:
    assert glob.covers(wide, narrow, path=path) is covers


@pytest.mark.parametrize("path", [True, False])
def test_what_is_covered_matches_nothing_else(path: bool) -> None:
    found = 0
    wides = patterns(2, 3_000, ["a", "b", "/", "*", "**"])
    narrows = patterns(3, 3_000, ["a", "b", "/", "*", "**", "?", "[ab]"])
    for wide, narrow in zip(wides, narrows, strict=True):
        if wide != narrow and glob.covers(wide, narrow, path=path):
            found += 1
            able, free = naive(wide, path), naive(narrow, path)
            assert not [text for text in TEXTS if free.fullmatch(text) and not able.fullmatch(text)], (wide, narrow)
    assert found > 50
