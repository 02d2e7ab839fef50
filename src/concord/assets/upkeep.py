"""Keep a table small: old versions, files that no version has, the log, rows that have expired.

Nothing that a reader starts from goes: neither its version nor, where rows went since, its files.
What is done is safe beside writers and may end anywhere; the next time makes it good.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from concord.assets.commit import CommitRecord, RunId
from concord.assets.decision import Change, Draft
from concord.assets.merge import Write
from concord.assets.point import Point, around
from concord.assets.race import ATTEMPTS, attempts
from concord.assets.snapshot import committed
from concord.assets.storage import refusal
from concord.assets.table import Table
from concord.errors import ConcordError, LostRace, StepFailed

__all__ = ["Freed", "expire", "floor_of", "keep_since", "upkeep"]

_LOG = "_delta_log"
_WORTH_IT = 10  # versions below the floor that are worth a checkpoint there


@dataclass(frozen=True, slots=True)
class Freed:
    """What was freed, or would be.

    Attributes:
        files: data files, of old versions and of none.
        size: their bytes.
        rows: that had expired.
        log_files: of the table's log.
        held_by: the reader for whose sake more than the retention is kept.
    """

    dataset: str
    files: int = 0
    size: int = 0
    rows: int = 0
    log_files: int = 0
    held_by: str | None = None

    @property
    def anything(self) -> bool:
        """Whether anything was freed."""
        return bool(self.files or self.rows or self.log_files)


def floor_of(cursors: Iterable[int], newest: int) -> int:
    """The oldest version that must stay readable: a reader that is up to date starts there too.

    Args:
        cursors: of every reader; -1 for one that reads everything anyway.
        newest: the newest snapshot.
    """
    return min([one for one in cursors if one >= 0] + [newest])


def keep_since(now: datetime, retention: timedelta, needed_at: datetime | None) -> datetime:
    """Files that went out of use since are kept.

    Args:
        needed_at: when the oldest version was made of which a reader still needs files that the
            newest version does not have; None when there is none.
    """
    by_age = now - retention
    return by_age if needed_at is None else min(by_age, needed_at)


def upkeep(
    table: Table,
    readers: Mapping[str, int],
    *,
    retention: timedelta,
    now: datetime,
    run: RunId,
    dry_run: bool = False,
) -> Freed:
    """Vacuum at the retention, then checkpoint and clean the log.

    Args:
        readers: name to cursor on this table.

    Raises:
        LostRace: other writers committed every time.
        NotWritten: the storage refuses.
        StepFailed: the storage failed.
    """
    if not dry_run:
        _set_properties(table, retention, run)
    table.refresh()
    needed = _needed(table, readers)
    since = keep_since(now, retention, min(needed.values(), default=None))
    # Rounded up: a file that is as old as the limit stays.
    hours = int((now - since) / timedelta(hours=1)) + 1
    held_by = min(needed, key=lambda one: needed[one]) if since < now - retention else None
    versions = sorted({readers[one] for one in needed})
    sizes = _sizes(table, _vacuum(table, hours, versions, dry_run=True))
    freed = Freed(table.dataset.name, len(sizes), sum(sizes), held_by=held_by)
    if dry_run:
        return freed
    if sizes:
        _vacuum(table, hours, versions, dry_run=False)
    _ensure_record(table, run)
    return replace(freed, log_files=_clean_log(table, readers, now - retention))


def _needed(table: Table, readers: Mapping[str, int]) -> dict[str, datetime]:
    """Readers that start from a version with files that the newest does not have, and its time."""
    here = set(table.files())
    found = {}
    for reader, version in readers.items():
        if not 0 <= version < table.version:
            continue
        record = table.record(version)
        if record is not None and not _files(table, version) <= here:
            found[reader] = datetime.fromisoformat(record.at)
    return found


def _files(table: Table, version: int) -> set[str]:
    try:
        return set(table.files(version))
    except DeltaError:  # no longer kept: nothing to hold on to
        return set()


def _set_properties(table: Table, retention: timedelta, run: RunId) -> None:
    """Let the table itself keep to the declared retention, whoever writes to it."""
    days = f"interval {retention.days} days"
    wanted = {
        "delta.logRetentionDuration": days,
        "delta.deletedFileRetentionDuration": days,
        "delta.enableExpiredLogCleanup": "false",
    }
    for _ in attempts():
        table.refresh()
        known = table.delta.metadata().configuration
        differing = {name: value for name, value in wanted.items() if known.get(name) != value}
        if not differing:
            return
        properties = CommitProperties(
            custom_metadata=_record(table, run).to_metadata(), max_commit_retries=0
        )
        try:
            with around(table.at, _point(table, "maintenance")):
                table.delta.alter.set_table_properties(differing, commit_properties=properties)
        except CommitFailedError:
            continue
        return
    raise LostRace(table.dataset.name, ATTEMPTS)


def _vacuum(table: Table, hours: int, versions: list[int], *, dry_run: bool) -> list[str]:
    """Delta's own vacuum, also of files that no version has; its two commits carry no record.

    It does not compare and swap: a record could be older than the commit before it.

    Args:
        hours: files that are younger stay.
        versions: whose files stay whatever their age: once a checkpoint has left a tombstone out,
            a file of an older version looks like one that no version ever had.
    """
    failure: ConcordError | None = None
    vacuum = partial(
        table.delta.vacuum,
        hours,
        full=True,
        enforce_retention_duration=False,
        keep_versions=versions or None,
    )
    try:
        if dry_run:
            return vacuum(dry_run=True)
        with around(table.at, _point(table, "vacuum")):
            return vacuum(dry_run=False)
    except (DeltaError, OSError) as error:
        failure = refusal(table.dataset.name, error) or StepFailed(
            table.dataset.name, type(error).__name__, "the vacuum", transient=True
        )
    raise failure


def _sizes(table: Table, files: list[str]) -> list[int]:
    """Bytes of those files that are there: delta-rs names again what it removed before."""
    found = _store(table).get_file_info([unquote(one) for one in files])
    return [one.size or 0 for one in found if one.type == FileType.File]


def _store(table: Table) -> PyFileSystem:
    return PyFileSystem(DeltaStorageHandler(table.uri, dict(table.options) or None))


def _ensure_record(table: Table, run: RunId) -> None:
    """See that the head carries a record of ours: below it the log may go."""
    for _ in attempts():
        table.refresh()
        if table.record(table.version) is not None:
            return
        if committed(table, None, _record(table, run), []):
            return
    raise LostRace(table.dataset.name, ATTEMPTS)


def _record(table: Table, run: RunId) -> CommitRecord:
    draft = Draft(table, run, uuid.uuid4().hex, table.newest_record())
    return draft.record("maintenance", Change(), None, ())


def _clean_log(table: Table, readers: Mapping[str, int], since: datetime) -> int:
    """Remove what is older than *since* and below the floor; the floor stays readable."""
    table.refresh()
    before = _log(table)
    floor = floor_of(readers.values(), max(table.newest_snapshot(), 0))
    oldest = min((int(name[:20]) for name in before if name.endswith(".json")), default=floor)
    first = table.record(oldest)
    old = first is None or datetime.fromisoformat(first.at) < since
    if floor - oldest < _WORTH_IT or not old:
        return 0
    with around(table.at, _point(table, "log", floor - oldest)):
        try:
            there = table.opened(floor)
            there.create_checkpoint()
            there.cleanup_metadata()
        except (DeltaError, OSError):
            return 0  # the floor itself is gone: whoever starts there reads everything
        table.delta.create_checkpoint()
    return len(set(before) - set(_log(table)))


def _log(table: Table) -> list[str]:
    found = _store(table).get_file_info(FileSelector(_LOG))
    names = (one.base_name for one in found if one.type == FileType.File)
    return sorted(name for name in names if name[:20].isdigit())


def _point(table: Table, what: str, size: int = 0) -> Point:
    return Point("commit", table.dataset.name, what, size)


def expire(table: Table, expired: Callable[[Table], pl.Series], *, run: RunId) -> int:
    """Delete rows of an append-only dataset that nobody needs any more; returns how many.

    It is no snapshot: who has read the rows is not behind, and sees no change.

    Args:
        expired: keys of the rows to delete, from the table at one version.

    Raises:
        LostRace: other writers committed every time.
    """
    for _ in attempts():
        table.refresh()
        keys = expired(table).unique()
        if not len(keys):
            return 0
        key = table.dataset.key
        missing = [pl.lit(None, kind).alias(n) for n, kind in table.schema.items() if n != key]
        rows = keys.to_frame(key).with_columns(missing).select(list(table.schema))
        write = Write(rows.with_columns(_op=pl.lit("D")), 0, 0, rows.height)
        draft = Draft(table, run, uuid.uuid4().hex, table.newest_record())
        record = draft.record("maintenance", Change(), write, ())
        if committed(table, write, record, []):
            return rows.height
    raise LostRace(table.dataset.name, ATTEMPTS)
