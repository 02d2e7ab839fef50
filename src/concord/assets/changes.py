"""What changed in a dataset between two of its versions, net: one row a key."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from deltalake.exceptions import DeltaError

from concord.assets.rowhash import HASH, row_hash
from concord.assets.table import Table
from concord.errors import UsageError

__all__ = ["CHANGE", "changes", "images"]

CHANGE = "_change"
_KIND, _VERSION = "_change_type", "_commit_version"


def changes(
    table: Table, after: int, upto: int, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """The net change over ``after < version <= upto``.

    It comes from the change data feed, which holds only what changed; from a comparison of the two
    snapshots where the feed no longer reaches back. Both give the same rows.

    Args:
        table: open, at *upto* or later.
        after: -1 means from nothing: every row at *upto* comes as an upsert.
        columns: all when None; the key always comes.

    Returns:
        One row a key, in no order: its last image and ``_change``: ``upsert``, or ``delete`` (then
        every column but the key is null). A row that came and went within the range is left out,
        and so is one that ended as it began. An append-only dataset gives every row appended, as
        upserts, also when they share a key.

    Raises:
        UsageError: version *after* is no longer kept, so nobody can tell what changed since.
    """
    key = table.dataset.key
    wanted = list(columns) if columns is not None else list(table.columns)
    wanted = wanted if key in wanted else [key, *wanted]
    if after >= upto:
        return pl.DataFrame(schema={name: table.schema[name] for name in wanted}).with_columns(
            pl.lit("upsert").alias(CHANGE)
        )
    if after < 0:
        return _upserts(table.frame(upto, columns=wanted).collect())
    events = None if table.dataset.append_only else _feed(table, after, upto, wanted)
    if events is not None:
        return _net(events, key, wanted)
    try:
        if table.dataset.append_only:
            return _upserts(_appended(table, after, upto).select(wanted))
        return _compared(table, after, upto, wanted)
    except (DeltaError, OSError, pl.exceptions.ComputeError):
        pass
    raise UsageError(
        f"{table.dataset.name}: version {after} is no longer kept, so what changed since cannot be "
        "told; read it whole (--full-refresh)"
    )


def images(
    table: Table, version: int, *, keys: pl.Series | None = None, columns: list[str] | None = None
) -> pl.DataFrame | None:
    """Rows as they were at an older version; None when it is no longer kept.

    Args:
        keys: only these rows; named like the key.
        columns: all when None.
    """
    try:
        frame = table.frame(version, columns=columns)
        if keys is not None:
            frame = frame.join(keys.to_frame().lazy(), on=keys.name, how="semi")
        return frame.collect()
    except (DeltaError, OSError, pl.exceptions.PolarsError):
        return None


def _upserts(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.lit("upsert").alias(CHANGE))


def _feed(table: Table, after: int, upto: int, wanted: list[str]) -> pl.DataFrame | None:
    """The change data feed of the range; None when it no longer reaches back so far."""
    if not table.dataset.feed:
        return None
    columns = [*dict.fromkeys([*wanted, HASH]), _KIND, _VERSION]
    try:
        return pl.DataFrame(table.delta.load_cdf(after + 1, upto, columns=columns))
    except Exception:  # cleaned logs and vacuumed files raise four classes, some while streaming
        return None


def _net(events: pl.DataFrame, key: str, wanted: list[str]) -> pl.DataFrame:
    old = pl.col(_KIND).is_in(["delete", "update_preimage"])
    ordered = events.with_columns(_old=old).sort(_VERSION, pl.col("_old").not_())
    first = ordered.unique(key, keep="first", maintain_order=True)
    before = first.select(key, _was=pl.col("_old"), _before=pl.col(HASH))
    last = ordered.unique(key, keep="last", maintain_order=True).join(before, on=key)
    came_and_went = pl.col("_old") & ~pl.col("_was")
    same = pl.col(HASH).eq(pl.col("_before")).fill_null(False)
    as_before = ~pl.col("_old") & pl.col("_was") & same
    moved = last.filter(~came_and_went & ~as_before)
    gone = pl.col("_old")
    images = [
        pl.when(~gone).then(pl.col(name)).alias(name) if name != key else pl.col(key)
        for name in wanted
    ]
    change = pl.when(gone).then(pl.lit("delete")).otherwise(pl.lit("upsert")).alias(CHANGE)
    return moved.select(*images, change)


def _compared(table: Table, after: int, upto: int, wanted: list[str]) -> pl.DataFrame:
    key = table.dataset.key
    old = table.frame(after, columns=[key, HASH]).rename({HASH: "_before"})
    new = table.frame(upto, columns=list(dict.fromkeys([*wanted, HASH])))
    joined = new.join(old.with_columns(_was=pl.lit(True)), on=key, how="left")
    changed = pl.col("_was").is_null() | pl.col(HASH).ne_missing(pl.col("_before"))
    upserts = joined.filter(changed).select(wanted).with_columns(pl.lit("upsert").alias(CHANGE))
    gone = old.join(new.select(key), on=key, how="anti").select(key)
    missing = [pl.lit(None, table.schema[name]).alias(name) for name in wanted if name != key]
    deletes = gone.with_columns(missing).select(wanted).with_columns(pl.lit("delete").alias(CHANGE))
    return pl.concat([upserts, deletes]).collect()


def _appended(table: Table, after: int, upto: int) -> pl.DataFrame:
    """The rows of the files that came; of all files, less those that were there, once compacted."""
    old, new = table.files(after), table.files(upto)
    if set(old) <= set(new):
        return table.scan([file for file in new if file not in set(old)]).collect()
    nth = pl.int_range(pl.len()).over(HASH).alias("_nth")
    hashed = [
        table.scan(files).with_columns(row_hash(table.schema)).with_columns(nth)
        for files in (old, new)
    ]
    return hashed[1].join(hashed[0], on=[HASH, "_nth"], how="anti").drop("_nth").collect()
