"""What clean keeps of a record whose newest row is refused: its last good row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["last_good"]

Row = Mapping[str, Any]


def last_good(
    good: Row, newest: Row, *, columns: Sequence[str], lists: Sequence[str]
) -> dict[str, Any]:
    """The row published before, with what Concord itself wrote since.

    Args:
        good: the row in clean, with ``_cells``.
        newest: the refused row, with ``_cells``.
        columns: the contract's columns.
        lists: those that are lists of elements.

    Returns:
        *good*, but cells that are ours in *newest* take their value from there: what we wrote is
        good by construction. ``_held`` names the columns in which the two still differ; nothing is
        to be written over them.
    """
    row = dict(good)
    cells = {(one["column"], one["element"]): one for one in good["_cells"] or ()}
    for cell in newest["_cells"] or ():
        column = cell["column"]
        if not cell["ours"] or column not in columns:
            continue
        cells[(column, cell["element"])] = cell
        if column in lists:
            row[column] = _with_element(row[column], newest[column], cell)
        else:
            row[column] = newest[column]
    row["_cells"] = [cells[key] for key in sorted(cells, key=lambda key: (key[0], key[1] or ""))]
    row["_held"] = [column for column in columns if _differs(row[column], newest[column])]
    return row


def _with_element(
    kept: Sequence[Row] | None, newest: Sequence[Row] | None, cell: Row
) -> list[Row] | None:
    others = [one for one in kept or () if one["value"] != cell["element"]]
    if cell["removed"]:
        return others or None
    return [*others, *(one for one in newest or () if one["value"] == cell["element"])] or None


def _differs(one: Any, other: Any) -> bool:
    if isinstance(one, list) or isinstance(other, list):
        return {e["value"] for e in one or ()} != {e["value"] for e in other or ()}
    return bool(one != other)
