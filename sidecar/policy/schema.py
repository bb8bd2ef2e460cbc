"""The JSON Schema of the configuration, for editors: draft-07, the one that YAML language servers know best."""

from typing import Any

from msgspec import inspect as types

from sidecar.policy.load import WORDS
from sidecar.policy.scalar import KINDS, Words
from sidecar.policy.shape import CONFIG, Shape, fields, of, show


def schema(words: Words = WORDS) -> dict[str, Any]:
    """What the reader takes, as far as a schema can say it."""
    made = _of(CONFIG, words)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "sidecar configuration",
        **made,
    }


def _of(shape: Shape, words: Words) -> dict[str, Any]:
    made = _bare(shape, words)
    if short := shape.extra.get("short"):
        made = {"anyOf": [made, _without_default(made["properties"][short])]}
    return {**({"description": shape.description} if shape.description else {}), **made}


def _bare(shape: Shape, words: Words) -> dict[str, Any]:
    type_ = shape.type
    if isinstance(type_, types.StructType):
        return _struct(type_, words)
    if isinstance(type_, types.VarTupleType):
        return _list(shape, of(type_.item_type), words)
    if isinstance(type_, types.DictType):
        return _mapping(of(type_.key_type), _of(of(type_.value_type), words), words)
    if isinstance(type_, types.LiteralType):
        return {"enum": list(type_.values)}
    if isinstance(type_, types.BoolType):
        return {"type": "boolean"}
    named = {"format": words.formats, "format-or-auto": ("auto", *words.formats), "dialect": words.dialects}
    known = named.get(shape.extra.get("kind", ""))
    bounds = {"minimum": type_.ge, "maximum": type_.le} if isinstance(type_, types.IntType) else {}
    return {"enum": list(known)} if known else {**KINDS[shape.extra.get("kind", "text")].schema, **bounds}


def _struct(type_: types.StructType, words: Words, keyed: str = "") -> dict[str, Any]:
    known = fields(type_, keyed)
    required = [name for name, field in known.items() if field.required]
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": required} if required else {}),
        "properties": {name: {**_of(of(field.type), words), **_default(field)} for name, field in known.items()},
    }


def _list(shape: Shape, item: Shape, words: Words) -> dict[str, Any]:
    if keyed := shape.extra.get("keyed"):
        assert isinstance(item.type, types.StructType)
        naming = of(fields(item.type)[keyed].type)
        return {**_mapping(naming, _struct(item.type, words, keyed), words), "minProperties": 1}
    one = _of(item, words)
    most = shape.type.max_length if isinstance(shape.type, types.VarTupleType) else None
    many = {"type": "array", "items": one, **({"maxItems": most} if most else {})}
    return {"anyOf": [one, {**many, "minItems": 1}]} if shape.extra.get("listed") else many


def _mapping(naming: Shape, item: dict[str, Any], words: Words) -> dict[str, Any]:
    return {"type": "object", "propertyNames": _of(naming, words), "additionalProperties": item}


def _default(field: types.Field) -> dict[str, Any]:
    """The default of a scalar, as the file would write it; a mapping's own keys tell theirs."""
    shape = of(field.type)
    if field.required or field.default in (None, "", ()) or isinstance(shape.type, types.StructType | types.DictType):
        return {}
    return {"default": show(field.default, shape)}


def _without_default(made: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in made.items() if key != "default"}
