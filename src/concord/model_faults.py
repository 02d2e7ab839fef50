"""What pydantic found wrong in a file, in our words: with the line, the key, and the key meant."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from concord.errors import Fault
from concord.platforms.declaration import PlatformDeclaration, option_keys

__all__ = ["model_faults"]

LineOf = Callable[[tuple[Any, ...]], int]
Place = tuple[Any, ...]

_ONE, _MANY = "FieldDeclaration", "list[FieldDeclaration]"  # pydantic's names of the two ways


def model_faults(
    error: ValidationError, model: type[BaseModel], data: Any, *, path: str, line_of: LineOf
) -> list[Fault]:
    """Every fault of one file.

    Args:
        error: what pydantic says.
        model: what the file should have been.
        data: the file's content.
        path: the file, relative to the project.
        line_of: path of keys and positions to line.
    """
    found = []
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        if _is_the_other_way(detail["loc"], data):
            continue
        place = _place(detail["loc"], data)
        what, hint = _told(detail["type"], detail["msg"], place, model, data)
        found.append(Fault(path, line_of(place), what, hint))
    return found


def _is_the_other_way(loc: Place, data: Any) -> bool:
    """Whether pydantic tried to read one field as a list of them, or the other way round."""
    for position, part in enumerate(loc):
        if part in (_ONE, _MANY):
            written = _at(data, _place(loc[:position], data))
            return bool(part == _MANY) != isinstance(written, list)
    return False


def _place(loc: Place, data: Any) -> Place:
    """The keys as they stand in the file: options of a kind stand beside everything else."""
    inside = loc[:1] == ("options",) and not (isinstance(data, Mapping) and "options" in data)
    if loc[:2] == ("window", 0) and isinstance(data.get("window"), Mapping):
        return ("window", *loc[2:])
    return tuple(part for part in loc[1 if inside else 0 :] if part not in (_ONE, _MANY))


def _at(data: Any, place: Place) -> Any:
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _told(
    kind: str, message: str, place: Place, model: type[BaseModel], data: Any
) -> tuple[str, str]:
    """The fault in a sentence, and what to do about it."""
    key = ".".join(str(part) for part in place)
    value = _at(data, place)
    if kind == "extra_forbidden":
        return f"unknown key `{place[-1]}`", _meant(str(place[-1]), _keys_at(model, place, data))
    if kind == "missing":
        return f"`{key}` is missing", ""
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        if place[:1] == ("fields",) and len(place) > 1:
            return f"`{key}` is no native field", "write its name, or {from: its name}"
        named = f"`{key}` " if key else ""
        return f"{named}is empty" if value is None else f"{named}holds no keys with values", ""
    if kind == "string_type" and value is None:
        return f"`{key}` is empty", ""
    if kind == "string_type" and isinstance(value, bool | int | float | datetime.date):
        return f"`{key}` is no text", "quote it"
    message = message.removeprefix("Value error, ")
    return (f"`{key}`: {message}" if key else message), ""


def _meant(key: str, known: list[str]) -> str:
    meant = difflib.get_close_matches(key, known, n=1)
    return f"did you mean `{meant[0]}`?" if meant else ""


def _keys_at(model: type[BaseModel], place: Place, data: Any) -> list[str]:
    """The keys that may stand where the unknown one stands."""
    models = {model}
    for part in place[:-1]:
        fields = [field for one in models for key, field in _fields(one) if key == part]
        if fields:
            models = {inner for field in fields for inner in _models_in(field.annotation)}
    keys = {key for one in models for key, _ in _fields(one)}
    if models == {PlatformDeclaration}:
        kind = data.get("kind") if isinstance(data, Mapping) else None
        keys = (keys - {"options"}) | set(option_keys(str(kind)))
    return sorted(keys)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
