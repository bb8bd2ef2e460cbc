"""What the structs of `config.py` say about themselves, and their values written as the file writes them."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types

from sidecar.policy.config import Config, Policy
from sidecar.policy.scalar import KINDS


class Shape(msgspec.Struct, frozen=True):
    """A type without its wrapping, and what was said about it."""

    type: types.Type
    extra: Mapping[str, Any]
    description: str = ""


def of(type_: types.Type) -> Shape:
    """The shape of a struct's field or of an item; `x | None` is the shape of x."""
    if isinstance(type_, types.Metadata):
        inner = of(type_.type)
        said = (type_.extra_json_schema or {}).get("description", "")
        return Shape(inner.type, {**inner.extra, **(type_.extra or {})}, said or inner.description)
    if isinstance(type_, types.UnionType):
        return of(next(each for each in type_.types if not isinstance(each, types.NoneType)))
    return Shape(type_, {})


def fields(struct: types.StructType, keyed: str = "") -> dict[str, types.Field]:
    """The keys of a mapping; without the one that a mapping around it fills."""
    return {field.name: field for field in struct.fields if field.name != keyed}


CONFIG = of(types.type_info(Config))
POLICY = of(types.type_info(Policy))


def show(value: Any, shape: Shape, keyed: str = "") -> Any:
    """A value as plain data that the reader would read back to the same; what is not given is left out."""
    type_ = shape.type
    if isinstance(type_, types.StructType):
        known = fields(type_, keyed)
        given = {name: getattr(value, name) for name in known}
        return {
            name: show(each, of(known[name].type)) for name, each in given.items() if not _absent(each, known[name])
        }
    if isinstance(type_, types.VarTupleType):
        item = of(type_.item_type)
        if key := shape.extra.get("keyed"):
            return {getattr(each, key): show(each, item, key) for each in value}
        return [show(each, item) for each in value]
    if isinstance(type_, types.DictType):
        return {name: show(each, of(type_.value_type)) for name, each in value.items()}
    return KINDS[shape.extra["kind"]].show(value) if "kind" in shape.extra else value


def _absent(value: Any, field: types.Field) -> bool:
    """Whether this is what an optional key without a default has."""
    default = {} if field.default is msgspec.NODEFAULT else field.default
    return value in (None, (), {}, "") and value == default
