"""Publish: one Delta version is one snapshot, made by one function.

Rows, cursors and record are one commit, made only if the table is still at the version they were
computed from. Killed anywhere and run again, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl
from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError
from packaging.version import Version

from concord.assets.commit import CommitRecord, Input, Position, RunId, app_id
from concord.assets.dataset import ContractRef
from concord.assets.merge import Write, as_source, real_changes, write_rows
from concord.assets.race import ATTEMPTS, attempts
from concord.assets.table import SNAPSHOT, Table
from concord.errors import LostRace, StaleContract, StepFailed, UsageError

__all__ = [
    "Change",
    "Outcome",
    "Published",
    "Work",
    "append",
    "cursors",
    "newest_snapshot",
    "publish",
]

Outcome = Literal["written", "already", "heartbeat", "unchanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """What a publish writes.

    Attributes:
        upserts: whole rows, one a key, without ``_row_hash``; rows equal to the table's are dropped.
        deletes: keys; those not there are dropped.
        contract: the one that judged the rows; the dataset's own when None.
        rules: failed rules with counts.
        extra: goes into the record; an entry left out keeps its last value.
        definitions: name to hash of what the rows were made by.
        force: make a snapshot even if no row changed.
    """

    upserts: pl.DataFrame | None = None
    deletes: pl.Series | None = None
    contract: ContractRef | None = None
    rules: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publish.

    Attributes:
        version: the newest snapshot; -1 when there is none.
        outcome: ``written`` by this call; ``already`` by an earlier try of the same run, whose
            event may be missing; ``heartbeat`` when only cursors moved; ``unchanged`` when nothing
            was committed.
        rows: in the table now.
        upserted: rows that the run's snapshot wrote; 0 without one.
        deleted: rows that it deleted.
        record: of the run's commit; of the newest commit that is ours when it made none.
    """

    dataset: str
    version: int
    outcome: Outcome
    rows: int
    upserted: int = 0
    deleted: int = 0
    record: CommitRecord | None = None


Work = Callable[[Table, Mapping[str, int]], Change | None]


def publish(
    table: Table, work: Work, *, upto: Mapping[str, Position | int], run: RunId
) -> Published:
    """Bring the table up to *upto* in at most one commit.

    A cursor is behind when a later snapshot of its input is there (`Table.position`), or when its
    fingerprint differs. When none is, *work* is not asked. Rows that differ make a snapshot; so
    does a contract of a higher minor or major version. Cursors that move without rows are carried
    by an empty commit, a heartbeat, which is no snapshot.

    Args:
        table: an open handle; it is moved to the newest version first.
        work: computes the change from the table at one version and the cursors ({name: value},
            -1 for never); called again when another writer won. None is "nothing to say".
        upto: cursor name to how far it goes now: an input's position, or a fingerprint as a plain
            number. Empty: *work* is always asked.
        run: who is at work.

    Raises:
        LostRace: another writer won every time.
        StaleContract: the last commit was made under a newer contract.
        SchemaDrift: the rows do not fit the table.
        StepFailed: the storage failed; by class, since its text may quote rows.
    """
    ends = {n: at if isinstance(at, Position) else Position(at) for n, at in upto.items()}
    writer = uuid.uuid4().hex
    for _ in attempts():
        table.refresh()
        found = {name: table.cursor(name, at.table_id) for name, at in ends.items()}
        moved = {name: at for name, at in ends.items() if at.is_ahead_of(found[name])}
        if ends and not moved:
            return _settled(table, run)
        change = work(table, found) or Change()
        last = table.newest_record()
        _refuse_older_contract(table, change, last)
        write = real_changes(table, change.upserts, change.deletes)
        kind = _kind(table, change, write, last, moved=bool(moved))
        if kind is None:
            return _settled(table, run)
        record = _Draft(table, run, writer, last).record(kind, change, write, _inputs(ends, found))
        if _committed(table, write, record, _transactions(record, moved)):
            return _made(record)
    raise LostRace(table.dataset.name, ATTEMPTS)


def append(
    table: Table,
    rows: pl.DataFrame,
    *,
    run: RunId,
    marker: str,
    extra: Mapping[str, Any] | None = None,
) -> Published:
    """Append *rows* once: a second call under the same marker finds them there.

    Args:
        table: of an append-only dataset.
        rows: the table's columns, in any order; no commit is made for none.
        marker: names this append; it expires after 90 days.

    Raises:
        LostRace, SchemaDrift, StepFailed: as `publish`.
    """
    if not table.dataset.append_only:
        raise UsageError(f"{table.dataset.name} is not append-only; publish() writes it")
    writer, transaction = uuid.uuid4().hex, f"marker:{marker}"
    change = Change(upserts=rows, extra=extra or {})
    for _ in attempts():
        table.refresh()
        if table.has_marker(transaction):
            return _standing(table, "already", table.newest_record())
        write = real_changes(table, rows, None)
        if write is None:
            return _standing(table, "unchanged", table.newest_record())
        last = table.newest_record()
        record = _Draft(table, run, writer, last).record("snapshot", change, write, ())
        # A marker of one run may expire; without `last_updated` it would be kept for ever.
        marked = Transaction(transaction, 1, int(time.time() * 1000))
        if _committed(table, write, record, [*_transactions(record, {}), marked]):
            return _made(record)
    raise LostRace(table.dataset.name, ATTEMPTS)


def cursors(table: Table) -> Mapping[str, int]:
    """How far the table has weighed each of its inputs, by name; those never weighed are left out.

    Fingerprints stand beside versions.
    """
    last = table.newest_record()
    inputs = last.inputs if last else ()
    return {one.dataset: table.cursor(one.dataset, one.table_id) for one in inputs}


def newest_snapshot(table: Table, at_most: int | None = None) -> int:
    """Version of the newest snapshot at or below a version; -1 when there is none."""
    return table.newest_snapshot(at_most)


def _kind(
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


def _refuse_older_contract(table: Table, change: Change, last: CommitRecord | None) -> None:
    ours = change.contract or table.dataset.contract
    if ours is None or last is None or last.contract is None or ours.id != last.contract.id:
        return
    if Version(ours.version) < Version(last.contract.version):
        raise StaleContract(table.dataset.name, ours.version, last.contract.version)


def _inputs(ends: Mapping[str, Position], found: Mapping[str, int]) -> tuple[Input, ...]:
    """The range of every cursor; one that is not ahead ends where it is."""
    return tuple(
        Input(name, at.table_id, found[name], _end(at, found[name])) for name, at in ends.items()
    )


def _end(at: Position, cursor: int) -> int:
    return at.version if at.is_ahead_of(cursor) else cursor


@dataclass(frozen=True, slots=True)
class _Draft:
    """What a record says whoever writes it: the table, the run, and the record before it."""

    table: Table
    run: RunId
    writer: str
    last: CommitRecord | None

    def record(
        self, kind: str, change: Change, write: Write | None, inputs: tuple[Input, ...]
    ) -> CommitRecord:
        table, run, last = self.table, self.run, self.last
        version = table.version + 1
        rows = _live(table, last) + (write.inserted - write.deleted if write else 0)
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


def _live(table: Table, last: CommitRecord | None) -> int:
    if last is not None and last.version == table.version and "live" in last.rows:
        return last.rows["live"]
    return table.count()


def _transactions(record: CommitRecord, moved: Mapping[str, Position]) -> list[Transaction]:
    marks = [Transaction(app_id(name, at.table_id), at.version) for name, at in moved.items()]
    if record.kind == "snapshot":
        marks.append(Transaction(SNAPSHOT, record.version))
    return marks


def _committed(
    table: Table, write: Write | None, record: CommitRecord, transactions: list[Transaction]
) -> bool:
    """Whether the commit is there; false when another writer was first.

    A commit can land and still raise, when what follows it fails; only the log tells.
    """
    source = as_source(table, write)
    properties = CommitProperties(
        custom_metadata=record.to_metadata(), max_commit_retries=0, app_transactions=transactions
    )
    try:
        write_rows(table, write, source, properties)
    except CommitFailedError:
        failure = None
    except Exception as error:  # Arrow and the object stores raise bare exceptions
        failure = type(error).__name__
    else:
        return True
    table.refresh()
    landed = table.record(record.version)
    if landed is not None and landed.writer == record.writer:
        return True
    if failure is None:
        return False
    raise StepFailed(table.dataset.name, failure, "the commit", transient=True)


def _made(record: CommitRecord) -> Published:
    outcome: Outcome = "written" if record.kind == "snapshot" else "heartbeat"
    rows = record.rows
    return Published(
        record.dataset,
        record.snapshot,
        outcome,
        rows["live"],
        rows["upserted"],
        rows["deleted"],
        record,
    )


def _settled(table: Table, run: RunId) -> Published:
    """Nothing to commit: ``already`` when the newest snapshot is this run's own."""
    newest = table.newest_snapshot()
    snapshot = table.record(newest) if newest >= 0 else None
    if snapshot is not None and (snapshot.run, snapshot.job) == (run.id, run.job):
        return _standing(table, "already", snapshot)
    return _standing(table, "unchanged", table.newest_record())


def _standing(table: Table, outcome: Outcome, record: CommitRecord | None) -> Published:
    ours = outcome == "already" and record is not None
    return Published(
        dataset=table.dataset.name,
        version=table.newest_snapshot(),
        outcome=outcome,
        rows=_live(table, table.newest_record()),
        upserted=record.rows.get("upserted", 0) if ours and record else 0,
        deleted=record.rows.get("deleted", 0) if ours and record else 0,
        record=record,
    )
