"""A YAML text as plain data that knows where each part of it stood. Strict where YAML is a trap.

Only `true` and `false` are booleans, only plain decimal numbers are numbers (`010` and `1:30` are words), a key
stands once, there are no merge keys and no tags, and anchors cannot outgrow the bounds below.
"""

import re
from typing import Any

import msgspec
from yaml import MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode
from yaml.composer import Composer, ComposerError
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DEPTH = 20
MAX_PROBLEMS = 100

Path = tuple[str | int, ...]
"""The way from the top: keys and indices."""

_WORDS = {True: "true", False: "false", None: "nothing"}
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,15})?")


class Problem(msgspec.Struct, frozen=True):
    """What is wrong and what to do. `where` is `file:line:column`, or the flag that said it."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class Invalid(Exception):
    """A configuration that cannot be used; `problems` are all that were found, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Document:
    """One file. `data` is made of dict, list, str, int, float, bool and None. Invalid where it is no YAML at all."""

    def __init__(self, text: bytes, name: str) -> None:
        self.name = name
        self._values: dict[Path, tuple[int, int]] = {}
        self._keys: dict[Path, tuple[int, int]] = {}
        self._flags: dict[Path, str] = {}
        self._said: list[tuple[tuple[int, int], Problem]] = []
        self._bad: set[Path] = set()
        self._nodes = 0
        self.data = self._plain(self._compose(text), ())

    def put(self, path: Path, value: Any, flag: str) -> None:
        """Set a value that a command line flag gave; missing mappings on the way are made."""
        data = self.data
        for key in path[:-1]:
            if not isinstance(data, dict):
                return
            data = data.setdefault(key, {})
        if isinstance(data, dict):
            data[path[-1]] = value
            self._flags[path] = flag

    def say(self, path: Path, message: str, *, key: bool = False) -> None:
        """Record a problem at a value, whose key it then names, or at a key."""
        ways = [path[:length] for length in range(len(path), -1, -1)]
        self._bad.update(ways)
        flag = next((self._flags[way] for way in ways if way in self._flags), None)
        marks = self._keys if key else self._values
        place = next((marks[way] for way in ways if way in marks), (1, 1))
        if flag:
            self._said.append(((0, 0), Problem(flag, message)))
        else:
            last = next((step for step in reversed(path) if isinstance(step, str)), "the file")
            self._said.append((place, self._problem(place, message if key else f"{shown(last)}: {message}")))

    def clean(self, path: Path) -> bool:
        """Whether nothing was said at this place or below."""
        return path not in self._bad

    def problems(self) -> list[Problem]:
        """All that was said, in the order of the file; at most MAX_PROBLEMS."""
        ordered = [problem for _, problem in sorted(self._said, key=lambda said: said[0])]
        more = len(ordered) - MAX_PROBLEMS
        rest = [Problem(self.name, f"and {more} more problems")] if more > 0 else []
        return ordered[:MAX_PROBLEMS] + rest

    def _problem(self, place: tuple[int, int], message: str) -> Problem:
        return Problem(f"{self.name}:{place[0]}:{place[1]}", message)

    def _compose(self, text: bytes) -> Node:
        if len(text) > MAX_BYTES:
            raise Invalid([Problem(self.name, f"larger than {MAX_BYTES >> 20} MiB; this is not a configuration")])
        try:
            node = _Loader(text.decode("utf-8-sig")).get_single_node()
        except UnicodeDecodeError as error:
            raise Invalid([self._problem(_at(text, error.start), "not UTF-8; save it as UTF-8")]) from None
        except ReaderError as error:
            place = _at(text.decode("utf-8-sig"), error.position)
            raise Invalid([self._problem(place, "a character that YAML does not allow")]) from None
        except MarkedYAMLError as error:
            raise Invalid([self._problem(*_syntax(error))]) from None
        except (ValueError, OverflowError):  # PyYAML: `\U99999999` in quotes, %YAML with a number of 5000 digits
            raise Invalid([Problem(self.name, "not YAML: a number or an escape is out of range")]) from None
        if node is None:
            raise Invalid([self._problem((1, 1), "the file is empty; begin with `version: 1`")])
        return node

    def _plain(self, node: Node, path: Path) -> Any:
        self._nodes += 1
        self._values[path] = place = _mark(node.start_mark)
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise Invalid([self._problem(place, "too much: aliases within each other")])
        if node.tag:
            self.say(path, f"tags such as {shown(node.tag)} have no meaning here; remove it")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        text = str(node.value)
        if text and not text.isprintable():
            self.say(path, "a character that cannot be printed; write it in one line of plain text")
        return text if isinstance(node, ScalarNode) and node.style else _resolved(text)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in node.value:
            way = (*path, key.value) if isinstance(key, ScalarNode) else (*path, "?")
            first = self._keys.get(way)
            self._keys[way] = _mark(key.start_mark)
            if not isinstance(key, ScalarNode):
                self.say(way, "a key must be a word", key=True)
            elif key.value == "<<" and key.style is None:
                self.say(way, "merge keys are not supported; write the keys out, or put them into defaults", key=True)
            elif first:
                self.say(way, f"{shown(key.value)} stands here twice, first in line {first[0]}; remove one", key=True)
            else:
                made[key.value] = self._plain(value, way)
        return made


class _Loader(Reader, Scanner, Parser, Composer):
    """PyYAML up to the node graph; an empty tag is one that the file does not write."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_NODES:
            bound = f"nested deeper than {MAX_DEPTH}" if self._depth > MAX_DEPTH else f"more than {MAX_NODES} values"
            raise ComposerError(None, None, bound, parent.start_mark if parent else None)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def resolve(self, kind: type[Node], value: str, implicit: Any) -> str:
        return ""

    def descend_resolver(self, parent: Node | None, index: int) -> None:
        """Nothing is resolved by its place."""

    def ascend_resolver(self) -> None:
        """See above."""


def _resolved(text: str) -> Any:
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if not number:
        return text
    return float(text) if number[2] else int(text)


def _syntax(error: MarkedYAMLError) -> tuple[tuple[int, int], str]:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return _mark(mark), f"not YAML: {shown(said, 200)}"


def _mark(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _at(text: str | bytes, position: int) -> tuple[int, int]:
    before = text[:position] if isinstance(text, str) else text[:position].decode(errors="replace")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def shown(value: Any, length: int = 60) -> str:
    """A value of the file in one short printable line."""
    text = _WORDS.get(value, "") if value is None or isinstance(value, bool) else str(value)
    text = "".join(character if character.isprintable() else "?" for character in text[: length + 1])
    return text if len(text) <= length else text[:length] + "…"
