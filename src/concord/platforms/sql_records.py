"""Rows of one table by id or by person_id, as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from concord.errors import PlatformRefused
from concord.platforms.base import Record
from concord.platforms.sql_session import Row
from concord.platforms.sql_table import Table, quoted

__all__ = ["Query", "dead_owners", "is_no_text", "live_owners", "records_by_id"]

Query = Callable[[sql.Composable, Sequence[object]], list[Row]]
"""Runs one query: alone, or inside a transaction."""

_NO_SUCH_VALUE = ("22P02", "22003", "22007", "22008")


def records_by_id(
    query: Query, table: Table, remote_ids: Sequence[str], *, lock: bool = False
) -> dict[str, Record]:
    """The rows of these ids, tombstones included; an id of another type is of no row."""
    return _records(query, table, table.options.id, remote_ids, by_person=False, lock=lock)


def live_owners(query: Query, table: Table, person_ids: Sequence[str]) -> dict[str, Record]:
    """The living rows that carry these person_ids."""
    found = _owners(query, table, person_ids)
    return {person_id: record for person_id, record in found.items() if not record.deleted}


def dead_owners(query: Query, table: Table, person_ids: Sequence[str]) -> dict[str, Record]:
    """Soft-deleted rows that carry these person_ids, where no living row does."""
    found = _owners(query, table, person_ids)
    return {person_id: record for person_id, record in found.items() if record.deleted}


def _owners(query: Query, table: Table, person_ids: Sequence[str]) -> dict[str, Record]:
    external = table.options.external_id
    return _records(query, table, external, person_ids, by_person=True) if external else {}


def is_no_text(value: str) -> bool:
    """Whether PostgreSQL cannot hold a text: a zero byte, or half a letter."""
    return "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value)


def _records(
    query: Query,
    table: Table,
    column: str,
    keys: Sequence[str],
    *,
    by_person: bool,
    lock: bool = False,
) -> dict[str, Record]:
    keys = [key for key in keys if not is_no_text(key)]
    if not keys:
        return {}
    select = sql.SQL("SELECT {image} FROM {table} WHERE {where} ORDER BY {id} {lock}")
    known = sql.SQL("{} = ANY({})").format(quoted(column), table.cast(column, array=True))
    as_text = sql.SQL("{}::text = ANY(%s)").format(quoted(column))
    parts: dict[str, Any] = {
        "image": table.image,
        "table": table.identifier,
        "id": table.id,
        "lock": sql.SQL("FOR UPDATE" if lock else ""),
    }
    try:
        rows = query(select.format(where=known, **parts), [keys])
    except (psycopg.Error, PlatformRefused) as error:
        if not _is_of_another_type(error):
            raise
        rows = query(select.format(where=as_text, **parts), [keys])
    records = [table.record(row, table.options.table) for row in rows]
    # Of several rows with one person_id a living one counts: it is put in last.
    return {
        key: record
        for record in sorted(records, key=lambda record: not record.deleted)
        if (key := record.external_id if by_person else record.remote_id) is not None
    }


def _is_of_another_type(error: psycopg.Error | PlatformRefused) -> bool:
    state = error.sqlstate if isinstance(error, psycopg.Error) else error.code
    return state in _NO_SUCH_VALUE
