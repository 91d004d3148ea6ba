"""Read plain data into structs, and say in one sentence which field is wrong and what it must be.

msgspec checks the values; the walk over the structs is done here, because an error has to name the dotted field
(`providers[0].base_url`), the nearest known key, and never the value, which may be a secret.
"""

import difflib
from collections.abc import Iterable
from typing import Any, get_args, get_origin

import msgspec
from msgspec import inspect

from gateway.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence that points to the nearest of the known names, or lists them all."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"known here: {', '.join(names)}" if names else "none is known here"


def read(value: object, shape: Any, *, source: str, field: str = "", strict: bool = True) -> Any:
    """Convert data as TOML gives it to `shape`, a struct, a tuple of structs or a plain type.

    `source` and `field` begin every error. With `strict=False` strings are read as numbers and booleans too.
    Raises ConfigError for an unknown key, a missing one, a wrong type or a value out of range.
    """
    if _is_struct(shape):
        return _read_table(value, shape, source=source, field=field, strict=strict)
    if get_origin(shape) is tuple and _is_struct(item := get_args(shape)[0]):
        if not isinstance(value, list):
            write = f"; write [[{field}]]" if isinstance(value, dict) and "." not in field else ""
            raise ConfigError(f"{source}: {field} must be an array of tables{write}")
        return tuple(
            read(entry, item, source=source, field=f"{field}[{index}]", strict=strict)
            for index, entry in enumerate(value)
        )
    try:
        return msgspec.convert(value, shape, strict=strict)
    except msgspec.ValidationError:
        # Without its cause: a debug traceback must not print the value either.
        raise ConfigError(f"{source}: {field} must be {describe(shape)}") from None


def describe(shape: Any) -> str:
    """What a value of this type has to be, in words: "an integer from 0 to 65535"."""
    match inspect.type_info(shape):
        case inspect.IntType(ge=low, le=high):
            return f"an integer{_bounds(low, None, high)}"
        case inspect.FloatType(ge=low, gt=above, le=high):
            return f"a number{_bounds(low, above, high)}"
        case inspect.StrType(min_length=minimum):
            return "a string that is not empty" if minimum else "a string"
        case inspect.BoolType():
            return "true or false"
        case inspect.LiteralType():
            # In the order in which they are written; the type info has them sorted.
            values = get_args(shape)
            return f"one of {', '.join(map(str, values[:-1]))} or {values[-1]}"
        case inspect.DictType():
            return "a table of strings"
        case inspect.VarTupleType():
            return f"a list, each entry {describe(get_args(shape)[0])}"
        case inspect.UnionType():
            return describe(next(member for member in get_args(shape) if member is not type(None)))
        case other:
            raise TypeError(f"no words for {other!r}")


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _read_table(value: object, shape: Any, *, source: str, field: str, strict: bool) -> Any:
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: {field} must be a table")
    fields = {info.name: info for info in msgspec.structs.fields(shape)}
    prefix = f"{field}." if field else ""
    for key in value:
        if key not in fields:
            raise ConfigError(f"{source}: {prefix}{key} is not a known setting; {nearest(key, fields)}")
    for name, info in fields.items():
        if info.required and name not in value:
            raise ConfigError(f"{source}: {prefix}{name} is missing; it must be {_describe_any(info.type)}")
    return shape(
        **{
            key: read(entry, fields[key].type, source=source, field=prefix + key, strict=strict)
            for key, entry in value.items()
        }
    )


def _describe_any(shape: Any) -> str:
    return "an array of tables" if get_origin(shape) is tuple else describe(shape)


def _bounds(low: float | None, above: float | None, high: float | None) -> str:
    lower = f"above {above:g}" if above is not None else f"at least {low:g}" if low is not None else ""
    if high is None:
        return f" {lower}".rstrip()
    if low is not None:
        return f" from {low:.0f} to {high:.0f}"
    return f" {lower} and at most {high:.0f}"
