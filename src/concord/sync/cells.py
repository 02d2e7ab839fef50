"""Cells: the evidence for one scalar column, one list element or one consent claim of one record.

A cell says how its value came to be known, never the value itself; values live in the row's fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import polars as pl

from concord.sync.values import dump, load

__all__ = [
    "CELL",
    "Cell",
    "Claim",
    "Key",
    "Kind",
    "Stamp",
    "Stamps",
    "cells_of",
    "dump_stamps",
    "load_stamps",
    "structs",
]

_INSTANT = pl.Datetime("us", "UTC")

CELL = pl.Struct(
    {
        "column": pl.String,
        "element": pl.String,
        "removed": pl.Boolean,
        "kind": pl.String,
        "at": _INSTANT,
        "dated_at": _INSTANT,
        "source": pl.String,
        "since": _INSTANT,
        "ours": pl.Boolean,
        "claim": pl.String,
        "claimed_at": _INSTANT,
    }
)
"""A cell as a table holds it."""

Kind = Literal["found", "edit"]
Key = tuple[str, str | None]
"""Column, and the canonical key of the element where the column is a list."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """How good the evidence for a value is; a copy inherits the stamp of what it copies.

    Attributes:
        kind: ``edit`` when we saw the value change, ``found`` when it was there at first reading.
        at: when we saw that.
        dated_at: the record's own date at its first reading; null for an edit, or when unknown.
        source: the platform that the value stems from.
    """

    kind: Kind
    at: datetime
    dated_at: datetime | None
    source: str


Stamps = Mapping[Key, Stamp]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a platform says of consent.

    Attributes:
        state: ``granted`` or ``withdrawn``.
        at: the platform's own date of it; None when it is not dated.
    """

    state: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """Evidence for one value of one record.

    Attributes:
        column: contract column, or ``consent/<channel>/<purpose>``.
        element: canonical key of a list's element; None for a scalar or a claim.
        removed: the element was there once and is not any more.
        since: when this value was first seen on this record.
        ours: we wrote it; a copy, never an edit.
        claim: ``granted`` or ``withdrawn``; None unless the column is a claim.
        claimed_at: the platform's own date of the claim.
    """

    column: str
    element: str | None
    removed: bool
    kind: Kind
    at: datetime
    dated_at: datetime | None
    source: str
    since: datetime
    ours: bool
    claim: str | None = None
    claimed_at: datetime | None = None

    @property
    def key(self) -> Key:
        """Column and element."""
        return self.column, self.element

    @property
    def stamp(self) -> Stamp:
        """How good this evidence is."""
        return Stamp(self.kind, self.at, self.dated_at, self.source)


def cells_of(structs: Iterable[Mapping[str, Any]] | None) -> dict[Key, Cell]:
    """Cells by key, from a row's list of structs."""
    cells = (Cell(**struct) for struct in structs or ())
    return {cell.key: cell for cell in cells}


def structs(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """A row's list of structs: sorted, so that equal evidence gives equal rows."""
    ordered = sorted(cells, key=lambda cell: _place(cell.key))
    return [{name: getattr(cell, name) for name in Cell.__slots__} for cell in ordered]


def _place(key: Key) -> tuple[str, bool, str]:
    column, element = key
    return column, element is not None, element or ""


def dump_stamps(stamps: Stamps) -> str:
    """Stamps as the text of a plan's or receipt's row."""
    return dump(
        [
            {
                "column": column,
                "element": element,
                "kind": stamp.kind,
                "at": stamp.at.isoformat(),
                "dated_at": stamp.dated_at and stamp.dated_at.isoformat(),
                "source": stamp.source,
            }
            for (column, element), stamp in sorted(stamps.items(), key=lambda item: _place(item[0]))
        ]
    )


def load_stamps(text: str | None) -> dict[Key, Stamp]:
    """What `dump_stamps` wrote."""
    return {
        (one["column"], one["element"]): Stamp(
            one["kind"],
            datetime.fromisoformat(one["at"]),
            one["dated_at"] and datetime.fromisoformat(one["dated_at"]),
            one["source"],
        )
        for one in load(text) or ()
    }
