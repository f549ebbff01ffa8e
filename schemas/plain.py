"""Records to and from plain dicts and lists; the converters are made once per class from its annotations."""

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

R = TypeVar("R")


def to_plain(record: Any) -> dict[str, Any]:
    """Return a record as dicts, lists and scalars, in field order; lists and maps are shared, not copied."""
    deep = _nested(record.__class__)
    return {
        name: _plain(value) if name in deep else value for name in _names(record.__class__) for value in (getattr(record, name),)
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return to_plain(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def from_plain(cls: type[R], plain: Mapping[str, Any]) -> R:
    """Return a record of this class from its plain form; the values are taken as they are (a codec has checked them)."""
    deep = _nested(cast(Hashable, cls))
    return cls(**{name: deep[name](value) if name in deep else value for name, value in plain.items()})


@cache
def _names(cls: Hashable) -> tuple[str, ...]:
    return tuple(f.name for f in fields(cast(Any, cls)))


@cache
def _nested(cls: Hashable) -> Mapping[str, Callable[[Any], Any]]:
    hints = get_type_hints(cls)
    found = {name: _converter(hints[name]) for name in _names(cls)}
    return {name: convert for name, convert in found.items() if convert is not None}


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    """Return what makes the values of an annotation from plain ones; None where they are plain already."""
    if is_dataclass(hint) and isinstance(hint, type):
        return partial(from_plain, hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        some = _converter(next(a for a in args if a is not type(None)))
        return None if some is None else partial(_optional, some)
    if origin in (list, dict):
        inner = _converter(args[-1])
        if inner is None:
            return None
        return partial(_each if origin is list else _each_value, inner)
    return None


def _optional(convert: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else convert(value)


def _each(convert: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [convert(value) for value in values]


def _each_value(convert: Callable[[Any], Any], values: dict[str, Any]) -> dict[str, Any]:
    return {key: convert(value) for key, value in values.items()}
