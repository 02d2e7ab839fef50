"""Publish: one Delta version is one snapshot, made by one function.

Effect, cursors and record are one commit. Killed anywhere, run again: nothing is lost, nothing is
done twice.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from deltalake import CommitProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from concord.assets.commit import CommitRecord, Input, Position, RunId
from concord.assets.dataset import ContractRef
from concord.assets.rowhash import row_hash
from concord.assets.table import WRITER, Table, to_delta
from concord.errors import LostRace, StepFailed

__all__ = ["HASH", "Change", "Published", "append", "newest_snapshot", "publish"]

HASH = "_row_hash"
_ATTEMPTS = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What a publish writes.

    Attributes:
        upserts: whole rows, one a key, without ``_row_hash``; rows equal to the table's are dropped.
        deletes: keys; those not there are dropped.
        rules: failed rules with counts.
        extra: goes into the record; an entry left out keeps its last value.
        force: make a snapshot even if no row changed.
    """

    upserts: pl.DataFrame | None = None
    deletes: pl.Series | None = None
    contract: ContractRef | None = None
    rules: Mapping[str, int] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    force: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publish.

    Attributes:
        version: the newest snapshot; -1 when there is none.
        outcome: ``written`` by this call; ``already`` by an earlier try of the same run;
            ``heartbeat`` when only cursors moved; ``unchanged`` when nothing was committed.
        rows: in the table now.
        record: of the newest commit that is ours.
    """

    dataset: str
    version: int
    outcome: str
    rows: int
    upserted: int = 0
    deleted: int = 0
    record: CommitRecord | None = None


@dataclass(frozen=True, slots=True)
class _Write:
    """Rows that really change, with their ``_op``."""

    source: pl.DataFrame
    upserted: int
    deleted: int


Work = Callable[[Table, Mapping[str, int]], Change | None]


def publish(table: Table, work: Work, *, upto: Mapping[str, Position], run: RunId) -> Published:
    """Bring the table up to *upto* in one commit.

    Args:
        table: an open handle; it is moved to the newest version first.
        work: computes the change from the table at one version and the cursors ({name: version},
            -1 for never); called again when another writer won. None is "nothing to say".
        upto: cursor name to how far it goes now. Empty: *work* is always asked.
        run: who is at work.

    Raises:
        LostRace: another writer won every time.
        StepFailed: the storage failed; by class, since its text may quote rows.
    """
    writer = uuid.uuid4().hex
    for attempt in range(_ATTEMPTS):
        table.refresh()
        last = table.newest_record()
        if last is not None and last.writer == writer:
            return _published(table, "written", last)
        cursors = {name: table.cursor(_app_id(name, at)) for name, at in upto.items()}
        moved = {name for name, at in upto.items() if _is_behind(cursors[name], at)}
        if upto and not moved:
            return _published(table, _unmoved(table, last, run), last)
        change = work(table, cursors)
        write = _real_changes(table, change)
        record = _record(table, change, write, last, cursors=cursors, upto=upto, run=run)
        if record is None and not moved:
            return _published(table, _unmoved(table, last, run), last)
        record = record or _heartbeat(table, change, last, cursors=cursors, upto=upto, run=run)
        if _committed(table, write, record, writer, upto):
            return _published(table, _outcome(record), record)
        time.sleep(min(5.0, 0.05 * 2**attempt) * random.random())
    table.refresh()
    last = table.newest_record()
    if last is not None and last.writer == writer:
        return _published(table, _outcome(last), last)
    raise LostRace(table.dataset.name, _ATTEMPTS)


def _outcome(record: CommitRecord) -> str:
    return "written" if record.kind == "snapshot" else "heartbeat"


def _app_id(name: str, at: Position) -> str:
    return f"concord:{at.table_id or name}"


def _is_behind(cursor: int, at: Position) -> bool:
    return cursor < at.version if at.table_id is not None else cursor != at.version


def _unmoved(table: Table, last: CommitRecord | None, run: RunId) -> str:
    """``already`` when the newest snapshot is this run's own, so that its event is sent again."""
    if last is None or last.snapshot < 0:
        return "unchanged"
    newest = last if last.kind == "snapshot" else table.record(last.snapshot)
    return "already" if newest is not None and newest.run == run.id else "unchanged"


def _published(table: Table, outcome: str, record: CommitRecord | None) -> Published:
    wrote = record is not None and outcome == "written"
    return Published(
        dataset=table.dataset.name,
        version=record.snapshot if record else -1,
        outcome=outcome,
        rows=table.count(),
        upserted=record.rows.get("upserted", 0) if record and wrote else 0,
        deleted=record.rows.get("deleted", 0) if record and wrote else 0,
        record=record,
    )


def _real_changes(table: Table, change: Change | None) -> _Write | None:
    """What of *change* differs from the table; None when nothing does."""
    if change is None:
        return None
    schema = table.schema
    key = table.dataset.key
    parts: list[pl.DataFrame] = []
    if change.upserts is not None and change.upserts.height:
        parts.append(_changed_rows(table, change.upserts, schema))
    upserted = sum(part.height for part in parts)
    deleted = 0
    if change.deletes is not None and len(change.deletes):
        gone = _present(table, change.deletes, key)
        deleted = gone.height
        if deleted:
            missing = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name != key]
            parts.append(gone.select(key, *missing).select(list(schema)).with_columns(_op=pl.lit("D")))
    if not upserted and not deleted:
        return None
    return _Write(pl.concat(parts), upserted, deleted)


def _changed_rows(
    table: Table, upserts: pl.DataFrame, schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    key, dataset = table.dataset.key, table.dataset
    rows = upserts
    if HASH in schema:
        hashed = {name: kind for name, kind in schema.items() if name != HASH}
        rows = rows.drop(HASH, strict=False)
        rows = rows.with_columns(row_hash(hashed, exclude=dataset.unhashed).alias(HASH))
        known = (
            table.frame(columns=[key, HASH])
            .join(rows.lazy().select(key), on=key, how="semi")
            .rename({HASH: "_known"})
            .collect()
        )
        rows = rows.join(known, on=key, how="left", maintain_order="left")
        rows = rows.filter(pl.col(HASH).ne_missing(pl.col("_known"))).drop("_known")
    return rows.select(list(schema)).with_columns(_op=pl.lit("U"))


def _present(table: Table, keys: pl.Series, key: str) -> pl.DataFrame:
    wanted = pl.LazyFrame({key: keys.unique()})
    return table.frame(columns=[key]).join(wanted, on=key, how="semi").collect()


def _inputs(
    table: Table, cursors: Mapping[str, int], upto: Mapping[str, Position]
) -> tuple[Input, ...]:
    feedback = set(table.dataset.feedback)
    return tuple(
        Input(name, at.table_id, cursors[name], at.version, name in feedback)
        for name, at in upto.items()
    )


def _record(
    table: Table,
    change: Change | None,
    write: _Write | None,
    last: CommitRecord | None,
    *,
    cursors: Mapping[str, int],
    upto: Mapping[str, Position],
    run: RunId,
) -> CommitRecord | None:
    """The record of a snapshot, or of a heartbeat that only `extra` asks for; None otherwise."""
    if change is None:
        return None
    known = dict(last.extra) if last else {}
    extra = {**known, **change.extra}
    snapshot = write is not None or change.force
    if not snapshot and extra == known:
        return None
    version = table.version + 1
    upserted, deleted = (write.upserted, write.deleted) if write else (0, 0)
    return CommitRecord(
        kind="snapshot" if snapshot else "heartbeat",
        dataset=table.dataset.name,
        version=version,
        snapshot=version if snapshot else (last.snapshot if last else -1),
        run=run.id,
        job=run.job,
        ol_run=run.ol_run,
        writer="",
        at=datetime.now(UTC).isoformat(),
        inputs=_inputs(table, cursors, upto),
        contract=change.contract or table.dataset.contract,
        rows={"upserted": upserted, "deleted": deleted},
        rules=dict(change.rules),
        extra=extra,
    )


def _heartbeat(
    table: Table,
    change: Change | None,
    last: CommitRecord | None,
    *,
    cursors: Mapping[str, int],
    upto: Mapping[str, Position],
    run: RunId,
) -> CommitRecord:
    return CommitRecord(
        kind="heartbeat",
        dataset=table.dataset.name,
        version=table.version + 1,
        snapshot=last.snapshot if last else -1,
        run=run.id,
        job=run.job,
        ol_run=run.ol_run,
        writer="",
        at=datetime.now(UTC).isoformat(),
        inputs=_inputs(table, cursors, upto),
        contract=table.dataset.contract,
        rules=dict(change.rules) if change else {},
        extra=last.extra if last else {},
    )


def _committed(
    table: Table,
    write: _Write | None,
    record: CommitRecord,
    writer: str,
    upto: Mapping[str, Position],
) -> bool:
    """Whether the commit is there; false when another writer was first."""
    from dataclasses import replace

    properties = CommitProperties(
        custom_metadata=replace(record, writer=writer).to_metadata(),
        max_commit_retries=0,
        app_transactions=[Transaction(_app_id(name, at), at.version) for name, at in upto.items()],
    )
    failure: str | None = None
    try:
        _write(table, write, properties)
    except CommitFailedError:
        return False
    except (DeltaError, OSError) as error:
        failure = type(error).__name__
    if failure is not None:
        table.refresh()
        found = table.record(record.version)
        if found is None or found.writer != writer:
            raise StepFailed(table.dataset.name, failure, "publish", transient=True)
    return True


def _write(table: Table, write: _Write | None, properties: CommitProperties) -> None:
    if write is None:
        empty = table.arrow_schema.empty_table()
        write_deltalake(table.delta, empty, mode="append", commit_properties=properties)
        return
    if table.dataset.append_only:
        rows = to_delta(write.source.drop("_op"), table)
        write_deltalake(
            table.delta,
            rows,
            mode="append",
            writer_properties=WRITER,
            commit_properties=properties,
        )
        return
    key = table.dataset.key
    merger = table.delta.merge(
        to_delta(write.source, table, op=True),
        f"t.{key} = s.{key}",
        source_alias="s",
        target_alias="t",
        writer_properties=WRITER,
        commit_properties=properties,
    )
    merger = merger.when_matched_delete(predicate="s._op = 'D'")
    merger = merger.when_matched_update_all(predicate="s._op = 'U'", except_cols=["_op"])
    merger = merger.when_not_matched_insert_all(predicate="s._op = 'U'", except_cols=["_op"])
    merger.execute()


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
        marker: names this append; it expires after 90 days.
    """
    writer = uuid.uuid4().hex
    app_id = f"marker:{marker}"
    for attempt in range(_ATTEMPTS):
        table.refresh()
        last = table.newest_record()
        if table.delta.transaction_version(app_id) is not None:
            return _published(table, "already", last)
        record = CommitRecord(
            kind="snapshot",
            dataset=table.dataset.name,
            version=table.version + 1,
            snapshot=table.version + 1,
            run=run.id,
            job=run.job,
            ol_run=run.ol_run,
            writer=writer,
            at=datetime.now(UTC).isoformat(),
            rows={"upserted": rows.height, "deleted": 0},
            extra=dict(extra or {}),
        )
        if _appended(table, rows, record, app_id):
            return _published(table, "written", record)
        time.sleep(min(5.0, 0.05 * 2**attempt) * random.random())
    raise LostRace(table.dataset.name, _ATTEMPTS)


def _appended(table: Table, rows: pl.DataFrame, record: CommitRecord, app_id: str) -> bool:
    properties = CommitProperties(
        custom_metadata=record.to_metadata(),
        max_commit_retries=0,
        app_transactions=[Transaction(app_id, 1, int(time.time() * 1000))],
    )
    failure: str | None = None
    try:
        write_deltalake(
            table.delta,
            to_delta(rows, table),
            mode="append",
            writer_properties=WRITER,
            commit_properties=properties,
        )
    except CommitFailedError:
        return False
    except (DeltaError, OSError) as error:
        failure = type(error).__name__
    if failure is not None:
        table.refresh()
        if table.delta.transaction_version(app_id) is None:
            raise StepFailed(table.dataset.name, failure, "append", transient=True)
    return True


def newest_snapshot(table: Table, at_most: int | None = None) -> int:
    """Version of the newest snapshot at or below a version; -1 when there is none."""
    record = table.newest_record(at_most)
    return record.snapshot if record else -1
