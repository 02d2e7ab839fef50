"""The rows of a change that really differ from the table, and the one write that brings them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from concord.assets.rowhash import HASH, row_hash
from concord.assets.table import WRITER, Table, to_delta
from concord.errors import SchemaDrift

__all__ = ["Write", "as_source", "real_changes", "write_rows"]


@dataclass(frozen=True, slots=True)
class Write:
    """Rows that differ from the table, one a key.

    Attributes:
        source: the table's columns and ``_op``: U to write the row, D to delete its key.
        inserted: rows whose key the table does not have.
        updated: rows whose key it has.
        deleted: keys that go.
    """

    source: pl.DataFrame
    inserted: int
    updated: int
    deleted: int

    @property
    def upserted(self) -> int:
        """Rows written."""
        return self.inserted + self.updated


def real_changes(
    table: Table, upserts: pl.DataFrame | None, deletes: pl.Series | None
) -> Write | None:
    """What of the wanted rows differs from the table at the handle's version.

    An append-only table is not compared: every row of *upserts* is new.

    Args:
        upserts: whole rows, one a key; ``_row_hash`` is made here.
        deletes: keys, in any order; those the table does not have are dropped.

    Returns:
        None when nothing differs.

    Raises:
        SchemaDrift: other columns than the table's; a key that is null, twice there, or both
            written and deleted; a delete from an append-only table.
    """
    upserts = _or_empty(table, upserts)
    deletes = pl.Series(table.dataset.key, [], pl.String) if deletes is None else deletes
    _refuse_ambiguous(table, upserts, deletes)
    if table.dataset.append_only:
        rows = upserts.with_columns(_op=pl.lit("U"))
        return Write(rows, rows.height, 0, 0) if rows.height else None
    rows, updated = _differing(table, upserts)
    gone = _tombstones(table, deletes)
    if not rows.height and not gone.height:
        return None
    inserted = rows.height - updated
    return Write(pl.concat([rows, gone]), inserted, updated, gone.height)


def _or_empty(table: Table, upserts: pl.DataFrame | None) -> pl.DataFrame:
    wanted = {name: kind for name, kind in table.schema.items() if name != HASH}
    if upserts is None:
        return pl.DataFrame(schema=wanted)
    found = {name: kind for name, kind in upserts.schema.items() if name != HASH}
    differing = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    if differing:
        listed = ", ".join(differing)
        raise SchemaDrift(f"{table.dataset.name}: the frame differs from the table in {listed}")
    return upserts.select(list(wanted))


def _refuse_ambiguous(table: Table, upserts: pl.DataFrame, deletes: pl.Series) -> None:
    name, key = table.dataset.name, table.dataset.key
    keys = upserts[key]
    if keys.null_count():
        raise SchemaDrift(f"{name}: {key} is null in {keys.null_count()} rows")
    if table.dataset.append_only:
        if len(deletes):
            raise SchemaDrift(f"{name}: {len(deletes)} deletes from an append-only table")
        return
    doubled = keys.len() - keys.n_unique()
    if doubled:
        raise SchemaDrift(f"{name}: {doubled} rows have a {key} that another row has")
    both = keys.is_in(deletes.implode()).sum() if len(deletes) else 0
    if both:
        raise SchemaDrift(f"{name}: {both} rows are both written and deleted")


def _differing(table: Table, upserts: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """New and changed rows with ``_op``, and how many of them are changed ones."""
    key, schema = table.dataset.key, table.schema
    hashed = upserts.with_columns(row_hash(upserts.schema, table.dataset.unhashed))
    known = _known(table, upserts[key], [key, HASH]).rename({HASH: "_known"})
    joined = hashed.join(
        known.with_columns(_there=pl.lit(True)), on=key, how="left", maintain_order="left"
    )
    rows = joined.filter(pl.col("_there").is_null() | pl.col(HASH).ne_missing(pl.col("_known")))
    updated = int(rows["_there"].count())
    return rows.select(list(schema)).with_columns(_op=pl.lit("U")), updated


def _tombstones(table: Table, keys: pl.Series) -> pl.DataFrame:
    key = table.dataset.key
    gone = _known(table, keys, [key])
    missing = [pl.lit(None, kind).alias(n) for n, kind in table.schema.items() if n != key]
    return gone.with_columns(missing).select(list(table.schema)).with_columns(_op=pl.lit("D"))


def _known(table: Table, keys: pl.Series, columns: list[str]) -> pl.DataFrame:
    key = table.dataset.key
    if not len(keys):
        return pl.DataFrame(schema={name: table.schema[name] for name in columns})
    wanted = pl.LazyFrame({key: keys.drop_nulls().unique()})
    return table.frame(columns=columns).join(wanted, on=key, how="semi").collect()


def write_rows(
    table: Table, write: Write | None, source: pa.Table, properties: CommitProperties
) -> None:
    """Make exactly one commit through the table's handle.

    New rows alone are appended: a merge would read the table to find that they match nothing.

    Args:
        write: None commits no row, only *properties*.
        source: the rows of *write* in the table's Arrow types, with ``_op``.
    """
    if write is None or not (write.updated or write.deleted):
        rows = source.drop_columns(["_op"])
        write_deltalake(
            table.delta, rows, mode="append", writer_properties=WRITER, commit_properties=properties
        )
        return
    key = table.dataset.key
    merger = table.delta.merge(
        source,
        f"t.{key} = s.{key}",
        source_alias="s",
        target_alias="t",
        writer_properties=WRITER,
        commit_properties=properties,
    )
    # Every matched row fires a clause: a condition that mostly does not is pathological in delta-rs
    # (https://github.com/delta-io/delta-rs/issues/4422).
    merger = merger.when_matched_delete(predicate="s._op = 'D'")
    merger = merger.when_matched_update_all(predicate="s._op = 'U'", except_cols=["_op"])
    merger = merger.when_not_matched_insert_all(predicate="s._op = 'U'", except_cols=["_op"])
    merger.execute()


def as_source(table: Table, write: Write | None) -> pa.Table:
    """The rows of *write*, sorted by key, in the table's Arrow types; empty for None."""
    empty: Mapping[str, pl.DataType] = {**table.schema, "_op": pl.String()}
    rows = pl.DataFrame(schema=dict(empty)) if write is None else write.source
    return to_delta(rows.sort(table.dataset.key), table, op=True)
