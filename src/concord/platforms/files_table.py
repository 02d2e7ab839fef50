"""One file of typed rows, Parquet or Avro, read row by row and rewritten as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import IO, Any, BinaryIO

from concord.platforms.base import Operation, Receipt, Record
from concord.platforms.csv_sheet import OWN
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_batch import Batch, Values, not_a_text
from concord.platforms.files_cells import Reader, TableRow, text_of

__all__ = ["MOST_ROWS", "MOST_UNPACKED", "TableFile", "TableRewrite", "digest_of"]

MOST_ROWS = 5_000_000
MOST_UNPACKED = 1 << 30
"""Bytes that a file, or one part of it, may unpack to."""

_BLOCK = 1 << 20


class TableFile(ABC):
    """A file of typed rows; the stream stays open while it is read.

    Attributes:
        where: the file's name, as errors tell it.
        digest: of its bytes.
    """

    def __init__(
        self, stream: BinaryIO, where: str, options: FilesOptions, natives: tuple[str, ...]
    ) -> None:
        self.stream = stream
        self.where = where
        self.digest = digest_of(stream)
        self.options = options
        self.natives = natives

    def records(self) -> Iterator[Record]:
        """Every record of the file; one with an id already seen has a fault."""
        reader = self.reader()
        return (reader.record(row) for row in self.rows())

    def reader(self) -> Reader:
        """What makes records of rows, from the first row on."""
        return Reader(self.where, self.options, self.natives)

    @abstractmethod
    def rows(self) -> Iterator[TableRow]:
        """Every row, as far as it is needed."""

    @abstractmethod
    def value(self, column: str, text: str | None) -> Any:
        """A text as the file's own type; `UnfitError` when it is none."""

    @abstractmethod
    def new_row(self) -> None:
        """Nothing, where a row may hold what is needed only; `UnfitError` where it may not."""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """All columns, and what type each has."""

    @abstractmethod
    def notes(self) -> Iterator[str]:
        """What was found, one sentence each."""

    @abstractmethod
    def rewrite(self, stream: IO[bytes], batch: TableRewrite) -> None:
        """Write the file anew, each row as the batch says."""


class TableRewrite:
    """One batch against one file; `fill` once, then `receipts`."""

    def __init__(self, file: TableFile, operations: Sequence[Operation]) -> None:
        self._file = file
        self._reader = file.reader()
        self._batch: Batch[TableRow] = Batch(operations, change=self._changed, unfit=not_a_text)

    def fill(self, stream: IO[bytes]) -> bool:
        """Write the new file; false when it would be the old one."""
        self._file.rewrite(stream, self)
        return self._batch.changed

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        return self._batch.receipts()

    def applied(self, row: TableRow) -> TableRow | None:
        """The row after the operations on it; None when it is deleted."""
        return self._batch.applied(row, self._reader.record(row))

    def created(self) -> list[TableRow]:
        """The rows to add."""
        return self._batch.created(self._made)

    def _changed(self, row: TableRow, record: Record, values: Values) -> tuple[TableRow, Record]:
        cells, changed = dict(row.cells), dict(row.changed)
        for native, value in values.items():
            text = value if isinstance(value, str) and value else None
            if text != cells[native]:
                changed[native] = self._file.value(native, text)
                cells[native] = text_of(changed[native])
        if cells == row.cells:
            return row, record
        row = replace(row, cells=cells, changed=changed)
        return row, self._reader.record(row, again=True)

    def _made(self, operation: Operation) -> tuple[TableRow, Record]:
        self._file.new_row()
        options = self._file.options
        values = {**dict.fromkeys(self._file.natives), **operation.values}
        if options.updated_at is not None:
            values.setdefault(options.updated_at, None)
        if options.external_id is not None:
            values[options.external_id] = operation.person_id
        values[options.id] = OWN + operation.person_id
        stored = {
            native: self._file.value(native, value if isinstance(value, str) and value else None)
            for native, value in values.items()
        }
        row = TableRow(0, {native: text_of(value) for native, value in stored.items()}, stored)
        return row, self._reader.record(row, again=True)


def digest_of(stream: BinaryIO) -> str:
    """Digest of a file's bytes; the stream is at its beginning afterwards."""
    digest = blake2b(digest_size=16)
    stream.seek(0)
    for block in iter(partial(stream.read, _BLOCK), b""):
        digest.update(block)
    stream.seek(0)
    return digest.hexdigest()
