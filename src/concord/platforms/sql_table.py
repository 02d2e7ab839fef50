"""One table as the project maps it: its columns checked, its queries composed, its rows read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg import sql

from concord.errors import PlatformRefused
from concord.platforms.base import Record
from concord.platforms.declaration import SqlOptions
from concord.platforms.sql_session import Row, Session

__all__ = ["Column", "Table", "described", "instant_of", "quoted", "regclass"]

_LONGEST = 65_536  # bytes of one value; a longer one makes its record damaged
_INSTANT = "timestamp with time zone"
_ZONELESS = "timestamp without time zone"
_ISO = re.compile(r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00$")

_COLUMNS = sql.SQL("""
SELECT a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), -1), a.attnotnull,
       t.typcategory = 'S', t.typcategory = 'A',
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
               AND i.indpred IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum),
       c.relkind IN ('r', 'p')
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
""")


@dataclass(frozen=True, slots=True)
class Column:
    """What the database says of one column.

    Attributes:
        type: its type as SQL, without a length.
        unique: no two rows may share a value (one column, no condition).
        indexed: an index begins with it.
        stored: the relation is a table, not a view.
    """

    name: str
    type: str
    not_null: bool
    text: bool
    array: bool
    unique: bool
    indexed: bool
    stored: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns were found fit for what the project maps."""

    name: str
    options: SqlOptions
    natives: tuple[str, ...]
    columns: Mapping[str, Column]

    @property
    def identifier(self) -> sql.Identifier:
        """The table's name, quoted."""
        return quoted(*self.options.table.split("."))

    @property
    def id(self) -> sql.Identifier:
        """The id's column, quoted."""
        return quoted(self.options.id)

    @property
    def instant(self) -> sql.Composable:
        """When a row last changed: an application may soft-delete and leave updated_at alone."""
        updated = quoted(self.options.updated_at)
        if self.options.deleted_at is None:
            return updated
        deleted = quoted(self.options.deleted_at)
        return sql.SQL("greatest({}, {})").format(updated, deleted)

    @property
    def dead(self) -> sql.Composable:
        """Whether a row is soft-deleted."""
        if self.options.deleted_at is None:
            return sql.SQL("false")
        return sql.SQL("({} IS NOT NULL)").format(quoted(self.options.deleted_at))

    @property
    def image(self) -> sql.Composed:
        """What is selected of a row, as `record` takes it; of a soft-deleted one no field."""
        external = self.options.external_id
        parts = [
            sql.SQL("{}::text").format(self.id),
            sql.SQL("({})::text").format(self.instant),
            self.dead,
            sql.SQL("{}::text").format(quoted(external)) if external else sql.SQL("NULL"),
            *(
                sql.SQL("CASE WHEN NOT {dead} THEN left({column}::text, {most}) END").format(
                    dead=self.dead,
                    column=quoted(native),
                    most=sql.Literal(_LONGEST + 1),
                )
                for native in self.natives
            ),
        ]
        # Named, since ORDER BY would take an output of the id's name, and sort it as text.
        return sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(part, sql.Identifier(f"concord {number}"))
            for number, part in enumerate(parts)
        )

    def cast(self, column: str, *, array: bool = False) -> sql.Composable:
        """A placeholder for text (or an array of texts) that becomes the column's own type."""
        brackets = "[]" if array else ""
        # The type's name comes from the server's catalogue, quoted by it where need be.
        type_ = sql.SQL(self.columns[column].type + brackets)
        return sql.SQL(f"CAST(%s::text{brackets} AS {{}})").format(type_)

    def record(self, row: Row, place: str) -> Record:
        """One selected row; damaged when a value is too long or no UTF-8.

        An empty text is null: applications mix both, and a column that is NOT NULL has no other.
        """
        key, instant, deleted, external_id, *values = row
        remote_id = key if key and key.strip() else None
        version = _iso(instant)
        common = {
            "remote_id": remote_id,
            "version": version,
            "modified_at": instant_of(version),
            "deleted": deleted,
            "external_id": external_id or None,
        }
        if deleted:
            return Record(**common)
        damaged = any(value is not None and not _sound(value) for value in values)
        if damaged:
            return Record(**common, fault="record.damaged", place=place)
        fields = dict(zip(self.natives, self._native(values), strict=True))
        if remote_id is None:
            return Record(**common, fields=fields, fault="id.missing", place=place)
        return Record(**common, fields=fields)

    def _native(self, values: Sequence[str | None]) -> list[str | None]:
        return [
            _iso(value) if self.columns[native].type == _INSTANT else value or None
            for native, value in zip(self.natives, values, strict=True)
        ]


def described(session: Session, name: str, options: SqlOptions, natives: tuple[str, ...]) -> Table:
    """Ask the database for the table's columns, and refuse what could not be synchronised.

    Raises:
        PlatformRefused: the table or a column is missing, the id is not unique, an instant has no
            zone, a mapped column is an array.
    """
    found = [Column(*row) for row in session.rows(_COLUMNS, [regclass(options)])]
    if not found:
        raise PlatformRefused(name, f"there is no table {options.table}, or no right to see it")
    columns = {column.name: column for column in found}
    own = (options.id, options.updated_at, options.deleted_at, options.external_id)
    missing = sorted({*natives, *filter(None, own)} - columns.keys())
    if missing:
        raise PlatformRefused(name, f"table {options.table} lacks {', '.join(missing)}")
    for fault in _faults(options, natives, columns):
        raise PlatformRefused(name, f"table {options.table}: {fault}")
    return Table(name, options, natives, columns)


def quoted(*names: str) -> sql.Identifier:
    """A name in a query that has parameters: there a percent sign must stand twice."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def regclass(options: SqlOptions) -> str:
    """The table's quoted name as a value."""
    return sql.Identifier(*options.table.split(".")).as_string(None)


def instant_of(text: str | None) -> datetime | None:
    """The instant of an ISO text with a zone, in UTC; None where there is none (``infinity``)."""
    try:
        instant = datetime.fromisoformat(text or "")
        return instant.astimezone(UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _faults(
    options: SqlOptions, natives: tuple[str, ...], columns: Mapping[str, Column]
) -> list[str]:
    faults = [
        f"{name} has the type {columns[name].type}; it must be {_INSTANT}, since an instant "
        "without a zone could be any of a day's (a view can state the zone)"
        for name in (options.updated_at, options.deleted_at)
        if name and columns[name].type != _INSTANT
    ]
    faults += [
        f"{name} is an instant without a zone; state the zone in a view, or change its type to "
        f"{_INSTANT}"
        for name in natives
        if columns[name].type == _ZONELESS
    ]
    faults += [
        f"{name} is an array; map a view with one column for each element"
        for name in natives
        if columns[name].array
    ]
    key = columns[options.id]
    if key.stored and not key.unique:
        faults.append(f"{key.name} has no unique index, so it cannot be the record's id")
    return faults


def _sound(value: str) -> bool:
    try:
        return len(value.encode()) <= _LONGEST
    except UnicodeEncodeError:
        return False


def _iso(text: str | None) -> str | None:
    return _ISO.sub(r"\1T\2+00:00", text) if text else None
