"""Cumulative or not: a text comes out whole however it was cut, said again, cut within a character or trimmed."""

import random
from typing import Any

import pytest

from sidecar.stream.events import ReasoningDelta, TextDelta, TextSnapshot
from sidecar.stream.growth import LOST, PATIENCE, Growth

WORDS = "the fen is wet no no well well 潮水 很 好 ha and a tide of tides 😀 I 1 11 - -- \n".split(" ")
SEED = 20261201
ROUNDS = 400


def heard(pieces: list[str], presumed: bool = False, counts: list[int] | None = None, unseen: int = 1) -> list[str]:
    """What each piece delivers, and what comes at the end."""
    growth = Growth(presumed)
    tokens: list[Any] = [*(counts or [None] * len(pieces))]
    last = len(pieces) - 1
    told = [growth.fresh(piece, tokens[at], unseen if at == last else 3) for at, piece in enumerate(pieces)]
    return [*told, growth.rest()]


# ---- what is delivered, and when


@pytest.mark.parametrize("presumed", [True, False])
@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        # cumulative: the second piece is one frame late, nothing else is
        ("The|The fen|The fen is|The fen is wet", "The|| fen is| wet|"),
        ("I|I am|I am a fen|I am a fen.", "I|| am a fen|.|"),
        ("沼|沼泽|沼泽很|沼泽很湿。", "沼||泽很|湿。|"),
        ("Rust\n|Rust\nis|Rust\nis red", "Rust\n||is red|"),
        ("The fen|The fen is|The fen is wet.\n|The fen is wet.", "The fen|| is wet.\n||"),
        (f"Tide: {LOST}|Tide: 潮|Tide: 潮{LOST * 2}|Tide: 潮水", "Tide: |||潮水|"),
        # incremental: at once, but for what repeats itself
        ("The| fen| is| wet", "The| fen| is| wet|"),
        ("ha|ha|ha|!|!", "ha|||haha!|!|"),
        ("no|no problem|, no", "no||no problem, no|"),
        ("Rust|Rust\n|is", "Rust||Rust\nis|"),
        ("1|11|1|5", "1|1||115|"),
        ("a|b|a|ab|abab|abababab", "a|b|a|ab|abab|abababab|"),
        (f"x{LOST}|y|{LOST}", f"x|{LOST}y|{LOST}|"),
    ],
)
def test_what_several_pieces_prove(pieces: str, told: str, presumed: bool) -> None:
    assert heard(pieces.split("|"), presumed) == told.split("|")


@pytest.mark.parametrize(
    ("pieces", "cumulative", "incremental"),
    [
        ("Rust|Rust\n", "Rust\n", "RustRust\n"),
        ("ha|ha|ha", "ha", "hahaha"),
        ("哈|哈哈|哈哈", "哈哈", "哈哈哈哈哈"),
        ("--|----|--", "----", "--------"),
        ("wet.\n|wet.", "wet.\n", "wet.\nwet."),
        ("Fen|Fenland", "Fenland", "Fenland"),  # a word does not begin with the whole word before it
    ],
)
def test_where_nothing_is_proved_the_likelier_is_taken(pieces: str, cumulative: str, incremental: str) -> None:
    assert "".join(heard(pieces.split("|"), True)) == cumulative
    assert "".join(heard(pieces.split("|"), False)) == incremental


@pytest.mark.parametrize(
    ("pieces", "counts", "unseen", "text"),
    [
        ("哈|哈|哈|哈|", [1, 2, 3, 4, 4], 1, "哈哈哈哈"),
        ("哈|哈|", [1, 2, 2], 1, "哈哈"),  # a text so far does not end as none
        ("ha|ha|ha", [1, 2, 3], 0, "hahaha"),
        ("ha|ha", [1, 2], 1, "ha"),  # the second token is the one that ended it
        ("ha|haha|haha|haha!", [1, 2, 3, 4], 1, "haha!"),
        ("ha|haha|haha!", [1, 3, 6], 1, "hahahahaha!"),
        ("a|a|a|a😀", [1, 2, 3, 4], 1, "a😀"),  # a character of four tokens
        ("Tin|Tin", [1, 1], 1, "Tin"),
        ("ha|ha|ha", [1, 3, 3], 2, "ha"),  # a stop string of two characters was cut off
    ],
)
def test_what_counts_prove(pieces: str, counts: list[int], unseen: int, text: str) -> None:
    assert "".join(heard(pieces.split("|"), True, counts, unseen)) == text


def test_counts_prove_it_before_patience_ends() -> None:
    told = heard(["ha"] * 6, True, list(range(1, 7)))
    assert [bool(text) for text in told] == [True, False, False, False, True, True, False]


@pytest.mark.parametrize("presumed", [True, False])
def test_a_doubt_is_bounded(presumed: bool) -> None:
    told = heard(["ha"] * (PATIENCE + 1), presumed)
    assert told[1 : PATIENCE - 1] == [""] * (PATIENCE - 2)
    assert "".join(told) == ("ha" if presumed else "ha" * (PATIENCE + 1))
    # where nothing is kept back of what is likely it goes on
    assert "".join(heard(["ha"] * (PATIENCE + 9) + ["!"], presumed)) == "ha" * (PATIENCE + 9) + "!"
    # what was only presumed may still turn out otherwise
    assert heard(["no", *["no!"] * PATIENCE, "yes"], presumed)[-2] == "yes"


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ("a|ab|abc|abc def ghijkl|abc [1] def ghijkl [2].", "abc def ghijkl [2]."),
        ("a|ab|abc|abc def.|abc def, and", "abc def., and"),
        ("a|ab|abc|abc is here.|other words altogether|other words altogether.", "abc is here.other words altogether."),
        ("a|ab|abc|ab|abc|abcd", "abcd"),
        (f"a|ab|abc|abc{LOST}", f"abc{LOST}"),
        (f"a|{LOST}", f"a{LOST}"),
    ],
)
def test_a_text_so_far_that_is_rewritten(pieces: str, text: str) -> None:
    assert "".join(heard(pieces.split("|"))) == text


# ---- a property: any text, said in any of these ways


def texts(chance: random.Random) -> tuple[str, list[str]]:
    """A text and its pieces, none empty; words repeat."""
    pieces = [chance.choice(WORDS) + chance.choice(("", " ", " ")) for _ in range(chance.randint(1, 12))]
    pieces = [piece for piece in pieces if piece for _ in range(chance.choice((1, 1, 1, 2, 4)))]
    return "".join(pieces), pieces


def cumulated(pieces: list[str], chance: random.Random) -> list[str]:
    """The text so far for each piece, said again now and then, with characters that are not whole."""
    so_far = ["".join(pieces[: at + 1]) for at in range(len(pieces))]
    told = []
    for text in so_far:
        cut = text[-1:] > "\x7f" and chance.random() < 0.5
        told += [text[:-1] + LOST * chance.randint(1, 2)] if cut else []
        told += [text] * chance.choice((1, 1, 1, 2))
    if chance.random() < 0.3:
        told.append(so_far[-1][: -min(3, len(so_far[-1]) - 1) or None])
    return told


@pytest.mark.parametrize("round", range(4))
def test_cumulative_text_comes_out_whole(round: int) -> None:
    chance = random.Random(SEED + round)
    for _ in range(ROUNDS):
        text, pieces = texts(chance)
        so_far = cumulated(pieces, chance)
        proven = text[0].isalpha() and len(set(pieces)) > 3 and len(so_far) < PATIENCE
        for presumed in (True, False) if proven else (True,):
            whole = "".join(heard(so_far, presumed))
            assert text.startswith(whole) and len(text) - len(whole) <= 3, (so_far, presumed)


@pytest.mark.parametrize("round", range(4))
def test_incremental_text_comes_out_whole(round: int) -> None:
    chance = random.Random(SEED + round)
    for _ in range(ROUNDS):
        text, pieces = texts(chance)
        if not (len(pieces) > 1 and pieces[1].startswith(pieces[0]) and pieces[1] != pieces[0]):
            assert "".join(heard(pieces, presumed=False)) == text, pieces
        pairs = list(zip(pieces, pieces[1:], strict=False))
        if not any(second.startswith(first) or first.startswith(second) for first, second in pairs):
            assert heard(pieces, presumed=False)[:-1] == pieces  # and at once
        counts = [at + 1 for at in range(len(pieces))]
        grows = all(second.startswith(first) or first.startswith(second) for first, second in pairs)
        assert grows or "".join(heard(pieces, True, counts, 0)) == text, pieces


def test_the_parser_asks_the_dialects_own_judge() -> None:
    growth = Growth(False)
    assert growth.event("a") == TextSnapshot("a", growth=growth)
    assert (growth.fresh("a"), growth.fresh("b")) == ("a", "b")
    assert growth.event("c", 1) == TextDelta("c", 1)
    assert growth.event("c", 1, True) == ReasoningDelta("c", 1)
