"""How far a platform was read: kept in the commit records of raw, and handed on by clean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concord.assets.commit import CommitRecord
from concord.assets.table import Table

__all__ = ["READING", "Readings", "covered_by", "is_news", "reading_of"]

READING = "reading"


@dataclass(frozen=True, slots=True)
class Readings:
    """The last complete state of a platform's reading.

    Attributes:
        cursor: where the next delta starts.
        mapping: digest of the mapping that everything was read with.
        columns: canonical columns of that mapping.
    """

    cursor: str | None
    mapping: str
    columns: tuple[str, ...]

    def to_extra(self) -> dict[str, Any]:
        """As a commit record carries it."""
        said = {"cursor": self.cursor, "mapping": self.mapping, "columns": list(self.columns)}
        return {READING: said}


def reading_of(record: CommitRecord | None) -> Readings | None:
    """What a record of raw says; None when the platform was never read whole."""
    said = record.extra.get(READING) if record else None
    if not said:
        return None
    return Readings(said["cursor"], said["mapping"], tuple(said["columns"]))


def covered_by(inputs: Mapping[str, Table]) -> dict[str, list[str]]:
    """Platform to the columns it was completely read with, as its clean rows know it."""
    covered = {}
    for name, table in inputs.items():
        if name.startswith("clean/"):
            record = table.newest_record()
            columns = record.extra.get("columns") if record else None
            if columns is not None:
                covered[name.split("/", 1)[1]] = list(columns)
    return covered


def is_news(table: Table, extra: Mapping[str, Any]) -> bool:
    """Whether *extra* says of readings what the table's last commit did not say.

    Then a snapshot is due though no row changed: those downstream wait for a platform to be read,
    or read with a column, and an empty one has no rows to tell them.
    """
    last = table.newest_record()
    known = last.extra if last else {}
    return any((known.get(name) or None) != (value or None) for name, value in extra.items())
