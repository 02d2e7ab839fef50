"""vCards as native fields, and edits that touch no line but their own.

Native fields are property names (``FN``, ``TITLE``, ``X-…``: one text each), parts (``N.family``,
``ADR.street``, ``ORG.unit``; ``ORG`` alone is the organisation's name) and the multi-valued
``EMAIL`` and ``TEL``. Of several lines with one name the preferred one counts, else the first; the
same line is edited, and when it is cleared it stays, empty, before the others: a second address is
not ours to delete, nor to take for the first. A preferred element that is added takes the mark from
the others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from concord.platforms.base import ListPatch, Native
from concord.platforms.vcard_lines import Card, DamagedCardError, Line, parse
from concord.platforms.vcard_values import (
    element_value,
    is_preferred,
    leading,
    location,
    location_of,
    parts_of,
    plain,
    single_text,
)
from concord.platforms.vcard_write import element_line, escaped, line_with, put, text_line

__all__ = [
    "MULTIVALUED",
    "edited",
    "is_native",
    "modified_at",
    "native_fields",
    "new_card",
]

MULTIVALUED = frozenset({"EMAIL", "TEL"})

_PARTS: Mapping[str, tuple[str, ...]] = {
    "N": ("family", "given", "additional", "prefix", "suffix"),
    "ADR": ("pobox", "extended", "street", "locality", "region", "postal_code", "country"),
    "ORG": ("name", "unit"),
}
_LONGEST = 65_536  # letters of one value; a longer one makes its card damaged
_NAME = re.compile(r"[A-Za-z0-9-]+")
_NO_FIELDS = frozenset({"BEGIN", "END", "VERSION"})
_DATES = frozenset({"ANNIVERSARY", "BDAY"})
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def is_native(name: str) -> bool:
    """Whether *name* names a property, or a part of one that has parts."""
    prop, dot, part = name.partition(".")
    prop = prop.upper()
    if dot:
        return part in _PARTS.get(prop, ())
    return bool(_NAME.fullmatch(prop)) and prop not in _NO_FIELDS | {"N", "ADR"}


def native_fields(text: str, natives: Collection[str]) -> dict[str, Native]:
    """The values of *natives*; null, or no elements, when the card has none.

    Raises:
        DamagedCardError: the card, or one of these values, cannot be read whole.
    """
    card = parse(text)
    found = {native: _native(card, native) for native in natives}
    for value in found.values():
        if any(len(one) > _LONGEST for one in _texts(value)):
            raise DamagedCardError(f"a value of more than {_LONGEST} letters")
    return found


def modified_at(revision: Native) -> datetime | None:
    """The card's own date of its last change, from its REV; None when that is no instant."""
    try:
        instant = datetime.fromisoformat(revision) if isinstance(revision, str) else None
        return instant.astimezone(UTC) if instant and instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def edited(text: str, values: Mapping[str, Native | ListPatch]) -> str:
    """The card with these native fields set; null clears, every other line stays as it is.

    A field that already has its value keeps its line: nothing to change gives *text* itself.

    Raises:
        DamagedCardError: the card cannot be read whole.
        ValueError: a value cannot be written into a card.
    """
    card = parse(text)
    lines = list(card.lines)
    for prop, parts in _by_property(values).items():
        if prop in MULTIVALUED:
            lines = _with_elements(card, lines, prop, parts[""])
        elif prop in _PARTS:
            lines = _with_parts(card, lines, prop, parts)
        else:
            lines = _with_text(card, lines, prop, _text(parts[""]))
    return "".join(line.raw for line in lines)


def new_card(uid: str, values: Mapping[str, Native | ListPatch], version: str = "3.0") -> str:
    """A card with these native fields; one without FN is shown by what else it has.

    Raises:
        ValueError: a value cannot be written into a card.
    """
    lines = ("BEGIN:VCARD", f"VERSION:{version}", f"UID:{uid}", "FN:", "N:;;;;", "END:VCARD", "")
    text = edited("\r\n".join(lines), values)
    shown = native_fields(text, ("FN", "N.given", "N.family", "ORG", "EMAIL", "TEL"))
    if shown["FN"] is not None:
        return text
    name = " ".join(str(shown[part]) for part in ("N.given", "N.family") if shown[part])
    first = (shown[many] for many in ("EMAIL", "TEL"))
    others = [one[0]["value"] for one in first if isinstance(one, list) and one]
    return edited(text, {"FN": next((one for one in (name, shown["ORG"], *others) if one), None)})


def _by_property(
    values: Mapping[str, Native | ListPatch],
) -> dict[str, dict[str, Native | ListPatch]]:
    found: dict[str, dict[str, Native | ListPatch]] = {}
    for native, value in values.items():
        if not is_native(native):
            raise ValueError(f"{native} is no field of a card")
        prop, _, part = native.partition(".")
        found.setdefault(prop.upper(), {})[part] = value
    return found


def _texts(value: Native) -> list[str]:
    if isinstance(value, list):
        return [one["value"] for one in value]
    return [] if value is None else [value]


def _native(card: Card, native: str) -> Native:
    prop, _, part = native.partition(".")
    prop = prop.upper()
    if prop in MULTIVALUED:
        return [
            {
                "value": _value(line, card),
                "type": location_of(card, line),
                "preferred": is_preferred(line),
            }
            for line in _elements(card.lines, prop, card)
        ]
    line = leading(card.lines, prop)
    if line is None:
        return None
    if prop not in _PARTS:
        return single_text(line, card.version) or None
    pieces, place = parts_of(line), _place(prop, part)
    return plain(pieces[place], card.version) or None if place < len(pieces) else None


def _elements(lines: Sequence[Line], prop: str, card: Card) -> list[Line]:
    return [line for line in lines if line.name == prop and _value(line, card)]


def _value(line: Line, card: Card) -> str:
    return element_value(line, card.version)


def _place(prop: str, part: str) -> int:
    return _PARTS[prop].index(part or "name")


def _text(value: Native | ListPatch) -> str:
    if value is None or isinstance(value, str):
        return (value or "").replace("\r\n", "\n").replace("\r", "\n")
    raise ValueError("a list for a property that has one value")


def _with_text(card: Card, lines: list[Line], prop: str, value: str) -> list[Line]:
    line = leading(lines, prop)
    if (single_text(line, card.version) if line else "") == value:
        return lines
    if not value and prop != "FN" and _is_only(lines, prop):
        return [one for one in lines if one is not line]
    if card.version == "4.0" and prop in _DATES and _DATE.fullmatch(value):
        value = value.replace("-", "")
    return put(lines, line, text_line(card, line, prop, value))


def _is_only(lines: Sequence[Line], prop: str) -> bool:
    return sum(line.name == prop for line in lines) == 1


def _with_parts(
    card: Card, lines: list[Line], prop: str, parts: Mapping[str, Native | ListPatch]
) -> list[Line]:
    line = leading(lines, prop)
    old = parts_of(line) if line else []
    pieces = old + [""] * (len(_PARTS[prop]) - len(old))
    for part, value in parts.items():
        place, text = _place(prop, part), _text(value)
        if plain(pieces[place], card.version) != text:
            pieces[place] = escaped(text, card.version)
    if pieces[: len(old)] == old and not any(pieces[len(old) :]):
        return lines
    if not any(pieces) and prop != "N" and _is_only(lines, prop):
        return [one for one in lines if one is not line]
    if prop == "ORG":
        pieces = pieces if pieces[-1] else pieces[:-1]
    return put(lines, line, line_with(card, line or Line("", prop, f"{prop}:"), ";".join(pieces)))


def _with_elements(
    card: Card, lines: list[Line], prop: str, value: Native | ListPatch
) -> list[Line]:
    patch = value if isinstance(value, ListPatch) else _replacement(card, prop, value)
    gone = [line for line in _elements(lines, prop, card) if _value(line, card) in patch.remove]
    for element in patch.add:
        old = _same(card, lines, prop, element) or _alike(card, gone, element)
        lines = put(lines, old, _with_element(card, old, prop, element))
        gone = [line for line in gone if line is not old]
    lines = [line for line in lines if not any(line is one for one in gone)]
    return _with_one_preferred(card, lines, prop, patch.add)


def _replacement(card: Card, prop: str, value: Native) -> ListPatch:
    if isinstance(value, str):
        raise ValueError(f"a text for {prop}, which is a list")
    wanted = value or []
    kept = {element["value"] for element in wanted}
    there = {_value(line, card) for line in _elements(card.lines, prop, card)}
    return ListPatch(add=wanted, remove=tuple(there - kept))


def _with_one_preferred(
    card: Card, lines: list[Line], prop: str, added: Sequence[Mapping[str, Any]]
) -> list[Line]:
    first = [element["value"] for element in added if element.get("preferred")]
    if not first:
        return lines
    for line in _elements(lines, prop, card):
        value = _value(line, card)
        if is_preferred(line) and value not in first:
            lines = put(lines, line, element_line(card, line, prop, value, preferred=False))
    return lines


def _same(card: Card, lines: list[Line], prop: str, element: Mapping[str, Any]) -> Line | None:
    found = (
        line for line in _elements(lines, prop, card) if _value(line, card) == element["value"]
    )
    return next(found, None)


def _alike(card: Card, gone: list[Line], element: Mapping[str, Any]) -> Line | None:
    """The first leaving line of the new element's type; its group and label fit the new one."""
    kind = element.get("type")
    fitting = (line for line in gone if not kind or location(kind) == location_of(card, line))
    return next(fitting, None)


def _with_element(card: Card, old: Line | None, prop: str, element: Mapping[str, Any]) -> Line:
    value, kind, preferred = _text(element["value"]), element.get("type"), element.get("preferred")
    if not value:
        raise ValueError("an element without a value")
    if old is not None:
        kind = kind if kind and location(kind) != location_of(card, old) else None
        preferred = preferred if preferred != is_preferred(old) else None
        if kind is None and preferred is None and _value(old, card) == value:
            return old
    return element_line(card, old, prop, value, kind=kind, preferred=preferred)
