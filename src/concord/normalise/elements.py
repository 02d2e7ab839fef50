"""Elements of list columns: their identity, their order, and equality of canonical values (≅)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from concord.contracts.document import Column
from concord.normalise.normalisers import normaliser, normaliser_of, plain, reader
from concord.normalise.text import line
from concord.platforms.base import Native

__all__ = [
    "Element",
    "element_key",
    "element_type",
    "elements",
    "keys_of",
    "native_elements",
    "same",
]

Element = Mapping[str, Any]
"""``{"value": text, "type": text | null, "preferred": bool}``."""


def element_key(role: str | None, value: str, region: str | None = None) -> str:
    """The identity of an element in a list column with *role*; empty for a blank.

    Two elements with one key are one element, whatever their type. The key of a canonical value is
    the value itself.

    Args:
        region: ISO country of national phone numbers; canonical values need none.
    """
    return normaliser(normaliser_of(role, "array"), region)(value) or ""


def elements(found: Iterable[tuple[str | None, Element]]) -> list[dict[str, Any]]:
    """Canonical elements: blanks dropped, equal ones joined, preferred first, else as they came.

    A joined element is preferred if one of its parts was, and has the first type that was named.
    Two preferred elements stay two: the contract has a rule for that.

    Args:
        found: elements, each with its key; None drops it.
    """
    joined: dict[str, dict[str, Any]] = {}
    for key, one in found:
        if key is None:
            continue
        named, preferred = one.get("type"), one.get("preferred") is True
        kind = element_type(named) if isinstance(named, str) else None
        held = joined.get(key)
        if held is None:
            joined[key] = {"value": key, "type": kind, "preferred": preferred}
        else:
            held["type"] = held["type"] or kind
            held["preferred"] = held["preferred"] or preferred
    return sorted(joined.values(), key=_rank)


def _rank(element: Element) -> bool:
    return element["preferred"] is not True


@lru_cache(maxsize=1024)
def element_type(value: str) -> str | None:
    """The canonical name of an element's type: lower case, None for a blank."""
    tidy = line(value)
    return tidy.lower() if tidy else None


def native_elements(value: Native) -> list[Element]:
    """What a native list field holds, as elements in the platform's spelling.

    Raises:
        TypeError: the value is neither text nor a list of texts and elements.
    """
    held = value if isinstance(value, list) else [plain(value)]
    return [_spelt(one) for one in held if one is not None]


def _spelt(one: Any) -> Element:
    if not isinstance(one, dict):
        return {"value": plain(one)}
    value = one.get("value")
    return one if value is None or isinstance(value, str) else {**one, "value": plain(value)}


def keys_of(value: Sequence[Element] | None) -> tuple[str, ...]:
    """The keys of a canonical list value."""
    return tuple(str(element["value"]) for element in value or ())


def same(column: Column, one: Any, other: Any) -> bool:
    """Whether two JSON values of one column are canonically equal (≅); null equals a blank.

    Lists are equal when they hold the same elements: order, types and preference are no elements.
    """
    if column.type == "array":
        return _set(column, one) == _set(column, other)
    return bool(_value(column, one) == _value(column, other))


def _value(column: Column, value: Any) -> Any:
    tidy = normaliser(normaliser_of(column.role, column.type))(plain(value) or "")
    read = None if tidy is None else reader(column.type)(tidy)
    return tidy if read is None else read


def _set(column: Column, value: Sequence[Element] | None) -> frozenset[str]:
    keys = (element_key(column.role, str(element["value"])) for element in value or ())
    return frozenset(key for key in keys if key)
