"""A dataset's Delta table: made, opened, read, and the one way frames get into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from concord.assets.commit import CommitRecord, RunId
from concord.assets.dataset import Dataset
from concord.errors import BreakingChange, LostRace, NotDeployed, SchemaDrift

__all__ = [
    "WRITER",
    "Difference",
    "Lake",
    "Table",
    "add_columns",
    "create_table",
    "schema_difference",
    "to_delta",
]

WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=65536)
_CONFIGURATION = {
    "delta.checkpointInterval": "10",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
    "delta.setTransactionRetentionDuration": "interval 90 days",
    "delta.targetFileSize": "67108864",
}


@dataclass(frozen=True, slots=True)
class Lake:
    """Where every table lives.

    Attributes:
        root: an absolute folder, or ``s3://…``.
        storage_options: of the object store; secrets, never shown.
    """

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def uri(self, name: str) -> str:
        """Where the dataset *name* is."""
        return f"{self.root.rstrip('/')}/{name}"

    def open(self, dataset: Dataset) -> Table:
        """The dataset's table at its newest version.

        Raises:
            NotDeployed: there is no such table.
        """
        uri = self.uri(dataset.name)
        try:
            delta = DeltaTable(uri, storage_options=dict(self.storage_options) or None)
        except TableNotFoundError:
            raise NotDeployed(
                f"{dataset.name}: there is no table yet; run `concord deploy`"
            ) from None
        return Table(dataset, uri, delta, self.storage_options)


class Table:
    """One handle on a Delta table; it stays at its version until `refresh`."""

    def __init__(
        self, dataset: Dataset, uri: str, delta: DeltaTable, storage_options: Mapping[str, str]
    ) -> None:
        self.dataset = dataset
        self.uri = uri
        self.delta = delta
        self._options = dict(storage_options)

    @property
    def id(self) -> str:
        """The Delta table's own id."""
        return str(self.delta.metadata().id)

    @property
    def version(self) -> int:
        """The version of this handle."""
        return int(self.delta.version())

    @property
    def arrow_schema(self) -> pa.Schema:
        """Arrow types as the table keeps them."""
        return pa.schema(self.delta.schema().to_arrow())

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Name and Polars type of every column."""
        empty = pl.from_arrow(self.arrow_schema.empty_table())
        assert isinstance(empty, pl.DataFrame)
        return dict(empty.schema)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.schema)

    def refresh(self) -> None:
        """Move the handle to the newest version."""
        self.delta.update_incremental()

    def frame(
        self, version: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.LazyFrame:
        """The rows at *version* (the handle's when None), lazily."""
        delta = self.delta
        if version is not None and version != self.version:
            delta = DeltaTable(self.uri, version=version, storage_options=self._options or None)
        frame = self._scan(delta)
        return frame.select(columns) if columns is not None else frame

    def _scan(self, delta: DeltaTable) -> pl.LazyFrame:
        schema = self.schema
        if "://" in self.uri:
            return pl.scan_delta(delta)
        files = [unquote(file) for file in delta.file_uris()]
        if not files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            files,
            schema=schema,
            glob=False,
            missing_columns="insert",
            extra_columns="ignore",
            hive_partitioning=False,
        )

    def count(self) -> int:
        """Rows at the handle's version."""
        return int(self.frame().select(pl.len()).collect().item())

    def record(self, version: int) -> CommitRecord | None:
        """The record of one commit; None when it is not ours or its log entry is gone."""
        for line in self._log(version).splitlines():
            entry: dict[str, Any] = orjson.loads(line)
            if "commitInfo" in entry:
                return CommitRecord.from_metadata(entry["commitInfo"])
        return None

    def newest_record(self, at_most: int | None = None) -> CommitRecord | None:
        """The newest record of ours at or below a version."""
        version = self.version if at_most is None else min(at_most, self.version)
        while version >= 0:
            found = self.record(version)
            if found is not None:
                return found
            version -= 1
        return None

    def cursor(self, app_id: str) -> int:
        """How far this table has weighed an input; -1 when it never did."""
        found = self.delta.transaction_version(app_id)
        return -1 if found is None else int(found)

    def _log(self, version: int) -> bytes:
        handler = DeltaStorageHandler(self.uri, self._options or None)
        try:
            with handler.open_input_file(f"_delta_log/{version:020d}.json") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return b""


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
        f"column {name} is in the table and no longer declared" for name in found if name not in wanted
    ]
    breaking += [
        f"column {name} is {found[name]} in the table and declared as {wanted[name]}"
        for name in wanted
        if name in found and found[name] != wanted[name]
    ]
    return Difference(added, tuple(breaking))


def _delta_schema(schema: Mapping[str, pl.DataType], key: str) -> Schema:
    arrow = pl.DataFrame(schema=dict(schema)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    plain = Schema.from_arrow(arrow)
    return Schema(
        [Field(one.name, one.type, nullable=one.name != key) for one in plain.fields]
    )


def create_table(
    lake: Lake, dataset: Dataset, schema: Mapping[str, pl.DataType], *, run: RunId
) -> bool:
    """Make the dataset's table; false when another deploy made it first."""
    from datetime import UTC, datetime

    configuration = {
        **_CONFIGURATION,
        "delta.enableChangeDataFeed": str(dataset.feed).lower(),
        "delta.dataSkippingStatsColumns": ",".join(
            name for name in (dataset.stats or (dataset.key,)) if name in schema
        ),
    }
    record = CommitRecord(
        kind="schema",
        dataset=dataset.name,
        version=0,
        snapshot=-1,
        run=run.id,
        job=run.job,
        ol_run=run.ol_run,
        writer="deploy",
        at=datetime.now(UTC).isoformat(),
        contract=dataset.contract,
    )
    try:
        DeltaTable.create(
            lake.uri(dataset.name),
            _delta_schema(schema, dataset.key),
            mode="error",
            configuration=configuration,
            storage_options=dict(lake.storage_options) or None,
            commit_properties=CommitProperties(
                custom_metadata=record.to_metadata(), max_commit_retries=0
            ),
        )
    except DeltaError:
        lake.open(dataset)
        return False
    return True


def add_columns(table: Table, columns: Mapping[str, pl.DataType], *, run: RunId) -> None:
    """Add nullable columns.

    Raises:
        BreakingChange: a column is there already with another type.
        LostRace: another writer committed meanwhile; run deploy again.
    """
    from datetime import UTC, datetime

    known = table.schema
    for name in columns:
        if name in known:
            raise BreakingChange(f"{table.dataset.name}: column {name} is in the table already")
    last = table.newest_record()
    record = CommitRecord(
        kind="schema",
        dataset=table.dataset.name,
        version=table.version + 1,
        snapshot=last.snapshot if last else -1,
        run=run.id,
        job=run.job,
        ol_run=run.ol_run,
        writer="deploy",
        at=datetime.now(UTC).isoformat(),
        contract=table.dataset.contract,
        extra=last.extra if last else {},
    )
    try:
        table.delta.alter.add_columns(
            list(_delta_schema(columns, "").fields),
            commit_properties=CommitProperties(
                custom_metadata=record.to_metadata(), max_commit_retries=0
            ),
        )
    except CommitFailedError:
        raise LostRace(table.dataset.name, 1) from None
    table.refresh()


def to_delta(frame: pl.DataFrame, table: Table, *, op: bool = False) -> pa.Table:
    """*frame* in the table's own Arrow types; the only way into a table.

    Args:
        op: the frame's last column is ``_op``, for a merge.

    Raises:
        SchemaDrift: names the columns that differ, or a key that is null; never a value.
    """
    wanted: dict[str, pl.DataType] = table.schema
    if op:
        wanted = {**wanted, "_op": pl.String()}
    found = dict(frame.schema)
    if list(found.items()) != list(wanted.items()):
        names = sorted({*found, *wanted} - {n for n in wanted if found.get(n) == wanted[n]})
        listed = ", ".join(names) or "their order"
        raise SchemaDrift(f"{table.dataset.name}: the frame differs from the table in {listed}")
    if frame[table.dataset.key].null_count():
        raise SchemaDrift(f"{table.dataset.name}: {table.dataset.key} is null in some rows")
    schema = table.arrow_schema
    if op:
        schema = schema.append(pa.field("_op", pa.string()))
    try:
        return frame.to_arrow().cast(schema)
    except pa.ArrowInvalid:
        raise SchemaDrift(f"{table.dataset.name}: a value does not fit its column") from None
