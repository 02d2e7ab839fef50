"""Publish: one Delta version is one snapshot, made by one function.

Rows, cursors and record are one commit, made only if the table is still at the version they were
computed from. Killed anywhere and run again, nothing is lost and nothing is done twice.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError

from concord.assets.commit import CommitRecord, Position, RunId, app_id
from concord.assets.decision import (
    Change,
    Draft,
    commit_due,
    live_rows,
    refuse_older_contract,
    weighed,
)
from concord.assets.merge import Write, as_source, real_changes, write_rows
from concord.assets.point import Point, around
from concord.assets.race import ATTEMPTS, attempts
from concord.assets.storage import refusal
from concord.assets.table import SNAPSHOT, Table
from concord.errors import LostRace, Overtaken, StepFailed, UsageError

__all__ = [
    "Change",
    "Outcome",
    "Published",
    "Work",
    "append",
    "committed",
    "cursors",
    "newest_snapshot",
    "publish",
]

Outcome = Literal["written", "already", "heartbeat", "unchanged"]


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
        Overtaken: an input was read at an older version than the table has weighed already.
        StaleContract: the last commit was made under a newer contract.
        SchemaDrift: the rows do not fit the table.
        NotWritten: the disk is full, or the storage refuses.
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
        for name, at in ends.items():
            if at.is_behind(found[name]):
                raise Overtaken(table.dataset.name, name)
        change = work(table, found) or Change()
        last = table.newest_record()
        refuse_older_contract(table, change, last)
        write = real_changes(table, change.upserts, change.deletes)
        kind = commit_due(table, change, write, last, moved=bool(moved))
        if kind is None:
            return _settled(table, run)
        record = Draft(table, run, writer, last).record(kind, change, write, weighed(ends, found))
        if committed(
            table, write, record, [*_transactions(record, moved), *_told(change.facts, record)]
        ):
            return _made(record)
    raise LostRace(table.dataset.name, ATTEMPTS)


def append(
    table: Table,
    rows: pl.DataFrame,
    *,
    run: RunId,
    marker: str,
    extra: Mapping[str, Any] | None = None,
    facts: Mapping[str, int | None] | None = None,
) -> Published:
    """Append *rows* once: a second call under the same marker finds them there.

    Args:
        table: of an append-only dataset.
        rows: the table's columns, in any order; no commit is made for none.
        marker: names this append; it expires after 90 days.
        facts: numbers that the same commit sets, None for its own version; `Table.cursor` tells
            the newest without a scan.

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
        record = Draft(table, run, writer, last).record("snapshot", change, write, ())
        # A marker of one run may expire; without `last_updated` it would be kept for ever.
        marked = Transaction(transaction, 1, int(time.time() * 1000))
        told = _told(facts or {}, record)
        if committed(table, write, record, [*_transactions(record, {}), marked, *told]):
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


def _transactions(record: CommitRecord, moved: Mapping[str, Position]) -> list[Transaction]:
    marks = [Transaction(app_id(name, at.table_id), at.version) for name, at in moved.items()]
    if record.kind == "snapshot":
        marks.append(Transaction(SNAPSHOT, record.version))
    return marks


def _told(facts: Mapping[str, int | None], record: CommitRecord) -> list[Transaction]:
    return [
        Transaction(app_id(name, None), record.version if value is None else value)
        for name, value in facts.items()
    ]


def committed(
    table: Table, write: Write | None, record: CommitRecord, transactions: list[Transaction]
) -> bool:
    """Whether the commit of *record* is there; false when another writer was first.

    A commit can land and still raise, when what follows it fails; only the log tells.
    """
    source = as_source(table, write)
    properties = CommitProperties(
        custom_metadata=record.to_metadata(), max_commit_retries=0, app_transactions=transactions
    )
    size = write.upserted + write.deleted if write else 0
    try:
        with around(table.at, Point("commit", record.dataset, record.kind, size)):
            write_rows(table, write, source, properties)
    except CommitFailedError:
        failure, refused = None, None
    except Exception as error:  # Arrow and the object stores raise bare exceptions
        failure = type(error).__name__
        refused = refusal(table.dataset.name, error)
    else:
        return True
    table.refresh()
    landed = table.record(record.version)
    if landed is not None and landed.writer == record.writer:
        return True
    if failure is None:
        return False
    raise refused or StepFailed(table.dataset.name, failure, "the commit", transient=True)


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
        rows=live_rows(table, table.newest_record()),
        upserted=record.rows.get("upserted", 0) if ours and record else 0,
        deleted=record.rows.get("deleted", 0) if ours and record else 0,
        record=record,
    )
