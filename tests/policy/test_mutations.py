"""Whatever is done to a file, it is read or refused with reasons: never a crash, never a hang."""

import os
import random
import time
from pathlib import Path

import pytest

from sidecar.policy.document import Invalid
from sidecar.policy.load import Flags, load
from sidecar.policy.rules import Facts, Rules

FILES = sorted((Path(__file__).parents[2] / "config").rglob("*.yaml"))
COUNT = int(os.environ.get("SIDECAR_MUTATIONS", "150"))
PIECES = [
    *"{}[]:,&*!|>'\"#%@`-? \n\t~",
    *("null", "true", "on", "010", "1:30", "<<: ", "*a", "&a ", "!!int ", "---\n", "? ", "\\ud800", "\x00", "\ufeff"),
    *("rules:", "match:", "policy:", "name: x", "- ", "  ", "{}", "[]", "9" * 400, "é", "\U0001f600", "[a", "**", "@"),
]


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 6)):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        to = min(to, at + 40)
        piece = chance.choice(PIECES) if chance.random() < 0.7 else text[at:to] * chance.randint(1, 3)
        text = text[:at] + piece + text[to if chance.random() < 0.5 else at :]
    return text


def mutated_bytes(text: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(text))
    return text[:at] + bytes([chance.randrange(256)]) + text[at + chance.randrange(3) :]


def outcome(text: bytes, flags: Flags) -> str:
    """`good`, or `bad`; anything else raises."""
    began = time.perf_counter()
    try:
        rules = Rules(load(text, "f", flags))
    except Invalid as error:
        assert error.problems
        for problem in error.problems:
            str(problem).encode()
            assert "\n" not in str(problem)
        return "bad"
    finally:
        assert time.perf_counter() - began < 5
    assert rules.resolve(Facts("POST", "/v1/x", [(b"user-agent", b"x")], "m", True)).upstreams
    return "good"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_mutated_file_is_read_or_refused(file: Path) -> None:
    chance = random.Random(file.name)
    text = file.read_bytes()
    flags = [Flags(), Flags("http://a", "a:1", "a:1", "passthrough", "text")]
    seen = [
        outcome(
            mutated(text.decode(), chance).encode() if round % 3 else mutated_bytes(text, chance),
            chance.choice(flags),
        )
        for round in range(COUNT)
    ]
    assert {"good", "bad"} == set(seen)


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(COUNT):
        noise = "".join(chance.choices(PIECES, k=chance.randint(0, 60)))
        assert outcome(noise.encode(), Flags()) == "bad"
