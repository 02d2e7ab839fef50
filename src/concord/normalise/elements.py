"""Elements of list columns: their identity, their order, and equality of canonical values (≅)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from concord.contracts.document import Column
from concord.normalise.normalisers import normaliser, normaliser_of, plain, reader
from concord.normalise.text import line

__all__ = ["Element", "element_key", "elements", "keys_of", "same"]

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
        kind = _kind(named) if isinstance(named, str) else None
        held = joined.get(key)
        if held is None:
            joined[key] = {"value": key, "type": kind, "preferred": preferred}
        else:
            held["type"] = held["type"] or kind
            held["preferred"] = held["preferred"] or preferred
    return sorted(joined.values(), key=_rank)


def _rank(element: Element) -> bool:
    return not element["preferred"]


@lru_cache(maxsize=1024)
def _kind(value: str) -> str | None:
    tidy = line(value)
    return tidy.lower() if tidy else None


def keys_of(value: Sequence[Element] | None) -> tuple[str, ...]:
    """The keys of a canonical list value."""
    return tuple(str(element["value"]) for element in value or ())


def same(column: Column, one: Any, other: Any) -> bool:
    """Whether two JSON values of one column are canonically equal (≅); null equals a blank.

    Lists are equal when they hold the same elements: order, types and preference are no elements.
    """
    if column.type == "array":
        return _set(column, one) == _set(column, other)
    return _value(column, one) == _value(column, other)


def _value(column: Column, value: Any) -> Any:
    tidy = normaliser(normaliser_of(column.role, column.type))(plain(value) or "")
    read = None if tidy is None else reader(column.type)(tidy)
    return tidy if read is None else read


def _set(column: Column, value: Sequence[Element] | None) -> frozenset[str]:
    keys = (element_key(column.role, str(element["value"])) for element in value or ())
    return frozenset(key for key in keys if key)
