"""A dataset's Delta table: opened, read, and the one way frames get into it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import orjson
import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, WriterProperties
from deltalake.exceptions import DeltaError, TableNotFoundError

from concord.assets.commit import CommitRecord, Position, app_id
from concord.assets.dataset import Dataset
from concord.assets.log import newest_record, read_record
from concord.assets.point import At, unwatched
from concord.errors import (
    LakeDown,
    NotDeployed,
    SchemaDrift,
    UnreadableInput,
    UsageError,
)

__all__ = [
    "SNAPSHOT",
    "WRITER",
    "Lake",
    "Table",
    "to_delta",
]

SNAPSHOT = "concord/snapshot"
"""Delta transaction id whose version is the newest snapshot; it outlives the log's clean-up."""

WRITER = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=65536)
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
        table = self.find(dataset, at)
        if table is None:
            raise NotDeployed(f"{dataset.name}: there is no table yet; run `concord deploy`")
        return table

    def find(self, dataset: Dataset, at: At = unwatched) -> Table | None:
        """The table, or None where there is none yet; otherwise as `open`."""
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
        except OSError:
            if "://" not in self.uri:
                raise
            raise LakeDown(self.dataset.name) from None

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
