"""Kind *sql*: one table of a PostgreSQL database.

A stored cursor is an instant: the newest `updated_at` (or `deleted_at`) that was not in the future
when the reading began. A reading starts `overlap_s` before it, since a transaction may commit later
than it dates its rows; rows read twice are harmless. Inside one reading ``(instant, id)`` orders
the pages, each of them one statement and so one consistent view. A listing goes by id, which does
not change: a row that is edited meanwhile comes exactly once, and again in the next delta.

Rows that somebody removed (and did not mark in `deleted_at`) are missed by deltas: only a listing
tells. The same holds for rows whose `updated_at` is null, lies before the cursor, or stayed as it
was when the row changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from psycopg import sql

from concord.errors import CursorExpired, PlatformRefused, UnreadableInput
from concord.platforms.base import (
    Capabilities,
    CheckReport,
    CreateKey,
    Delta,
    Operation,
    Page,
    Receipt,
    Record,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration, SqlOptions
from concord.platforms.effort import Effort
from concord.platforms.natives import native_fields
from concord.platforms.sql_records import live_owners, records_by_id
from concord.platforms.sql_session import Row, Session
from concord.platforms.sql_table import Table, described, instant_of, quoted, regclass
from concord.platforms.sql_write import carry_out

__all__ = ["Sql"]

_PAGE = 500
_BATCH = 200
_SAMPLE = 5
_NEVER = datetime(1, 1, 1, tzinfo=UTC)

_RIGHTS = sql.SQL("""
SELECT current_setting('server_version'), pg_is_in_recovery(),
       has_any_column_privilege(t, 'SELECT'),
       has_any_column_privilege(t, 'INSERT') AND has_any_column_privilege(t, 'UPDATE'),
       has_table_privilege(t, 'DELETE')
FROM (SELECT to_regclass(%s)::oid AS t) AS named
""")


class Sql:
    """Source and sink of one table."""

    batch = _BATCH

    def __init__(
        self,
        name: str,
        declaration: PlatformDeclaration,
        connection: Connection,
        *,
        root: Path | None = None,  # noqa: ARG002 (every kind is made alike)
    ) -> None:
        """Args: root: unused; a database is no place in the project's folder."""
        if not isinstance(declaration.options, SqlOptions):
            raise PlatformRefused(name, "its declaration is not of kind sql")
        self.name = name
        self._options = declaration.options
        self._natives = native_fields(declaration)
        self._session = Session(name, connection)
        external = self._options.external_id
        self.capabilities = Capabilities(
            delta=Delta.WATERMARK,
            tombstones=self._options.deleted_at is not None,
            create_key=CreateKey.EXTERNAL_ID if external else CreateKey.NONE,
            batch=self.batch,
            page=_PAGE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def effort(self) -> Effort:
        """See `Platform.effort`."""
        return self._session.effort

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def check(self) -> CheckReport:
        """See `Source.check`."""
        table = self._table
        named = regclass(self._options)
        version, replica, readable, writable, deletable = self._session.rows(_RIGHTS, [named])[0]
        deletes = deletable or self._options.deleted_at is not None
        sample = self._page(sql.SQL("NOT {}").format(table.dead), (), most=_SAMPLE)
        return CheckReport(
            f"PostgreSQL {version}",
            readable,
            writable and deletes and not replica,
            [table.record(row[1:], "") for row in sample],
            tuple(self._notes()),
        )

    def changes(self, cursor: str) -> Iterator[Page]:
        """See `Source.changes`."""
        since = instant_of(cursor)
        if since is None:
            raise CursorExpired(self.name, "the cursor is no instant")
        table, order = self._table, sql.SQL("{}, {}").format(self._table.instant, self._table.id)
        columns = (self._options.updated_at, self._options.deleted_at)
        recent = sql.SQL(" OR ").join(
            sql.SQL("{} >= %s::timestamptz - make_interval(secs => %s)").format(quoted(column))
            for column in columns
            if column
        )
        started = [since, self._options.overlap_s] * sum(1 for column in columns if column)
        where = sql.SQL("({})").format(recent)
        after = sql.SQL("({}) > (%s::timestamptz, {})").format(order, table.cast(self._options.id))
        yield from self._pages(where, after, order, started, since)

    def listing(self) -> Iterator[Page]:
        """See `Source.listing`; soft-deleted rows come as tombstones."""
        table = self._table
        after = sql.SQL("{} > {}").format(table.id, table.cast(self._options.id))
        yield from self._pages(sql.SQL("true"), after, table.id, [], None)

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.read`."""
        found: dict[str, Record] = {}
        for start in range(0, len(remote_ids), _PAGE):
            part = remote_ids[start : start + _PAGE]
            found |= records_by_id(self._session.rows, self._table, part)
        return [found.get(one, Record(one, deleted=True)) for one in remote_ids]

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.find`."""
        if self._options.external_id is None:
            raise PlatformRefused(self.name, "it declares no external id; `external_id:` names one")
        owners: dict[str, Record] = {}
        for start in range(0, len(person_ids), _PAGE):
            part = person_ids[start : start + _PAGE]
            owners |= live_owners(self._session.rows, self._table, part)
        return [owners[one] for one in person_ids if one in owners]

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """See `Sink.write`; one transaction, each operation in a savepoint of its own."""
        if not operations:
            return []
        table = self._table
        with self._session.transaction() as connection:
            return carry_out(connection, table, operations)

    @cached_property
    def _table(self) -> Table:
        return described(self._session, self.name, self._options, self._natives)

    def _pages(
        self,
        where: sql.Composable,
        after: sql.Composable,
        order: sql.Composable,
        started: Sequence[object],
        since: datetime | None,
    ) -> Iterator[Page]:
        """Pages by keyset; the first row's clock bounds the cursor, see the module's docstring."""
        cursor = since or _NEVER
        clock: datetime | None = None
        last: Row = ()
        read = 0
        while True:
            both = sql.SQL("{} AND {}").format(where, after) if last else where
            rows = self._page(both, [*started, *last], order=order, most=_PAGE + 1)
            page = rows[:_PAGE]
            self._insist_on_ids(rows, read)
            records = [
                self._table.record(row[1:], f"{self._options.table}:{read + number}")
                for number, row in enumerate(page, start=1)
            ]
            read += len(page)
            for row, record in zip(page, records, strict=True):
                clock = clock or row[0]
                if record.modified_at and clock and record.modified_at <= clock:
                    cursor = max(cursor, record.modified_at)
            if since is not None:  # rows without an id are known by their place in a listing
                records = [record for record in records if record.remote_id is not None]
            yield Page(records, cursor.isoformat(), full=since is None)
            if len(rows) <= _PAGE:
                return
            _, remote_id, instant, *_ = page[-1]
            last = (remote_id,) if since is None else (instant, remote_id)

    def _insist_on_ids(self, rows: Sequence[Row], before: int) -> None:
        """One statement sees each row once: an id that comes twice is none (a view may do that)."""
        seen: set[str] = set()
        for number, (_, remote_id, *_) in enumerate(rows, start=before + 1):
            if remote_id in seen:
                what = f"has two rows with one {self._options.id}; name a column that is unique"
                raise UnreadableInput(f"{self.name}, {self._options.table}", what, number)
            if remote_id is not None:
                seen.add(remote_id)

    def _page(
        self,
        where: sql.Composable,
        parameters: Sequence[object],
        *,
        order: sql.Composable | None = None,
        most: int,
    ) -> list[Row]:
        query = sql.SQL(
            "SELECT statement_timestamp(), {image} FROM {table} WHERE {where} "
            "ORDER BY {order} LIMIT {most}"
        ).format(
            image=self._table.image,
            table=self._table.identifier,
            where=where,
            order=order or self._table.id,
            most=sql.Literal(most),
        )
        return self._session.rows(query, parameters)

    def _notes(self) -> Iterator[str]:
        options, columns = self._options, self._table.columns
        if columns[options.id].stored and not columns[options.updated_at].indexed:
            yield f"No index begins with {options.updated_at}: each delta reads the whole table."
        external = options.external_id
        if external is None:
            yield "No external_id is declared: a create without an answer is looked up by keys."
        elif columns[external].stored and not columns[external].unique:
            yield f"{external} has no unique index: only Concord itself keeps it unique."
        if options.deleted_at is None:
            yield "No deleted_at is declared: deletions are seen in full listings only."
        undated = sql.SQL("{} IS NULL").format(quoted(options.updated_at))
        if self._page(undated, (), most=1):
            yield f"Some rows have no {options.updated_at}: only full listings see them change."
