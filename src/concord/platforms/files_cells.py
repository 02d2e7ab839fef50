"""Typed cells of a file as texts, and rows of them as records: what Parquet and Avro share.

A cell that holds no single value, text that is not UTF-8, a zero byte, or more letters than a CSV
cell may have, makes its row a damaged one; its neighbours come as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any
from uuid import UUID

from concord.errors import UnreadableInput
from concord.platforms.base import Record
from concord.platforms.csv_rows import LONGEST_CELL
from concord.platforms.csv_sheet import OWN
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import UnfitError

__all__ = ["DAMAGED", "Reader", "TableRow", "needed_columns", "text_of", "value_of"]

DAMAGED: Any = object()
"""In the place of a text: a cell that cannot be read."""

_WRONG_TYPE = "type"
_NO_NULL = "null"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row.

    Attributes:
        number: 1-based.
        cells: needed columns as texts, null, or `DAMAGED`.
        changed: columns that were given another value, as the file's own type.
    """

    number: int
    cells: Mapping[str, Any]
    changed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Reader:
    """Makes records of rows.

    Attributes:
        seen: digests of the ids so far.
    """

    where: str
    options: FilesOptions
    natives: Sequence[str]
    seen: set[bytes] = field(default_factory=set)

    def record(self, row: TableRow, *, again: bool = False) -> Record:
        """One row as a record.

        Args:
            again: the row was read before, so its id is no duplicate.
        """
        remote_id = self._text(row, self.options.id)
        fault = "id.missing" if remote_id is None else None
        if any(cell is DAMAGED for cell in row.cells.values()):
            fault = "record.damaged"
        if remote_id is not None and not again and not self._is_new(remote_id):
            fault = fault or "id.duplicate"
        place = f"{self.where}:{row.number}" if fault else None
        if fault == "record.damaged":
            return Record(remote_id, external_id=_own(remote_id), fault=fault, place=place)
        return Record(
            remote_id,
            {native: row.cells[native] for native in self.natives},
            version=_version(row.cells),
            modified_at=_instant(self._text(row, self.options.updated_at)),
            external_id=self._text(row, self.options.external_id) or _own(remote_id),
            fault=fault,
            place=place,
        )

    def _text(self, row: TableRow, column: str | None) -> str | None:
        cell = row.cells[column] if column is not None else None
        return cell.strip() or None if isinstance(cell, str) else None

    def _is_new(self, remote_id: str) -> bool:
        key = blake2b(remote_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        new = key not in self.seen
        self.seen.add(key)
        return new


def needed_columns(
    where: str, found: Sequence[str], options: FilesOptions, natives: Iterable[str]
) -> tuple[str, ...]:
    """The columns that are read.

    Raises:
        UnreadableInput: one is missing, or stands there twice.
    """
    own = (options.id, options.updated_at, options.external_id)
    needed = tuple(dict.fromkeys([*filter(None, own), *natives]))
    for name in needed:
        count = found.count(name)
        if count > 1:
            raise UnreadableInput(where, f"has the column {name!r} {count} times")
        if count == 0:
            near = get_close_matches(name, found, 1, 0.8)
            asked = f"; is it {near[0]!r} now?" if near else ""
            raise UnreadableInput(where, f"lacks the column {name!r}{asked}")
    return needed


def text_of(value: Any) -> Any:
    """A cell as text; null when it is empty, `DAMAGED` when it is no single value."""
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return DAMAGED
    if isinstance(value, str):
        sound = len(value) <= LONGEST_CELL and "\0" not in value
        return (value or None) if sound else DAMAGED
    return _text_of_a_number_or_date(value)


def _text_of_a_number_or_date(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 500 else DAMAGED
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else DAMAGED
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, int | UUID) else DAMAGED


def value_of(text: str | None, kind: type, *, nullable: bool) -> Any:
    """A text as the value of a typed cell.

    Args:
        kind: the Python type that the file's type is read as.

    Raises:
        UnfitError: it is none of that type, or null where there must be a value.
    """
    if text is None:
        if nullable:
            return None
        if kind not in (str, bytes):
            raise UnfitError(_NO_NULL)
        text = ""
    try:
        return _PARSERS[kind](text)
    except (KeyError, ValueError, OverflowError, InvalidOperation):
        raise UnfitError(_WRONG_TYPE) from None


_BOOLEANS = {"true": True, "false": False}
_PARSERS: Mapping[type, Any] = {
    str: str,
    bytes: str.encode,
    bool: _BOOLEANS.__getitem__,
    int: int,
    float: float,
    Decimal: Decimal,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
}


def _own(remote_id: str | None) -> str | None:
    """The person_id in an id that Concord chose."""
    if remote_id is None or not remote_id.startswith(OWN):
        return None
    return remote_id.removeprefix(OWN) or None


def _instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text or "")
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _version(cells: Mapping[str, Any]) -> str:
    said = repr([(name, cells[name]) for name in sorted(cells)])
    return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
