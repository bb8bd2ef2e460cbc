"""A document against the structs: every key known, every value of its kind, all that is wrong said at its place."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

from sidecar.policy.document import Document, Path, shown
from sidecar.policy.scalar import KINDS, Words, closest
from sidecar.policy.shape import Shape, fields, of

BAD = msgspec.UNSET
"""Instead of a value that was refused."""


class Reader:
    """Walks a document. What comes back holds only the keys that are given, their values read."""

    def __init__(self, document: Document, words: Words) -> None:
        self._document = document
        self._words = words

    def read(self, shape: Shape, data: Any, path: Path) -> Any:
        """The value, or BAD after saying why."""
        if data is None:
            return self._refuse(path, "has no value; give it one or remove the key")
        if isinstance(shape.type, types.StructType):
            short = shape.extra.get("short")
            return self._struct(shape.type, data if not short or isinstance(data, dict | list) else {short: data}, path)
        if isinstance(shape.type, types.DictType):
            return self._dict(shape.type, data, path)
        if isinstance(shape.type, types.VarTupleType):
            if "keyed" in shape.extra:
                return self._keyed(of(shape.type.item_type), shape.extra["keyed"], data, path)
            return self._list(shape.type, bool(shape.extra.get("listed")), data, path)
        return self._scalar(shape, data, path)

    def _struct(self, type_: types.Type, data: Any, path: Path, keyed: str = "") -> Any:
        assert isinstance(type_, types.StructType)
        known = fields(type_, keyed)
        if not isinstance(data, dict):
            return self._refuse(path, f"needs a mapping of {', '.join(known)}, not {_noun(data)}")
        for name, field in known.items():
            if field.required and name not in data:
                self._document.say(path, f"{name} is missing")
        return _good({name: self._field(known, name, value, (*path, name)) for name, value in data.items()})

    def _field(self, known: Mapping[str, types.Field], name: str, value: Any, path: Path) -> Any:
        if name in known:
            return self.read(of(known[name].type), value, path)
        self._document.say(path, f"unknown key {shown(name)}{_hint(name, known)}", key=True)
        return BAD

    def _keyed(self, item: Shape, keyed: str, data: Any, path: Path) -> Any:
        """A mapping from names to structs, as the list of the structs with their names filled in."""
        assert isinstance(item.type, types.StructType)
        if not isinstance(data, dict) or not data:
            return self._refuse(path, f"needs a mapping of names, not {_noun(data)}")
        naming = of(fields(item.type)[keyed].type)
        made = _good(
            {
                self._key(naming, name, (*path, name)): self._struct(item.type, value, (*path, name), keyed)
                for name, value in data.items()
            }
        )
        return [{**value, keyed: name} for name, value in made.items()]

    def _dict(self, type_: types.DictType, data: Any, path: Path) -> Any:
        if not isinstance(data, dict):
            return self._refuse(path, f"needs a mapping, not {_noun(data)}")
        naming, item = of(type_.key_type), of(type_.value_type)
        return _good(
            {
                self._key(naming, name, (*path, name)): self.read(item, value, (*path, name))
                for name, value in data.items()
            }
        )

    def _list(self, type_: types.VarTupleType, listed: bool, data: Any, path: Path) -> Any:
        item = of(type_.item_type)
        if listed and not isinstance(data, list):
            return [self.read(item, data, path)]
        if not isinstance(data, list):
            return self._refuse(path, f"needs a list, not {_noun(data)}")
        if listed and not data:
            return self._refuse(path, "an empty list matches nothing; remove the key")
        if type_.max_length and len(data) > type_.max_length:
            return self._refuse(path, f"{len(data)} are too many; {type_.max_length} at most")
        return [self.read(item, value, (*path, index)) for index, value in enumerate(data)]

    def _key(self, shape: Shape, name: str, path: Path) -> Any:
        try:
            return KINDS[shape.extra["kind"]].read(name, self._words)
        except ValueError as error:
            self._document.say(path, str(error), key=True)
            return BAD

    def _scalar(self, shape: Shape, data: Any, path: Path) -> Any:
        if isinstance(data, dict | list):
            return self._refuse(path, f"needs one value, not {_noun(data)}")
        if isinstance(shape.type, types.LiteralType):
            return self._literal(shape.type.values, data, path)
        if isinstance(shape.type, types.BoolType):
            return data if isinstance(data, bool) else self._refuse(path, f"needs true or false, not {shown(data)}")
        try:
            value = KINDS[shape.extra.get("kind", "text")].read(data, self._words)
        except ValueError as error:
            return self._refuse(path, str(error))
        if isinstance(shape.type, types.IntType) and not _within(shape.type, value):
            return self._refuse(path, f"{shown(data)} is not between {shape.type.ge} and {shape.type.le}")
        return value

    def _literal(self, values: tuple[Any, ...], data: Any, path: Path) -> Any:
        if any(data == value and type(data) is type(value) for value in values):
            return data
        words = [str(value) for value in values]
        meant = {"true": "on", "false": "off"}.get(shown(data), shown(data))
        return self._refuse(path, f"needs {' | '.join(words)}, not {shown(data)}{closest(meant, words)}")

    def _refuse(self, path: Path, message: str) -> Any:
        self._document.say(path, message)
        return BAD


def _within(type_: types.IntType, value: int) -> bool:
    return (type_.ge is None or value >= type_.ge) and (type_.le is None or value <= type_.le)


def _good(made: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in made.items() if name is not BAD and value is not BAD}


def _hint(name: str, known: Mapping[str, types.Field]) -> str:
    """What was meant: a key of almost that name, or the place where it belongs."""
    for place, field in known.items():
        inner = of(field.type).type
        if isinstance(inner, types.StructType) and name in fields(inner):
            return f"; it belongs under {place}"
    return closest(name, known) or f"; known here: {', '.join(known)}"


def _noun(data: Any) -> str:
    if isinstance(data, dict | list):
        return ("an empty " if not data else "a ") + ("list" if isinstance(data, list) else "mapping")
    return shown(data)
