"""The JSON of native fields, taken apart by field; nothing of a row outlives its turn but text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from concord.normalise.elements import native_elements
from concord.normalise.mapping import FieldMap
from concord.normalise.normalisers import plain
from concord.platforms.base import Native

__all__ = ["ILL_SHAPED", "ListField", "Natives", "decode"]


class _IllShaped:
    """Stands for a value that cannot be read as what its field should hold."""


ILL_SHAPED: Final = _IllShaped()


@dataclass(slots=True)
class ListField:
    """The elements of one native list field, of all rows, in order; *wrong* are unreadable rows."""

    rows: list[int] = field(default_factory=list)
    values: list[str | None] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)
    preferred: list[bool] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)

    def add(self, row: int, value: Native) -> None:
        """Take the elements of one row; all of them or, when one cannot be read, none."""
        try:
            found = native_elements(value)
        except TypeError:
            self.wrong.append(row)
            return
        self.rows += [row] * len(found)
        self.values += [one.get("value") for one in found]
        self.types += [_kind(one.get("type")) for one in found]
        self.preferred += [one.get("preferred") is True for one in found]


@dataclass(slots=True)
class Natives:
    """Native fields of *height* rows.

    Attributes:
        texts: by native field that holds one value: text, None or `ILL_SHAPED`, one a row.
        lists: by native field that holds a list.
        damaged: rows whose JSON is no object; all their values are None.
    """

    height: int
    texts: dict[str, list[Any]]
    lists: dict[str, ListField]
    damaged: list[int]


def decode(rows: Sequence[str | None], mapping: FieldMap) -> Natives:
    """Take the JSON of every row apart; null and fields that are missing are None."""
    many = {one.native for one in mapping.fields if one.kind == "list"}
    single = {one.native for one in mapping.fields if one.kind != "list"}
    natives = Natives(len(rows), {n: [] for n in single}, {n: ListField() for n in many}, [])
    texts = [(native, found.append) for native, found in natives.texts.items()]
    lists = list(natives.lists.items())
    for row, text in enumerate(rows):
        record = _record(text)
        if record is None:
            natives.damaged.append(row)
            record = {}
        for native, append in texts:
            value = record.get(native)
            append(value if value is None or type(value) is str else _text(value))
        for native, found in lists:
            value = record.get(native)
            if value is not None:
                found.add(row, value)
    return natives


def _record(text: str | None) -> Mapping[str, Any] | None:
    if text is None:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return {} if found is None else found if isinstance(found, dict) else None


def _kind(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text(value: Any) -> Any:
    try:
        return plain(value)
    except TypeError:
        return ILL_SHAPED
