"""Elements of list columns: their identity, their order, and equality of canonical values (≅)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from concord.contracts.document import Column
from concord.normalise.normalisers import Normaliser, normaliser, normaliser_of, plain

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


def elements(found: Iterable[Element], normalise: Normaliser) -> list[dict[str, Any]]:
    """Canonical elements: blanks dropped, equal ones joined, preferred first, else as they came.

    A joined element is preferred if one of its parts was, and has the first type that was named.
    Two preferred elements stay two: the contract has a rule for that.
    """
    joined: dict[str, dict[str, Any]] = {}
    for one in found:
        key = normalise(one.get("value") or "")
        if key is None:
            continue
        kind = (one.get("type") or "").strip().lower() or None
        held = joined.setdefault(key, {"value": key, "type": kind, "preferred": False})
        held["type"] = held["type"] or kind
        held["preferred"] = held["preferred"] or one.get("preferred") is True
    return sorted(joined.values(), key=lambda element: not element["preferred"])


def keys_of(value: Sequence[Element] | None) -> tuple[str, ...]:
    """The keys of a canonical list value."""
    return tuple(str(element["value"]) for element in value or ())


def same(column: Column, one: Any, other: Any) -> bool:
    """Whether two JSON values of one column are canonically equal (≅); null equals a blank.

    Lists are equal when they hold the same elements: order, types and preference are no elements.
    """
    if column.type == "array":
        return _set(column, one) == _set(column, other)
    tidy = normaliser(normaliser_of(column.role, column.type))
    return tidy(plain(one) or "") == tidy(plain(other) or "")


def _set(column: Column, value: Sequence[Element] | None) -> frozenset[str]:
    keys = (element_key(column.role, str(element["value"])) for element in value or ())
    return frozenset(key for key in keys if key)
