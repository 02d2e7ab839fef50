"""A dataset's versions as its own commits tell them, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from concord.assets.changes import CHANGE, changes, images
from concord.assets.commit import CommitRecord, Input
from concord.assets.table import Table
from concord.contracts.document import Contract
from concord.errors import UsageError
from concord.steps.masking import masked

__all__ = ["Differences", "differences", "history", "snapshots_after"]


def history(table: Table, *, last: int, every: bool = False) -> list[dict[str, Any]]:
    """Snapshots, newest first, as far back as the log reaches.

    Each counts in ``folded`` the commits after it that changed no row: heartbeats, new columns,
    maintenance.

    Args:
        last: at most so many entries.
        every: those commits are entries, too.
    """
    found: list[dict[str, Any]] = []
    folded = 0
    for record in _records(table):
        if record.kind != "snapshot" and not every:
            folded += 1
            continue
        found.append({**_entry(record), "folded": folded})
        folded = 0
        if len(found) == last:
            break
    return found


def snapshots_after(table: Table, cursor: int) -> int:
    """How many snapshots came after a version, as far as the log still tells."""
    count = 0
    for record in _records(table):
        if record.version <= cursor:
            break
        count += record.kind == "snapshot"
    return count


def _records(table: Table) -> Iterator[CommitRecord]:
    """Our commits, newest first."""
    record = table.newest_record()
    while record is not None:
        yield record
        record = table.newest_record(record.version - 1) if record.version > 0 else None


def _entry(record: CommitRecord) -> dict[str, Any]:
    contract = record.contract
    return {
        "version": record.version,
        "kind": record.kind,
        "at": record.at,
        "job": record.job,
        "run": record.run,
        "rows": record.rows.get("live"),
        "upserted": record.rows.get("upserted", 0),
        "deleted": record.rows.get("deleted", 0),
        "contract": contract.version if contract else None,
        "inputs": [_moved(one) for one in record.inputs if one.after != one.upto],
        "rules": dict(record.rules),
    }


def _moved(one: Input) -> str:
    """``clean/crm 3..5``: read after version 3 up to 5; of a fingerprint only its name."""
    return f"{one.dataset} {one.after}..{one.upto}" if one.table_id else one.dataset


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two versions, net.

    Attributes:
        rows: the first of them: key, ``change`` (``new``, ``changed``, ``removed``) and
            ``columns``: name to masked value before and after.
    """

    dataset: str
    after: int
    upto: int
    new: int
    changed: int
    removed: int
    rows: tuple[dict[str, Any], ...] = field(default=(), repr=False)


def differences(
    table: Table, after: int, upto: int, *, contract: Contract | None, rows: int
) -> Differences:
    """Compare two versions.

    Args:
        contract: whose classification masks the values.
        rows: so many are shown.

    Raises:
        UsageError: there are no such versions, or the earlier one is no longer kept.
    """
    name, key = table.dataset.name, table.dataset.key
    if not 0 <= after < upto <= table.version:
        raise UsageError(
            f"{name}: name two versions from 0 to {table.version}, the earlier one first; "
            f"`concord dataset history {name}` lists them"
        )
    moved = changes(table, after, upto).sort(CHANGE, key)
    before = images(table, after, keys=moved[key])
    if before is None:
        raise UsageError(
            f"{name}: version {after} is no longer kept, vacuum took its files; name a later one"
        )
    known = pl.col(key).is_in(before[key].implode())
    gone = pl.col(CHANGE) == "delete"
    counts = moved.select(
        new=(~gone & ~known).sum(), changed=(~gone & known).sum(), removed=gone.sum()
    ).row(0, named=True)
    shown = moved.head(rows)
    return Differences(
        name, after, upto, **counts, rows=tuple(_shown(shown, before, key, contract))
    )


def _shown(
    moved: pl.DataFrame, before: pl.DataFrame, key: str, contract: Contract | None
) -> Iterator[dict[str, Any]]:
    plain = [name for name in before.columns if not name.startswith("_") and name != key]
    known = {row[key]: row for row in before.to_dicts()}
    old = before.join(moved.select(key), on=key, how="semi").select(key, *plain)
    masks = dict(zip(old[key], masked(old, contract), strict=True))
    for row, shown in zip(
        moved.to_dicts(), masked(moved.select(key, *plain), contract), strict=True
    ):
        was = known.get(row[key], {})
        gone = row[CHANGE] == "delete"
        columns = {
            name: {"before": masks.get(row[key], {}).get(name), "after": shown[name]}
            for name in plain
            if was.get(name) != row[name]
        }
        change = "removed" if gone else "changed" if was else "new"
        yield {key: shown[key], "change": change, "columns": columns}
