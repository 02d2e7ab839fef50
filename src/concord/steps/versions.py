"""Some rows of a table, version by version, out of its change data feed.

How far the feed reaches back is for vacuum and the log's retention to say: what they took is told,
not guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from concord.assets.rowhash import HASH
from concord.assets.table import Table

__all__ = ["History", "Version", "versions_of"]

_KIND, _COMMIT, _AT = "_change_type", "_commit_version", "_commit_timestamp"
_OLD = ("delete", "update_preimage")


@dataclass(frozen=True, slots=True)
class Version:
    """One row at one version.

    Attributes:
        change: ``new``, ``changed`` or ``removed``; ``kept`` for a row that is there now, and of
            which no version that can be read tells.
        row: as it is after the change; before it where it was removed.
        columns: what the change is of.
        run: of the commit; None where its log entry is gone.
    """

    dataset: str
    version: int
    at: datetime
    change: str
    row: Mapping[str, Any] = field(repr=False)
    columns: tuple[str, ...] = ()
    run: str | None = None


@dataclass(frozen=True, slots=True)
class History:
    """What is known of some rows of a table.

    Attributes:
        versions: oldest first.
        since: the first version that could be read; 0 when all of them could.
    """

    dataset: str
    versions: tuple[Version, ...]
    since: int


def versions_of(table: Table, where: Mapping[str, Collection[str]], *, most: int) -> History:
    """Every version of the rows of which a column holds one of the wanted ids.

    Args:
        where: column to ids; one that fits is enough.
        most: so many commits are looked at, the newest ones.
    """
    wanted = pl.any_horizontal(pl.col(name).is_in(list(ids)) for name, ids in where.items())
    earliest = max(0, table.version - most + 1)
    found = _read(table, wanted, earliest)
    if found is None:
        earliest = _reachable(table, wanted, earliest)
        found = _read(table, wanted, earliest)
    versions = tuple(_versions(table, found if found is not None else pl.DataFrame()))
    if earliest > 0:
        versions = (*_standing(table, wanted, versions), *versions)
    return History(table.dataset.name, versions, earliest)


def _read(table: Table, wanted: pl.Expr, after: int) -> pl.DataFrame | None:
    """The wanted rows of the feed; None when it does not reach back so far."""
    parts = []
    try:
        reader = table.delta.load_cdf(after, table.version, allow_out_of_range=True)
        for batch in reader:
            frame = pl.DataFrame(batch)
            parts.append(frame.filter(wanted) if frame.height else frame)
    except Exception:  # cleaned logs and vacuumed files raise four classes, some while streaming
        return None
    kept = [one for one in parts if one.height]
    return pl.concat(kept, how="diagonal") if kept else pl.DataFrame()


def _reachable(table: Table, wanted: pl.Expr, low: int) -> int:
    """The first version from which the feed can be read to the end; one too far when none."""
    high = table.version + 1
    while low < high:
        middle = (low + high) // 2
        if _read(table, wanted, middle) is None:
            low = middle + 1
        else:
            high = middle
    return low


def _standing(table: Table, wanted: pl.Expr, told: tuple[Version, ...]) -> Iterator[Version]:
    """Rows that changed before the first readable version, as they are now."""
    key = table.dataset.key
    known = [one.row[key] for one in told]
    rows = table.frame().filter(wanted, ~pl.col(key).is_in(known)).collect()
    at, run = _commit(table, table.version, None)
    for row in rows.to_dicts():
        columns = tuple(name for name in row if not name.startswith("_") and name != key)
        yield Version(table.dataset.name, table.version, at, "kept", row, columns, run)


def _versions(table: Table, events: pl.DataFrame) -> Iterator[Version]:
    if not events.height:
        return
    key = table.dataset.key
    before: dict[str, dict[str, Any]] = {}
    new_last = pl.col(_KIND).is_in(_OLD).not_()
    commits: dict[int, tuple[datetime, str | None]] = {}
    for event in events.sort(_COMMIT, new_last, maintain_order=True).to_dicts():
        kind, version = event.pop(_KIND), event.pop(_COMMIT)
        stamped = event.pop(_AT)
        if kind == "update_preimage":
            before[event[key]] = event
            continue
        if version not in commits:
            commits[version] = _commit(table, version, stamped)
        old = before.pop(event[key], {}) if kind == "update_postimage" else {}
        columns = tuple(
            name
            for name, value in event.items()
            if not name.startswith("_") and name not in (key, HASH) and value != old.get(name)
        )
        at, run = commits[version]
        change = {"insert": "new", "delete": "removed"}.get(kind, "changed")
        if change == "removed":
            columns = ()
        yield Version(table.dataset.name, version, at, change, event, columns, run)


def _commit(table: Table, version: int, stamped: Any) -> tuple[datetime, str | None]:
    record = table.record(version)
    if record is not None:
        return datetime.fromisoformat(record.at), record.run
    at = stamped if isinstance(stamped, datetime) else datetime.now(UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC), None
