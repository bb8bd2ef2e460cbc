"""YAML without its traps: what a scalar is, what is refused, and where."""

import pytest

from sidecar.policy import document
from sidecar.policy.document import Document, Invalid


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("yes", "yes"),
        ("off", "off"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("1.5", 1.5),
        ("-3", -3),
        ("0", 0),
        ("9" * 5000, "9" * 5000),
        ("2026-01-01", "2026-01-01"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ('"5"', "5"),
        ("nan", "nan"),
    ],
)
def test_a_scalar_is_what_it_looks_like(scalar: str, value: object) -> None:
    data = Document(f"a: {scalar}".encode(), "f").data
    assert data == {"a": value} and type(data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (b"a: 1\nb: 2\na: 3", "f:3:1", "a stands here twice, first in line 1"),
        (b"a: &x {b: 1}\nc:\n  <<: *x", "f:3:3", "merge keys are not supported"),
        (b"a: !!int '3'", "f:1:4", "a: tags such as tag:yaml.org,2002:int have no meaning"),
        (b"a: !!python/object/apply:os.system [ls]", "f:1:4", "a: tags such as"),
        (b"? [a]\n: 1", "f:1:3", "a key must be a word"),
        (b'a: "\\ud800"', "f:1:4", "a: a character that cannot be printed"),
        (b'a: "x\\ny"', "f:1:4", "a: a character that cannot be printed"),
    ],
)
def test_a_trap_is_a_problem_at_its_place(text: bytes, where: str, message: str) -> None:
    (problem,) = Document(text, "f").problems()
    assert problem.where == where
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        (b"", "f:1:1", "the file is empty"),
        (b"# nothing", "f:1:1", "the file is empty"),
        (b"a: 1\n---\nb: 2", "f:2:1", "not YAML: expected a single document"),
        (b"a: 1\n\tb: 2", "f:2:1", "not YAML: "),
        (b"a: [1, 2", "f:1:9", "not YAML: "),
        (b"a: *x", "f:1:4", "not YAML: found undefined alias"),
        (b"a: \xff\xfe", "f:1:4", "not UTF-8"),
        ("é: 1\nb: \x07".encode(), "f:2:4", "a character that YAML does not allow"),
        (b"&a [*a]", "f:1:1", "too much"),
        (b"[" * 100_000, "f:1:21", "not YAML: nested deeper"),
        (b"{a: " * 10_000, "f:1:81", "not YAML: nested deeper"),
        (b"- " * 10_000, "f:1:41", "not YAML: nested deeper"),
        (b'a: "\\U99999999"', "f", "not YAML: a number or an escape is out of range"),
        (b"%YAML 1." + b"9" * 5_000 + b"\n---\na: 1", "f", "not YAML: a number or an escape is out of range"),
        (b"x" * (document.MAX_BYTES + 1), "f", "larger than 1 MiB"),
        (b"a: [" + b"1," * document.MAX_NODES + b"]", "f:1:4", "not YAML: more than 20000 values"),
    ],
)
def test_what_is_no_document_says_where(text: bytes, where: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        Document(text, "f")
    (problem,) = caught.value.problems
    assert problem.where == where
    assert problem.message.startswith(message)


def test_aliases_cannot_outgrow_the_bounds() -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    bomb = "\n".join(["a0: &a0 [x]", *rows]).encode()
    with pytest.raises(Invalid, match="too much"):
        Document(bomb, "f")


def test_an_alias_is_its_anchor() -> None:
    assert Document(b"a: &x {b: [1]}\nc: *x", "f").data == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_a_byte_order_mark_is_nothing() -> None:
    assert Document(b"\xef\xbb\xbfa: 1", "f").data == {"a": 1}


def test_only_so_many_problems_are_told() -> None:
    found = Document(b"a: 1\n" * (document.MAX_PROBLEMS + 6), "f").problems()
    assert len(found) == document.MAX_PROBLEMS + 1
    assert str(found[-1]) == "f: and 5 more problems"
