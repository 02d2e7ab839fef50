"""Parquet files: only needed columns are read, every other is copied as it is.

A file is rewritten row group by row group under the very schema it has, nullability, nested fields
and metadata included; where our writer would give it another one, nothing is written.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import IO, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from concord.errors import PlatformRefused, UnreadableInput
from concord.platforms.csv_rows import LONGEST_CELL, MOST_CELLS
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import UnfitError
from concord.platforms.files_cells import DAMAGED, TableRow, needed_columns, text_of, value_of
from concord.platforms.files_damage import parquet_damage
from concord.platforms.files_table import MOST_ROWS, MOST_UNPACKED, TableFile, TableRewrite

__all__ = ["ParquetTable", "parquet_columns"]

_PAGE = 500
_MOST_THRIFT = 16 << 20
_RAISED = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, IndexError)
"""What damaged files make the library and its reader raise."""
_KINDS: Sequence[tuple[Callable[[pa.DataType], bool], type]] = (
    (pa.types.is_string, str),
    (pa.types.is_large_string, str),
    (pa.types.is_binary, bytes),
    (pa.types.is_large_binary, bytes),
    (pa.types.is_boolean, bool),
    (pa.types.is_integer, int),
    (pa.types.is_floating, float),
    (pa.types.is_decimal, Decimal),
    (pa.types.is_date, date),
    (pa.types.is_timestamp, datetime),
    (pa.types.is_time, time),
)


class ParquetTable(TableFile):
    """One Parquet file."""

    def __init__(
        self, stream: BinaryIO, where: str, options: FilesOptions, natives: tuple[str, ...]
    ) -> None:
        """Look at the file's end, where its schema stands.

        Raises:
            UnreadableInput: it is no Parquet file, too large, or lacks a needed column.
        """
        super().__init__(stream, where, options, natives)
        with _translated(stream, where):
            file = _opened(self.stream)
            self._schema = file.schema_arrow
            self._metadata = file.metadata
        self._refuse_too_large()
        self._needed = needed_columns(where, self._schema.names, options, natives)
        self._kinds = {name: self._kind(name) for name in self._needed}

    def rows(self) -> Iterator[TableRow]:
        """See `TableFile.rows`."""
        texts = [name for name, kind in self._kinds.items() if kind in (str, bytes)]
        number = 0
        with _translated(self.stream, self.where, row=lambda: number, rows=self._metadata.num_rows):
            file = _opened(self.stream, read_dictionary=texts)
            for batch in file.iter_batches(_PAGE, columns=list(self._needed), use_threads=False):
                for row in self._rows(batch, number):
                    number = row.number
                    yield row

    def value(self, column: str, text: str | None) -> Any:
        """See `TableFile.value`."""
        found = self._schema.field(column)
        value = value_of(text, self._kinds[column], nullable=found.nullable)
        try:
            stored = pa.scalar(value, _plain(found.type)).as_py()
        except (pa.ArrowException, ValueError, OverflowError, TypeError):
            raise UnfitError("type") from None
        if stored != value:
            raise UnfitError("type")
        return value

    def new_row(self) -> None:
        """See `TableFile.new_row`."""
        for found in self._schema:
            if not found.nullable and found.name not in self._needed:
                raise UnfitError("column.required")

    @property
    def columns(self) -> Mapping[str, str]:
        """See `TableFile.columns`."""
        return _columns(self._schema)

    def notes(self) -> Iterator[str]:
        """See `TableFile.notes`."""
        yield f"It is Parquet with {self._metadata.num_rows} rows."

    def rewrite(self, stream: IO[bytes], batch: TableRewrite) -> None:
        """See `TableFile.rewrite`.

        Raises:
            PlatformRefused: our writer would change the schema.
        """
        options = self._writing()
        self._refuse_another_schema(options)
        number = 0
        with _translated(self.stream, self.where, row=lambda: number, rows=self._metadata.num_rows):
            file = _opened(self.stream)
            with pq.ParquetWriter(pa.PythonFile(stream, "w"), self._schema, **options) as writer:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, use_threads=False)
                    rows = list(self._rows(table.select(list(self._needed)), number))
                    number += table.num_rows
                    table = self._merged(table, [batch.applied(row) for row in rows])
                    writer.write_table(table, row_group_size=max(table.num_rows, 1))
                made = batch.created()
                if made:
                    empty = pa.nulls
                    columns = [
                        self._array([row.changed.get(one.name) for row in made], one)
                        if one.name in self._needed
                        else empty(len(made), one.type)
                        for one in self._schema
                    ]
                    writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def _merged(self, table: pa.Table, rows: Sequence[TableRow | None]) -> pa.Table:
        """The row group with changed cells in, and deleted rows out."""
        changed = {name for row in rows if row is not None for name in row.changed}
        for name in changed:
            place = self._schema.get_field_index(name)
            values: list[Any] = table.column(place).to_pylist()
            for position, row in enumerate(rows):
                if row is not None and name in row.changed:
                    values[position] = row.changed[name]
            table = table.set_column(
                place, self._schema.field(place), self._array(values, self._schema.field(place))
            )
        if None in rows:
            table = table.filter(pa.array([row is not None for row in rows]))
        return table

    def _array(self, values: Sequence[Any], found: pa.Field) -> pa.Array:
        made = pa.array(values, _plain(found.type))
        return made.dictionary_encode().cast(found.type) if _packed(found.type) else made

    def _rows(self, batch: pa.RecordBatch | pa.Table, before: int) -> Iterator[TableRow]:
        columns = [_texts(batch.column(name)) for name in self._needed]
        for number, cells in enumerate(zip(*columns, strict=True), start=before + 1):
            yield TableRow(number, dict(zip(self._needed, cells, strict=True)))

    def _kind(self, name: str) -> type:
        found = _plain(self._schema.field(name).type)
        for fits, kind in _KINDS:
            if fits(found):
                return kind
        what = f"has in the column {name!r} no single values; map a column that has"
        raise UnreadableInput(self.where, what)

    def _refuse_too_large(self) -> None:
        groups = [self._metadata.row_group(place) for place in range(self._metadata.num_row_groups)]
        if self._metadata.num_rows > MOST_ROWS:
            raise UnreadableInput(self.where, f"has more than {MOST_ROWS} rows; split it")
        if self._metadata.num_columns > MOST_CELLS:
            raise UnreadableInput(self.where, f"has more than {MOST_CELLS} columns; export fewer")
        if any(group.total_byte_size > MOST_UNPACKED for group in groups):
            what = f"has a row group of more than {MOST_UNPACKED >> 20} MiB; write smaller ones"
            raise UnreadableInput(self.where, what)

    def _writing(self) -> Mapping[str, Any]:
        """How our writer is told to write as this file was written."""
        metadata = self._metadata
        codec = "snappy"
        if metadata.num_row_groups and metadata.num_columns:
            codec = metadata.row_group(0).column(0).compression.lower()
        physical = {metadata.schema.column(n).physical_type for n in range(metadata.num_columns)}
        version = str(metadata.format_version)
        return {
            "compression": "none" if codec == "uncompressed" else codec,
            "version": version if version in ("1.0", "2.4", "2.6") else "2.6",
            "use_deprecated_int96_timestamps": "INT96" in physical,
            "use_compliant_nested_type": False,
            "store_schema": b"ARROW:schema" in (metadata.metadata or {}),
        }

    def _refuse_another_schema(self, options: Mapping[str, Any]) -> None:
        trial = io.BytesIO()
        try:
            with pq.ParquetWriter(trial, self._schema, **options):
                pass
            same = pq.ParquetFile(trial).schema.equals(self._metadata.schema)
        except (pa.ArrowException, ValueError, OSError):
            same = False
        if not same:
            what = "is not written, since its schema would not stay as it is; read it only"
            raise PlatformRefused(self.where, what)


def parquet_columns(stream: BinaryIO, where: str) -> Mapping[str, str]:
    """The columns of a file, and what type each has; no more than its end is read.

    Raises:
        UnreadableInput: it is no Parquet file.
    """
    with _translated(stream, where):
        return _columns(_opened(stream).schema_arrow)


def _columns(schema: pa.Schema) -> Mapping[str, str]:
    return {one.name: str(_plain(one.type)) for one in schema}


def _opened(stream: BinaryIO, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    stream.seek(0)
    return pq.ParquetFile(
        pa.PythonFile(_Kept(stream), "r"),
        read_dictionary=list(read_dictionary),
        thrift_string_size_limit=_MOST_THRIFT,
        thrift_container_size_limit=_MOST_THRIFT,
        page_checksum_verification=True,
    )


@contextmanager
def _translated(
    stream: BinaryIO, where: str, *, row: Callable[[], int] = lambda: 0, rows: int | None = None
) -> Iterator[None]:
    try:
        yield
    except _RAISED as error:
        if isinstance(error, OSError) and error.errno:
            raise
        what = parquet_damage(stream, error, rows)
        raise UnreadableInput(where, what, row() + 1 if row() else None) from None


class _Kept(io.RawIOBase):
    """A stream that stays open when the reader around it is thrown away."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0, /) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _packed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_dictionary(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if _packed(kind) else kind


def _texts(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    found: list[Any] = []
    for chunk in chunks:
        if _packed(chunk.type):
            words = [_text(one) for one in chunk.dictionary]
            found += [_word(words, place) for place in chunk.indices.to_pylist()]
        else:
            found += [_text(one) for one in chunk]
    return found


def _word(words: Sequence[Any], place: int | None) -> Any:
    """A cell of a dictionary; in a damaged file a place may lie outside of it."""
    if place is None:
        return None
    return words[place] if 0 <= place < len(words) else DAMAGED


def _text(scalar: pa.Scalar) -> Any:
    """One cell; a text that is too long is not even made."""
    if isinstance(scalar, pa.StringScalar | pa.LargeStringScalar | pa.BinaryScalar):
        held = scalar.as_buffer()
        if held is not None and held.size > 4 * LONGEST_CELL:
            return DAMAGED
    try:
        return text_of(scalar.as_py())
    except (ValueError, OverflowError):
        return DAMAGED
