"""What commit is due for a change, and the record it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from packaging.version import Version

from concord.assets.commit import CommitRecord, Input, Position, RunId
from concord.assets.dataset import ContractRef
from concord.assets.merge import Write
from concord.assets.table import Table
from concord.errors import StaleContract

__all__ = ["Change", "Draft", "commit_due", "live_rows", "refuse_older_contract", "weighed"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a publish writes.

    Attributes:
        upserts: whole rows, one a key; ``_row_hash`` is made here, rows equal to the table's are
            dropped.
        deletes: keys; those not there are dropped.
        contract: the one that judged the rows; the dataset's own when None.
        rules: failed rules with counts.
        extra: goes into the record; an entry left out keeps its last value.
        definitions: name to hash of what the rows were made by.
        force: make a snapshot even if no row changed.
        facts: numbers that the same commit sets; `Table.cursor` tells the newest without a scan.
    """

    upserts: pl.DataFrame | None = None
    deletes: pl.Series | None = None
    contract: ContractRef | None = None
    rules: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    force: bool = False
    facts: Mapping[str, int] = field(default_factory=dict)


def commit_due(
    table: Table, change: Change, write: Write | None, last: CommitRecord | None, *, moved: bool
) -> str | None:
    """What commit is due: ``snapshot``, ``heartbeat``, or None."""
    if write is not None or change.force or _contract_rose(table, change, last):
        return "snapshot"
    known = last.extra if last else {}
    said = any(known.get(name, _NEVER) != value for name, value in change.extra.items())
    return "heartbeat" if moved or said else None


_NEVER = object()


def _contract_rose(table: Table, change: Change, last: CommitRecord | None) -> bool:
    ours = change.contract or table.dataset.contract
    if ours is None or last is None or last.contract is None or last.snapshot < 0:
        return False
    return Version(ours.version).release[:2] > Version(last.contract.version).release[:2]


def refuse_older_contract(table: Table, change: Change, last: CommitRecord | None) -> None:
    """Keep a process with an old project from undoing what a newer one published.

    Raises:
        StaleContract: the last commit was made under a newer version of the same contract.
    """
    ours = change.contract or table.dataset.contract
    if ours is None or last is None or last.contract is None or ours.id != last.contract.id:
        return
    if Version(ours.version) < Version(last.contract.version):
        raise StaleContract(table.dataset.name, ours.version, last.contract.version)


def weighed(ends: Mapping[str, Position], found: Mapping[str, int]) -> tuple[Input, ...]:
    """The range of every cursor; one that is not ahead ends where it is."""
    return tuple(
        Input(name, at.table_id, found[name], _end(at, found[name])) for name, at in ends.items()
    )


def _end(at: Position, cursor: int) -> int:
    return at.version if at.is_ahead_of(cursor) else cursor


@dataclass(frozen=True, slots=True)
class Draft:
    """What a record says whoever writes it: the table, the run, and the record before it."""

    table: Table
    run: RunId
    writer: str
    last: CommitRecord | None

    def record(
        self, kind: str, change: Change, write: Write | None, inputs: tuple[Input, ...]
    ) -> CommitRecord:
        """The record of the commit after the handle's version.

        Args:
            inputs: ranges of the cursors that this commit weighs.
        """
        table, run, last = self.table, self.run, self.last
        version = table.version + 1
        rows = live_rows(table, last) + (write.inserted - write.deleted if write else 0)
        return CommitRecord(
            kind=kind,
            dataset=table.dataset.name,
            version=version,
            snapshot=version if kind == "snapshot" else table.newest_snapshot(),
            run=run.id,
            job=run.job,
            ol_run=run.ol_run,
            writer=self.writer,
            at=datetime.now(UTC).isoformat(),
            inputs=self._all_inputs(inputs),
            contract=change.contract or table.dataset.contract or (last.contract if last else None),
            definitions=dict(change.definitions),
            rows={
                "live": rows,
                "upserted": write.upserted if write else 0,
                "deleted": write.deleted if write else 0,
            },
            rules=dict(change.rules),
            extra={**(last.extra if last else {}), **change.extra},
        )

    def _all_inputs(self, weighed: tuple[Input, ...]) -> tuple[Input, ...]:
        """Those of this commit, and the cursors that another job of the same table keeps."""
        dataset = self.table.dataset
        named = {one.dataset for one in weighed}
        kept = [
            one
            for one in (self.last.settled_inputs() if self.last else ())
            if one.dataset not in named and one.dataset in (*dataset.inputs, *dataset.feedback)
        ]
        return tuple(
            Input(one.dataset, one.table_id, one.after, one.upto, one.dataset in dataset.feedback)
            for one in (*weighed, *kept)
        )


def live_rows(table: Table, last: CommitRecord | None) -> int:
    """Rows at the handle's version: as the head's record says, counted if it is not ours."""
    if last is not None and last.version == table.version and "live" in last.rows:
        return last.rows["live"]
    return table.count()
