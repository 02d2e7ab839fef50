"""Writing one batch to one table, inside a transaction that the caller opened.

Rows are locked, compared with what the plan saw as the very texts that reading gives, and changed:
a guard in the WHERE clause would compare by the column's type (case-blind for citext, impossible
for json). Creates of ours are serialised by an advisory lock, so that a person_id stays unique
also where no index says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg
from psycopg import sql

from concord.platforms.base import ListPatch, Native, Operation, Outcome, Receipt, Record, Verb
from concord.platforms.sql_records import dead_owners, is_no_text, live_owners, records_by_id
from concord.platforms.sql_session import Row, is_refusal_of_a_row
from concord.platforms.sql_table import Table, quoted

__all__ = ["carry_out"]

_NOT_TEXT = "22021"  # character_not_in_repertoire, found before the driver would quote it
_NOT_SCALAR = "22P02"
_NOTHING_DONE = "no_rows"  # a trigger or a row policy swallowed the statement
_UNIQUE = "23505"


def carry_out(
    connection: psycopg.Connection[Row], table: Table, operations: Sequence[Operation]
) -> list[Receipt]:
    """Carry out a batch; see `Sink.write`."""
    return _Batch(connection, table, operations).receipts(operations)


class _Batch:
    """The rows of one batch, locked, and what became of them so far."""

    def __init__(
        self, connection: psycopg.Connection[Row], table: Table, operations: Sequence[Operation]
    ) -> None:
        self._connection = connection
        self._table = table
        creates = [one.person_id for one in operations if one.verb is Verb.CREATE]
        if creates:
            self._run(
                sql.SQL("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"),
                [f"concord {table.options.table}"],
            )
        ids = {one.remote_id for one in operations if one.remote_id is not None}
        self._rows = self._locked(sorted(ids))
        self._owners = live_owners(self._run, table, creates)

    def receipts(self, operations: Sequence[Operation]) -> list[Receipt]:
        done = [self._receipt(operation) for operation in operations]
        # Triggers that run after a statement may have changed the row again.
        touched = [
            one.record.remote_id
            for one in done
            if one.outcome is Outcome.OK and one.record and one.record.remote_id
        ]
        stored = records_by_id(self._run, self._table, touched)
        return [_with_image(receipt, stored) for receipt in done]

    def _receipt(self, operation: Operation) -> Receipt:
        refused = _unfit(operation.values)
        if refused:
            return Receipt(operation.op_id, Outcome.REJECTED, None, refused)
        act = {Verb.CREATE: self._create, Verb.UPDATE: self._update, Verb.DELETE: self._delete}
        try:
            return act[operation.verb](operation)
        except psycopg.Error as error:
            if not is_refusal_of_a_row(error):
                raise
            return Receipt(operation.op_id, Outcome.REJECTED, None, error.sqlstate or "")

    def _create(self, operation: Operation) -> Receipt:
        owner = self._owners.get(operation.person_id)
        if owner is not None:
            return Receipt(operation.op_id, Outcome.EXISTS, owner)
        try:
            record = self._inserted(operation)
        except psycopg.Error as error:
            if error.sqlstate != _UNIQUE:
                raise
            owner = live_owners(self._run, self._table, [operation.person_id]).get(
                operation.person_id
            )
            if owner is not None:  # made by somebody else, after we looked
                return Receipt(operation.op_id, Outcome.EXISTS, owner)
            dead = dead_owners(self._run, self._table, [operation.person_id])
            if not dead:
                raise
            record = self._made_again(operation, dead[operation.person_id])
        if record is None:
            return Receipt(operation.op_id, Outcome.REJECTED, None, _NOTHING_DONE)
        self._keep(record)
        return Receipt(operation.op_id, Outcome.OK, record)

    def _made_again(self, operation: Operation, dead: Record) -> Record | None:
        """A new row; the soft-deleted one itself where it holds another unique value, too."""
        try:
            with self._connection.transaction():
                self._release(operation.person_id)
                return self._inserted(operation)
        except psycopg.Error as error:
            deleted_at = self._table.options.deleted_at
            if error.sqlstate != _UNIQUE or deleted_at is None:
                raise
            return self._changed(dead, {**_texts(operation.values), deleted_at: None})

    def _update(self, operation: Operation) -> Receipt:
        stands = self._guarded(operation)
        if stands is not None:
            return stands
        current = self._rows[operation.remote_id or ""]
        values = _texts(operation.values)
        if _same(values, current.fields):
            return Receipt(operation.op_id, Outcome.OK, current)
        record = self._changed(current, values)
        if record is None:
            return Receipt(operation.op_id, Outcome.REJECTED, None, _NOTHING_DONE)
        self._keep(record)
        return Receipt(operation.op_id, Outcome.OK, record)

    def _delete(self, operation: Operation) -> Receipt:
        stands = self._guarded(operation)
        if stands is not None:
            return stands
        current = self._rows[operation.remote_id or ""]
        deleted_at = self._table.options.deleted_at
        if deleted_at is not None:
            record = self._changed(current, {}, now=(deleted_at,))
        else:
            record = self._removed(current)
        if record is None:
            return Receipt(operation.op_id, Outcome.REJECTED, None, _NOTHING_DONE)
        self._keep(record)
        return Receipt(operation.op_id, Outcome.OK, record)

    def _guarded(self, operation: Operation) -> Receipt | None:
        """The receipt of an update or delete that must not happen, or None."""
        current = self._rows.get(operation.remote_id or "")
        if current is None or current.deleted:
            gone = current or Record(operation.remote_id, deleted=True)
            return Receipt(operation.op_id, Outcome.GONE, gone)
        wanted = operation.verb is Verb.UPDATE and _same(_texts(operation.values), current.fields)
        if current.fault or not (wanted or _same(operation.expect, current.fields)):
            return Receipt(operation.op_id, Outcome.CONFLICT, current)
        return None

    def _inserted(self, operation: Operation) -> Record | None:
        options = self._table.options
        values: dict[str, str | None] = dict(_texts(operation.values))
        if options.external_id is not None:
            values[options.external_id] = operation.person_id
        names = [name for name in values if name != options.updated_at]
        statement = sql.SQL(
            "INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {image}"
        ).format(
            table=self._table.identifier,
            columns=sql.SQL(", ").join(map(quoted, [*names, options.updated_at])),
            values=sql.SQL(", ").join(
                [*(sql.Placeholder() for _ in names), sql.SQL("clock_timestamp()")]
            ),
            image=self._table.image,
        )
        return self._one(statement, [self._cell(name, values[name]) for name in names])

    def _changed(
        self, current: Record, values: Mapping[str, str | None], *, now: Sequence[str] = ()
    ) -> Record | None:
        updated_at = self._table.options.updated_at
        clock = dict.fromkeys([*now, updated_at], sql.SQL("clock_timestamp()"))
        names = [name for name in values if name not in clock]
        assignments = [
            *(sql.SQL("{} = %s").format(quoted(name)) for name in names),
            *(sql.SQL("{} = {}").format(quoted(name), to) for name, to in clock.items()),
        ]
        statement = sql.SQL("UPDATE {table} SET {assignments} WHERE {id} = {key} RETURNING {image}")
        return self._one(
            statement.format(
                table=self._table.identifier,
                assignments=sql.SQL(", ").join(assignments),
                id=self._table.id,
                key=self._table.cast(self._table.options.id),
                image=self._table.image,
            ),
            [*(self._cell(name, values[name]) for name in names), current.remote_id],
        )

    def _removed(self, current: Record) -> Record | None:
        statement = sql.SQL("DELETE FROM {table} WHERE {id} = {key} RETURNING {image}").format(
            table=self._table.identifier,
            id=self._table.id,
            key=self._table.cast(self._table.options.id),
            image=self._table.image,
        )
        removed = self._one(statement, [current.remote_id])
        return removed and Record(current.remote_id, deleted=True, external_id=removed.external_id)

    def _release(self, person_id: str) -> None:
        """Let soft-deleted rows give up a person_id that a new row is to carry."""
        statement = sql.SQL(
            "UPDATE {table} SET {external} = NULL WHERE {external} = {key} AND {dead} RETURNING 1"
        )
        external = self._table.options.external_id or ""
        self._run(
            statement.format(
                table=self._table.identifier,
                external=quoted(external),
                key=self._table.cast(external),
                dead=self._table.dead,
            ),
            [person_id],
        )

    def _one(self, statement: sql.Composable, parameters: Sequence[object]) -> Record | None:
        rows = self._run(statement, parameters)
        return self._table.record(rows[0], self._table.options.table) if rows else None

    def _cell(self, column: str, value: str | None) -> str | None:
        found = self._table.columns[column]
        return "" if value is None and found.not_null and found.text else value

    def _locked(self, remote_ids: Sequence[str]) -> dict[str, Record]:
        return records_by_id(self._run, self._table, remote_ids, lock=True)

    def _keep(self, record: Record) -> None:
        if record.remote_id is not None:
            self._rows[record.remote_id] = record
        if record.external_id is not None:
            self._owners.pop(record.external_id, None)
            if not record.deleted:
                self._owners[record.external_id] = record

    def _run(self, query: sql.Composable, parameters: Sequence[object]) -> list[Row]:
        """One statement in a savepoint, so that a refusal leaves the transaction alive."""
        composed = query if isinstance(query, sql.Composed) else sql.Composed([query])
        with self._connection.transaction():
            return self._connection.execute(composed, parameters).fetchall()


def _with_image(receipt: Receipt, stored: Mapping[str, Record]) -> Receipt:
    if receipt.outcome is not Outcome.OK or receipt.record is None:
        return receipt
    image = stored.get(receipt.record.remote_id or "")
    if image is None:
        image = Record(
            receipt.record.remote_id, deleted=True, external_id=receipt.record.external_id
        )
    return Receipt(receipt.op_id, receipt.outcome, image, receipt.code)


def _unfit(values: Mapping[str, Native | ListPatch]) -> str:
    if any(not (value is None or isinstance(value, str)) for value in values.values()):
        return _NOT_SCALAR
    if any(is_no_text(value) for value in values.values() if isinstance(value, str)):
        return _NOT_TEXT
    return ""


def _texts(values: Mapping[str, Native | ListPatch]) -> dict[str, str | None]:
    return {name: value or None for name, value in values.items() if isinstance(value, str | None)}


def _same(wanted: Mapping[str, Native], found: Mapping[str, Native]) -> bool:
    return all((value or None) == found.get(name) for name, value in wanted.items())
