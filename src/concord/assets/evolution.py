"""Tables made, and brought up to what is declared by adding columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from deltalake import CommitProperties, DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError

from concord.assets.commit import CommitRecord, RunId
from concord.assets.dataset import Dataset
from concord.assets.race import ATTEMPTS, attempts
from concord.assets.rowhash import HASH
from concord.assets.table import Lake, Table
from concord.errors import BreakingChange, LostRace

__all__ = ["Difference", "add_columns", "create_table", "schema_difference"]

_CONFIGURATION = {
    "delta.checkpointInterval": "10",
    # Writers would clean the log by age alone, and take versions that a reader starts from.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
    "delta.setTransactionRetentionDuration": "interval 90 days",
    "delta.targetFileSize": "67108864",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """What separates a table from its declaration.

    Attributes:
        added: columns to add.
        breaking: reasons why adding is not enough, one sentence each.
    """

    added: tuple[str, ...]
    breaking: tuple[str, ...]


def schema_difference(
    found: Mapping[str, pl.DataType], wanted: Mapping[str, pl.DataType]
) -> Difference:
    """Compare a table's columns with the declared ones; order does not count."""
    added = tuple(name for name in wanted if name not in found)
    breaking = [
        f"column {name} is in the table and no longer declared"
        for name in found
        if name not in wanted
    ]
    breaking += [
        f"column {name} is {found[name]} in the table and declared as {wanted[name]}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    return Difference(added, tuple(breaking))


def _delta_schema(schema: Mapping[str, pl.DataType], key: str | None) -> Schema:
    arrow = pl.DataFrame(schema=dict(schema)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    plain = Schema.from_arrow(arrow)
    return Schema([Field(one.name, one.type, nullable=one.name != key) for one in plain.fields])


def create_table(
    lake: Lake, dataset: Dataset, schema: Mapping[str, pl.DataType], *, run: RunId
) -> bool:
    """Make the dataset's table; false when it is there, or another deploy was first.

    Raises:
        BreakingChange: *schema* lacks the key, or the row hash of a dataset whose rows change.
    """
    needed = {dataset.key} if dataset.append_only else {dataset.key, HASH}
    if needed - set(schema):
        listed = ", ".join(sorted(needed - set(schema)))
        raise BreakingChange(f"{dataset.name}: the declared columns lack {listed}")
    if lake.find(dataset) is not None:
        return False
    configuration = {
        **_CONFIGURATION,
        "delta.enableChangeDataFeed": str(dataset.feed).lower(),
        "delta.dataSkippingStatsColumns": ",".join(n for n in dataset.stats if n in schema),
    }
    record = _schema_record(dataset, 0, None, run)
    try:
        DeltaTable.create(
            lake.uri(dataset.name),
            _delta_schema(schema, dataset.key),
            mode="error",
            configuration=configuration,
            storage_options=dict(lake.storage_options) or None,
            # Without it, racing creators make two tables in one place (notes on delta-rs 1.6.3).
            commit_properties=_properties(record),
        )
    except DeltaError:
        lake.open(dataset)
        return False
    return True


def add_columns(table: Table, columns: Mapping[str, pl.DataType], *, run: RunId) -> bool:
    """Add nullable columns; false when all of them are there already.

    Raises:
        BreakingChange: a column is there with another type, or lies inside another column.
        LostRace: other writers committed every time.
    """
    for _ in attempts():
        table.refresh()
        missing = _missing(table, columns)
        if not missing:
            return False
        record = _schema_record(table.dataset, table.version + 1, table, run)
        try:
            table.delta.alter.add_columns(
                list(_delta_schema(missing, None).fields), commit_properties=_properties(record)
            )
        except CommitFailedError:
            continue
        table.refresh()
        return True
    raise LostRace(table.dataset.name, ATTEMPTS)


def _missing(table: Table, columns: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    known = table.schema
    reasons = schema_difference(known, {**known, **columns}).breaking
    reasons += tuple(
        f"column {name} lies inside {name.split('.')[0]}; only whole columns can be added"
        for name in columns
        if name.split(".")[0] in known and name not in known
    )
    if reasons:
        raise BreakingChange(f"{table.dataset.name}: {'; '.join(reasons)}")
    return {name: kind for name, kind in columns.items() if name not in known}


def _schema_record(dataset: Dataset, version: int, table: Table | None, run: RunId) -> CommitRecord:
    last = table.newest_record() if table is not None else None
    return CommitRecord(
        kind="schema",
        dataset=dataset.name,
        version=version,
        snapshot=table.newest_snapshot() if table is not None else -1,
        run=run.id,
        job=run.job,
        ol_run=run.ol_run,
        writer="",
        at=datetime.now(UTC).isoformat(),
        inputs=last.settled_inputs() if last else (),
        contract=last.contract if last else dataset.contract,
        rows={"live": last.rows["live"]} if last and "live" in last.rows else {},
        extra=last.extra if last else {},
    )


def _properties(record: CommitRecord) -> CommitProperties:
    return CommitProperties(custom_metadata=record.to_metadata(), max_commit_retries=0)
