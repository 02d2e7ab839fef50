"""Scalar columns: those that move together are taken from one record.

Of each column alone an edit we saw outranks what was found, so that two edits of two columns both
survive. What nobody edited comes from the record that leads the group: the one with the best
evidence in any of its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from concord.identity.declaration import People
from concord.identity.evidence import IS_EDIT, STAMP, Evidence, orders, rank, source

__all__ = ["Group", "groups", "scalars"]


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that move together, and whom to trust in them."""

    columns: tuple[str, ...]
    prefer: tuple[str, ...]


def groups(columns: Sequence[str], people: People) -> list[Group]:
    """The declared groups, as far as *columns* has them; any other column is a group of its own."""
    declared = people.survivorship.groups.values()
    general = people.survivorship.prefer
    grouped = {c for group in declared for c in group.columns}
    found = [
        Group(tuple(c for c in group.columns if c in columns), group.prefer or general)
        for group in declared
    ]
    found += [Group((c,), general) for c in columns if c not in grouped]
    return [group for group in found if group.columns]


def scalars(
    rows: pl.DataFrame, cells: Evidence, group: Group
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The group's columns by person, and who supplied each.

    Args:
        rows: numbered (`concord.identity.numbered`).
    """
    order = orders(rank(group.prefer))
    own = cells.of(*group.columns).filter(pl.col("element").is_null())
    own = own.hstack(rows.select(group.columns)[own["record_id"]])
    says = pl.coalesce(
        *(pl.when(pl.col("column") == c).then(pl.col(c).is_not_null()) for c in group.columns)
    )
    own = own.with_columns(says.alias("_says"))
    led = _led(own, group, order)
    found = rows.select("person_id").unique()
    sources = []
    for column in group.columns:
        told = own.filter(pl.col("column") == column).select(
            "person_id", "record_id", "ours", "_says", *STAMP, column
        )
        winner = _winner(told, led, order)
        found = found.join(winner.select("person_id", column), on="person_id", how="left")
        sources.append(source(winner, column, None))
    return found, sources


def _led(own: pl.DataFrame, group: Group, order: Sequence[pl.Expr]) -> pl.DataFrame:
    """Records with their place in the group; `_unlike` those that name something else there."""
    places = (
        own.filter(IS_EDIT | pl.col("_says"))
        .sort((~IS_EDIT).cast(pl.Int64), *order)
        .unique("record_id", keep="first", maintain_order=True)
        .sort("person_id", (~IS_EDIT).cast(pl.Int64), *order)
        .with_row_index("_place")
        .select("person_id", "record_id", "_place", *group.columns)
    )
    if len(group.columns) == 1:
        return places.select("record_id", "_place", pl.lit(False).alias("_unlike"))
    edited = own.filter(IS_EDIT).select("record_id", "column").with_columns(_edited=True)
    first = places.unique("person_id", keep="first", maintain_order=True)
    leader = first.select("person_id", pl.col("record_id").alias("_leader"))
    for column in group.columns:
        mine = edited.filter(pl.col("column") == column).select("record_id", "_edited")
        merely = first.join(mine, on="record_id", how="anti")
        leader = leader.join(
            merely.select("person_id", pl.col(column).alias(f"_{column}")),
            on="person_id",
            how="left",
        )
    differs = (
        (_plain(column) != _plain(f"_{column}")).fill_null(False) for column in group.columns
    )
    return places.join(leader, on="person_id").select(
        "record_id", "_place", pl.any_horizontal(*differs).alias("_unlike")
    )


def _plain(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.to_lowercase()


def _winner(told: pl.DataFrame, led: pl.DataFrame, order: Sequence[pl.Expr]) -> pl.DataFrame:
    """The winning cell of one column, a row a person: an edit, else what the leader was found with.

    A clear is an edit; it yields to what was found after it. Where the leader's own cell is empty,
    the next record that does not name something else in the group speaks for it.
    """
    edits = told.filter(IS_EDIT).sort("person_id", *order)
    edits = edits.unique("person_id", keep="first", maintain_order=True)
    found = (
        told.filter(~IS_EDIT)
        .join(
            edits.select("person_id", _edit_says="_says", _edit_at="at"), on="person_id", how="left"
        )
        .filter(
            pl.col("_edit_says").is_null()
            | (~pl.col("_edit_says") & (pl.col("at") > pl.col("_edit_at")))
        )
        .drop("_edit_says", "_edit_at")
        .join(led, on="record_id")
        .sort("person_id", "_place")
    )
    silent = (~pl.col("_says")).first().over("person_id")
    found = (
        found.filter(pl.col("_says") & ~(silent & pl.col("_unlike")))
        .unique("person_id", keep="first", maintain_order=True)
        .select(told.columns)
    )
    return pl.concat([found, edits.join(found, on="person_id", how="anti")])
