"""Cells: the evidence behind one scalar column, or one list element, of one record.

A cell says how a value came to stand there, not the value itself. Its *stamp* orders it against
other cells; a copy that Concord wrote inherits the stamp of what it copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import polars as pl

__all__ = ["CELL", "Cell", "Stamp", "cells_by_key", "stamp_from_json"]

INSTANT = pl.Datetime("us", "UTC")
CELL = pl.Struct(
    {
        "column": pl.String,
        "element": pl.String,
        "removed": pl.Boolean,
        "kind": pl.String,
        "at": INSTANT,
        "dated_at": INSTANT,
        "source": pl.String,
        "since": INSTANT,
        "ours": pl.Boolean,
        "claim": pl.String,
        "claimed_at": INSTANT,
    }
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a value's rank follows from.

    Attributes:
        kind: ``edit`` (we saw it happen) or ``found``.
        at: when it was first seen; of a copy, when its original was.
        dated_at: the record's own date at first reading; None when it has none.
        source: the platform that the value stems from.
    """

    kind: str
    at: datetime
    dated_at: datetime | None
    source: str

    def to_json(self) -> dict[str, Any]:
        """As operations carry it."""
        return {
            "kind": self.kind,
            "at": self.at.isoformat(),
            "dated_at": self.dated_at.isoformat() if self.dated_at else None,
            "source": self.source,
        }


def stamp_from_json(data: Mapping[str, Any]) -> Stamp:
    """Read what `Stamp.to_json` made."""
    dated = data.get("dated_at")
    return Stamp(
        data["kind"],
        datetime.fromisoformat(data["at"]),
        datetime.fromisoformat(dated) if dated else None,
        data["source"],
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One piece of evidence; field by field as `CELL`.

    Attributes:
        column: a canonical column, or ``consent/<channel>/<purpose>``.
        element: canonical value of the list element; None for scalars and claims.
        removed: the element was there and is not any more.
        since: when this record was first seen so.
        ours: Concord wrote it.
        claim: ``granted`` or ``withdrawn``.
        claimed_at: the platform's own date of the claim; None when it gives none.
    """

    column: str
    element: str | None
    removed: bool
    kind: str
    at: datetime
    dated_at: datetime | None
    source: str
    since: datetime
    ours: bool = False
    claim: str | None = None
    claimed_at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """As a row of `CELL`."""
        return asdict(self)


def cells_by_key(
    cells: Iterable[Mapping[str, Any]] | None,
) -> dict[tuple[str, str | None], Cell]:
    """Cells by column and element."""
    found = (Cell(**one) for one in cells or ())
    return {(cell.column, cell.element): cell for cell in found}
