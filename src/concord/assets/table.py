"""A dataset's Delta table: made, opened, read, and the one way frames get into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

import orjson
import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from concord.assets.commit import CommitRecord, Position, RunId, app_id
from concord.assets.dataset import Dataset
from concord.assets.log import newest_record, read_record
from concord.assets.point import At, unwatched
from concord.assets.race import ATTEMPTS, attempts
from concord.assets.rowhash import HASH
from concord.errors import (
    BreakingChange,
    LostRace,
    NotDeployed,
    SchemaDrift,
    UnreadableInput,
    UsageError,
)

__all__ = [
    "SNAPSHOT",
    "WRITER",
    "Difference",
    "Lake",
    "Table",
    "add_columns",
    "create_table",
    "schema_difference",
    "to_delta",
]

SNAPSHOT = "concord/snapshot"
"""Delta transaction id whose version is the newest snapshot; it outlives the log's clean-up."""

WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=65536)
_CONFIGURATION = {
    "delta.checkpointInterval": "10",
    # Writers would clean the log by age alone, and take versions that a reader starts from.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
    "delta.setTransactionRetentionDuration": "interval 90 days",
    "delta.targetFileSize": "67108864",
}
# delta-rs 1.6.3 decodes a percent sequence twice and panics over the other signs.
_UNOPENABLE = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]^|\\]")


@dataclass(frozen=True, slots=True)
class Lake:
    """Where every table lives.

    Attributes:
        root: an absolute folder, a ``file://`` URI, or ``s3://…``.
        storage_options: of the object store; secrets, never shown.

    Raises:
        UsageError: the folder's name holds signs that the Delta library cannot open.
    """

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.root.startswith("file://"):
            object.__setattr__(self, "root", unquote(urlsplit(self.root).path))
        found = None if "://" in self.root else _UNOPENABLE.search(self.root)
        if found:
            raise UsageError(
                f"the lake's folder has {found.group()!r} in its path, which the Delta library "
                "cannot open; move the project, or set another `lake` in concord.yaml"
            )

    def uri(self, name: str) -> str:
        """Where the dataset *name* is."""
        return f"{self.root.rstrip('/')}/{name}"

    def open(self, dataset: Dataset, *, at: At = unwatched) -> Table:
        """The dataset's table at its newest version.

        Args:
            at: called before and after each commit made through this handle.

        Raises:
            NotDeployed: there is no such table.
            UnreadableInput: its log is damaged.
            UsageError: another program gave it features that we would misread.
        """
        table = self._find(dataset, at)
        if table is None:
            raise NotDeployed(f"{dataset.name}: there is no table yet; run `concord deploy`")
        return table

    def _find(self, dataset: Dataset, at: At = unwatched) -> Table | None:
        try:
            return Table(dataset, self.uri(dataset.name), self.storage_options, at)
        except TableNotFoundError:
            return None


class Table:
    """One handle on a Delta table; it stays at its version until `refresh` or our own commit."""

    def __init__(
        self, dataset: Dataset, uri: str, storage_options: Mapping[str, str], at: At = unwatched
    ) -> None:
        self.dataset = dataset
        self.at = at
        self.uri = uri
        self._options = dict(storage_options)
        self.refresh()

    def refresh(self) -> None:
        """Move the handle to the newest version."""
        with self._readable():
            self.delta = self.opened(None)
        if self.delta.protocol().min_reader_version > 1:
            raise UsageError(
                f"{self.dataset.name}: another program changed the table's protocol, and its rows "
                "could be misread; restore the table, or make it anew and run `concord deploy`"
            )

    def opened(self, version: int | None) -> DeltaTable:
        """The library's own handle on a version; on the newest when None."""
        return DeltaTable(self.uri, version=version, storage_options=self._options or None)

    @property
    def options(self) -> Mapping[str, str]:
        """Storage options; secrets, never shown."""
        return self._options

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Tell of a log that cannot be read without what the library quotes of it."""
        try:
            yield
        except TableNotFoundError:
            raise
        except (DeltaError, orjson.JSONDecodeError):
            what = (
                "the log of its table cannot be read, so nothing was written; its folder "
                "_delta_log is damaged, or its store does not answer: put the damaged files back "
                "from a backup, then run again"
            )
            raise UnreadableInput(self.dataset.name, what) from None

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
        return tuple(self.arrow_schema.names)

    def frame(
        self, version: int | None = None, columns: Sequence[str] | None = None
    ) -> pl.LazyFrame:
        """The rows at *version* (the handle's when None), lazily.

        The columns are the handle's: those added later are null in an older version. The files are
        chosen now, so a commit between this call and `collect` changes nothing.
        """
        here = version is None or version == self.version
        frame = self.scan(self.files(None if here else version))
        return frame.select(columns) if columns is not None else frame

    def files(self, version: int | None = None) -> list[str]:
        """The data files of *version* (the handle's when None), readable by Polars."""
        delta = self.delta if version is None else self.opened(version)
        found = delta.file_uris()
        return found if "://" in self.uri else [unquote(one) for one in found]

    def scan(self, files: Sequence[str]) -> pl.LazyFrame:
        """The rows of some of the table's data files, lazily."""
        if not files:
            return pl.LazyFrame(schema=self.schema)
        return pl.scan_parquet(
            list(files),
            schema=self.schema,
            glob=False,
            missing_columns="insert",
            extra_columns="ignore",
            hive_partitioning=False,
            storage_options=self._options or None,
        )

    def count(self) -> int:
        """Rows at the handle's version."""
        return int(self.frame().select(pl.len()).collect().item())

    def record(self, version: int) -> CommitRecord | None:
        """The record of one commit; None when it is not ours or its log entry is gone."""
        with self._readable():
            return read_record(self.uri, self._options, version)

    def newest_record(self, at_most: int | None = None) -> CommitRecord | None:
        """The newest record of ours at or below a version; None when the log no longer has it."""
        version = self.version if at_most is None else min(at_most, self.version)
        with self._readable():
            return newest_record(self.uri, self._options, version)

    def newest_snapshot(self, at_most: int | None = None) -> int:
        """Version of the newest snapshot at or below a version; -1 when there is none.

        Raises:
            UsageError: the log no longer reaches back to *at_most*.
        """
        newest = self._marker(SNAPSHOT)
        if at_most is None or newest <= at_most:
            return newest
        if at_most < 0:
            return -1
        record = self.newest_record(at_most)
        if record is None:
            raise UsageError(f"{self.dataset.name}: the log no longer holds version {at_most}")
        return record.snapshot

    def position(self) -> Position:
        """How far this table is: what its readers weigh now and keep as their cursor."""
        return Position(self.newest_snapshot(), self.id)

    def cursor(self, name: str, table_id: str | None) -> int:
        """How far this table has weighed an input; -1 when it never did.

        Args:
            name: of the dataset, or of a cursor that is no table.
            table_id: of the input's Delta table; None for a cursor that is no table.
        """
        return self._marker(app_id(name, table_id))

    def has_marker(self, marker: str) -> bool:
        """Whether a commit under the Delta transaction id *marker* is there."""
        return self.delta.transaction_version(marker) is not None

    def _marker(self, marker: str) -> int:
        found = self.delta.transaction_version(marker)
        return -1 if found is None else int(found)


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
    if lake._find(dataset) is not None:
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


def to_delta(frame: pl.DataFrame, table: Table, *, op: bool = False) -> pa.Table:
    """*frame* in the table's own Arrow types and order; the only way into a table.

    Args:
        op: the frame also has the column ``_op``, for a merge.

    Raises:
        SchemaDrift: names the columns that differ, or a key that is null; never a value.
    """
    name, key, arrow = table.dataset.name, table.dataset.key, table.arrow_schema
    wanted = table.schema
    if op:
        wanted["_op"] = pl.String()
        arrow = arrow.append(pa.field("_op", pa.string()))
    found = dict(frame.schema)
    differing = sorted(n for n in {*found, *wanted} if found.get(n) != wanted.get(n))
    if differing:
        raise SchemaDrift(f"{name}: the frame differs from the table in {', '.join(differing)}")
    if frame[key].null_count():
        raise SchemaDrift(f"{name}: {key} is null in {frame[key].null_count()} rows")
    try:
        return frame.select(list(wanted)).to_arrow().cast(arrow)
    except pa.ArrowInvalid:
        pass
    raise SchemaDrift(f"{name}: a value does not fit its column")
