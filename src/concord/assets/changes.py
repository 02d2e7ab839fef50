"""What changed in a dataset between two of its versions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError

from concord.assets.snapshot import HASH
from concord.assets.table import Table
from concord.errors import StepFailed

__all__ = ["CHANGE", "changes"]

CHANGE = "_change"
_ORDER = {"delete": 0, "insert": 1, "update_postimage": 2}


def changes(
    table: Table, after: int, upto: int, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """The net change over ``after < version <= upto``.

    Args:
        table: open, at *upto* or later.
        after: -1 means from nothing: every row at *upto* comes as an upsert.
        columns: all when None; the key always comes.

    Returns:
        One row a key, in no order: its last image and ``_change``: ``upsert``, or ``delete`` (then
        every other column is null). A row that came and went in between is a delete.
    """
    key = table.dataset.key
    wanted = list(columns) if columns is not None else list(table.columns)
    wanted = wanted if key in wanted else [key, *wanted]
    if after >= upto:
        return _empty(table, wanted)
    if after < 0:
        whole = table.frame(upto, columns=wanted).collect()
        return whole.with_columns(pl.lit("upsert").alias(CHANGE))
    events = _feed(table, after, upto)
    if events is None:
        return _compared(table, after, upto, wanted)
    return _net(events, key, wanted)


def _empty(table: Table, wanted: list[str]) -> pl.DataFrame:
    schema = table.schema
    return pl.DataFrame(schema={**{name: schema[name] for name in wanted}, CHANGE: pl.String()})


def _feed(table: Table, after: int, upto: int) -> pl.DataFrame | None:
    """The change data feed of the range; None when it no longer reaches back so far."""
    if not table.dataset.feed:
        return None
    try:
        reader = table.delta.load_cdf(starting_version=after + 1, ending_version=upto)
        return pl.DataFrame(reader)
    except (DeltaError, OSError, pa.ArrowInvalid):
        return None
    except Exception as error:  # arro3 raises bare exceptions for files that are gone
        if type(error) is Exception or "Arrow" in type(error).__name__:
            return None
        raise


def _net(events: pl.DataFrame, key: str, wanted: list[str]) -> pl.DataFrame:
    last = (
        events.filter(pl.col("_change_type") != "update_preimage")
        .with_columns(pl.col("_change_type").replace_strict(_ORDER, default=9).alias("_order"))
        .sort("_commit_version", "_order")
        .unique(key, keep="last", maintain_order=True)
    )
    gone = pl.col("_change_type") == "delete"
    blanked = [
        pl.when(gone).then(None).otherwise(pl.col(name)).alias(name) for name in wanted if name != key
    ]
    change = pl.when(gone).then(pl.lit("delete")).otherwise(pl.lit("upsert")).alias(CHANGE)
    return last.select(pl.col(key), *blanked, change).select(*wanted, CHANGE)


def _compared(table: Table, after: int, upto: int, wanted: list[str]) -> pl.DataFrame:
    key = table.dataset.key
    failure: str | None = None
    try:
        old = table.frame(after, columns=[key, HASH]).rename({HASH: "_old"}).collect()
        new = table.frame(upto).collect()
    except (DeltaError, OSError, pl.exceptions.ComputeError) as error:
        failure = type(error).__name__
    if failure is not None:
        raise StepFailed(
            f"{table.dataset.name}: version {after} is no longer kept; run with --full-refresh",
            failure,
            "changes",
        )
    joined = new.join(old, on=key, how="left", maintain_order="left")
    upserts = joined.filter(pl.col(HASH).ne_missing(pl.col("_old"))).select(wanted)
    gone = old.join(new.select(key), on=key, how="anti").select(key)
    missing = [
        pl.lit(None, kind).alias(name) for name, kind in upserts.schema.items() if name != key
    ]
    return pl.concat(
        [
            upserts.with_columns(pl.lit("upsert").alias(CHANGE)),
            gone.with_columns(missing).select(wanted).with_columns(pl.lit("delete").alias(CHANGE)),
        ]
    )
