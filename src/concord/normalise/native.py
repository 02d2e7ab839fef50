"""From canonical values to native fields: what to write, and what a platform would show then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from concord.normalise.elements import Element, elements, keys_of, native_elements
from concord.normalise.mapping import Field, FieldMap
from concord.normalise.normalisers import normaliser, plain, reader
from concord.platforms.base import ListPatch, Native

__all__ = ["native", "seen"]

Current = Mapping[str, Native]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a list column is to become: *keep* says which present keys stay."""

    keep: Callable[[str], bool]
    add: Sequence[Element]
    whole: bool


def native(
    values: Mapping[str, Any], mapping: FieldMap, *, current: Current | None
) -> dict[str, Native | ListPatch]:
    """The native fields that one operation writes.

    Args:
        values: canonical column to its value: JSON scalars; lists whole, or as a patch
            ``{"add": [element, …], "remove": [key, …]}``. Columns not mapped or never written are
            left out.
        current: the record's native fields as last read; None for a create.

    Returns:
        None clears a field. Slots keep an element that stays wanted; a new one goes to the free
        slot that fits its type and preference best, and is left out only when no slot is free. A
        list field gets the whole list in a create, else a patch that removes values as the
        platform stores them.
    """
    written: dict[str, Native | ListPatch] = {}
    for column, value in values.items():
        fields = mapping.of(column)
        if fields and fields[0].kind == "scalar":
            written.update(_scalar(fields, value))
        elif fields:
            written.update(_list(fields, _wanted(value), mapping.region, current))
    return written


def seen(
    values: Mapping[str, Any], mapping: FieldMap, *, current: Current | None
) -> dict[str, Any]:
    """Canonical *values* as the platform would show them once they are written.

    What the platform cannot hold is missing (an element without a free slot), what Concord may not
    write there is as it stands in *current*. Compare with `concord.normalise.elements.same`.

    Args:
        values: whole values, no patches. Columns not mapped are left out.
        current: the record's native fields as last read; None for a record that is yet to be made.
    """
    shown: dict[str, Any] = {}
    for column in values:
        fields = mapping.of(column)
        if not fields:
            continue
        after: dict[str, Any] = dict(current or {})
        for name, value in native({column: values[column]}, mapping, current=current).items():
            after[name] = (
                _patched(after.get(name), value) if isinstance(value, ListPatch) else value
            )
        shown[column] = _shown(fields, after, mapping.region)
    return shown


def _scalar(fields: Sequence[Field], value: Any) -> Iterator[tuple[str, Native]]:
    written = [field.native for field in fields if field.write]
    if value is None:
        yield from ((name, None) for name in written)
    elif written:
        yield written[0], plain(value)


def _wanted(value: Any) -> _Wanted:
    if isinstance(value, Mapping):
        removed = frozenset(value.get("remove") or ())
        return _Wanted(lambda key: key not in removed, list(value.get("add") or ()), whole=False)
    held = frozenset(keys_of(value))
    return _Wanted(held.__contains__, list(value or ()), whole=True)


def _list(
    fields: Sequence[Field], wanted: _Wanted, region: str | None, current: Current | None
) -> Iterator[tuple[str, Native | ListPatch]]:
    stored = {field: _keyed(field, (current or {}).get(field.native), region) for field in fields}
    staying = {
        key for field, held in stored.items() for key in held if wanted.keep(key) or not field.write
    }
    missing = [element for element in wanted.add if element["value"] not in staying]
    slots = [field for field in fields if field.kind == "slot" and field.write]
    filled, rest = _filled(slots, stored, wanted, missing)
    for slot in slots:
        if slot in filled:
            yield slot.native, str(filled[slot]["value"])
        elif _freed(stored[slot], wanted):
            yield slot.native, None
    for field in fields:
        if field.kind == "list" and field.write:
            removed = [
                spelt
                for key, each in stored[field].items()
                if not wanted.keep(key)
                for spelt in each
            ]
            yield from _list_field(field, [dict(one) for one in rest], removed, current)
            rest = []


def _keyed(field: Field, value: Native, region: str | None) -> dict[str, list[str]]:
    """Key to the native spellings that have it."""
    held: dict[str, list[str]] = {}
    for key, element in _known(field, value, region):
        if key is not None:
            held.setdefault(key, []).append(element["value"])
    return held


def _known(field: Field, value: Native, region: str | None) -> list[tuple[str | None, Element]]:
    tidy = normaliser(field.normalise, region)
    try:
        found = native_elements(value)
    except TypeError:
        return []
    if field.kind == "slot":
        found = [{**one, "type": field.type, "preferred": field.preferred} for one in found]
    return [(tidy(one.get("value") or ""), one) for one in found]


def _freed(held: Mapping[str, Any], wanted: _Wanted) -> bool:
    return not all(map(wanted.keep, held)) if held else wanted.whole


def _filled(
    slots: Sequence[Field],
    stored: Mapping[Field, Mapping[str, Any]],
    wanted: _Wanted,
    missing: Sequence[Element],
) -> tuple[dict[Field, Element], list[Element]]:
    """Which free slot takes which element, best matches first, and the elements without one."""
    free = [slot for slot in slots if not stored[slot] or not all(map(wanted.keep, stored[slot]))]
    waiting = sorted(missing, key=lambda one: one.get("preferred") is not True)
    filled: dict[Field, Element] = {}
    for fits in _matches({slot.type for slot in free}):
        for element in list(waiting):
            slot = next((slot for slot in free if fits(slot, element)), None)
            if slot is not None:
                filled[slot] = element
                free.remove(slot)
                waiting.remove(element)
    return filled, waiting


def _matches(types: set[str | None]) -> tuple[Callable[[Field, Element], bool], ...]:
    """How well an element fits a slot, best first; *types* are those of the free slots."""

    def typed(slot: Field, element: Element) -> bool:
        return slot.type == element.get("type")

    def ranked(slot: Field, element: Element) -> bool:
        return slot.preferred == (element.get("preferred") is True)

    return (
        lambda slot, element: typed(slot, element) and ranked(slot, element),
        lambda slot, element: (
            slot.preferred and ranked(slot, element) and element.get("type") not in types
        ),
        typed,
        ranked,
        lambda _slot, _element: True,
    )


def _list_field(
    field: Field,
    added: list[dict[str, Any]],
    removed: list[str],
    current: Current | None,
) -> Iterator[tuple[str, Native | ListPatch]]:
    if current is None:
        yield field.native, added
    elif added or removed:
        yield field.native, ListPatch(added, removed)


def _patched(value: Native, patch: ListPatch) -> list[Element]:
    removed = set(patch.remove)
    held = value if isinstance(value, list) else []
    return [one for one in held if one.get("value") not in removed] + list(patch.add)


def _shown(fields: Sequence[Field], after: Current, region: str | None) -> Any:
    if fields[0].kind != "scalar":
        found = [one for field in fields for one in _known(field, after.get(field.native), region)]
        return elements(found) or None
    for field in fields:
        text = after.get(field.native)
        value = normaliser(field.normalise, region)(text) if isinstance(text, str) else None
        if value is not None:
            return _json(reader(field.logical)(value))
    return None


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
