"""The formats of files, chosen by `format:` or by the ending of the pattern, seen alike."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, Protocol

from concord.errors import UnreadableInput
from concord.platforms.base import Operation, Receipt, Record
from concord.platforms.csv_sheet import Sheet, opened_sheet
from concord.platforms.declaration import FilesOptions
from concord.platforms.files_folder import Folder, Found
from concord.platforms.files_table import TableFile, TableRewrite
from concord.platforms.files_write import Rewrite

__all__ = ["Content", "Rewriting", "columns_of", "opened_content"]

_HEAD = 1 << 16
_LINE_ENDS = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}


class Rewriting(Protocol):
    """One batch against one file; `fill` once, then `receipts`."""

    def fill(self, stream: IO[bytes]) -> bool:
        """Write the new file; false when it would be the old one."""
        ...

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        ...


class Content(Protocol):
    """What is read of a folder, understood; streams stay open while they are read."""

    @property
    def said(self) -> str:
        """The format's name."""
        ...

    @property
    def digest(self) -> str:
        """Of the file's bytes."""
        ...

    def records(self) -> Iterator[Record]:
        """Every record of the file; one with an id already seen has a fault."""
        ...

    @property
    def columns(self) -> Mapping[str, str]:
        """Its columns, where it has any, and what type each has; empty where all hold texts."""
        ...

    def notes(self) -> Iterator[str]:
        """What was found, one sentence each."""
        ...

    def write(
        self, folder: Folder, found: Found, operations: Sequence[Operation]
    ) -> Sequence[Receipt]:
        """Carry out a batch; *found* is the newest file, *folder* is locked."""
        ...


@dataclass(frozen=True, slots=True)
class _Csv:
    sheet: Sheet
    said: str = "CSV"

    @property
    def digest(self) -> str:
        return self.sheet.scan.digest

    def records(self) -> Iterator[Record]:
        return self.sheet.records()

    @property
    def columns(self) -> Mapping[str, str]:
        return dict.fromkeys(self.sheet.names, "")

    def notes(self) -> Iterator[str]:
        encoding = self.sheet.encoding
        yield f"Its encoding is {encoding.codec} ({encoding.found})."
        yield f"Its delimiter is {self.sheet.delimiter!r} ({self.sheet.delimiter_found})."
        yield f"Its lines end with {_LINE_ENDS[self.sheet.line_end]}."

    def write(
        self, folder: Folder, found: Found, operations: Sequence[Operation]
    ) -> Sequence[Receipt]:
        return _written(folder, found, Rewrite(folder.platform, self.sheet, operations))


@dataclass(frozen=True, slots=True)
class _Table:
    table: TableFile
    said: str

    @property
    def digest(self) -> str:
        return self.table.digest

    def records(self) -> Iterator[Record]:
        return self.table.records()

    @property
    def columns(self) -> Mapping[str, str]:
        return self.table.columns

    def notes(self) -> Iterator[str]:
        return self.table.notes()

    def write(
        self, folder: Folder, found: Found, operations: Sequence[Operation]
    ) -> Sequence[Receipt]:
        return _written(folder, found, TableRewrite(self.table, operations))


def _written(folder: Folder, found: Found, rewriting: Rewriting) -> Sequence[Receipt]:
    """The whole batch is one new file in the place of the newest."""
    folder.replace(found, rewriting.fill)
    return rewriting.receipts()


def opened_content(
    found: Found, options: FilesOptions, natives: tuple[str, ...], folder: Folder
) -> Content:
    """Understand a file, or a whole folder of cards; the format's library is loaded only now.

    Raises:
        UnreadableInput: it is not of its format, or lacks a needed column.
    """
    stream, where = found.stream, found.shown
    if options.written_as == "vcard":
        from concord.platforms.files_cards import CardFolder

        return CardFolder(folder, options, natives)
    if options.written_as == "parquet":
        from concord.platforms.files_parquet import ParquetTable

        return _Table(ParquetTable(stream, where, options, natives), "Parquet")
    if options.written_as == "avro":
        from concord.platforms.files_avro import AvroTable

        return _Table(AvroTable(stream, where, options, natives), "Avro")
    return _Csv(opened_sheet(stream, where, options, natives))


def columns_of(found: Found, options: FilesOptions) -> Mapping[str, str]:
    """The columns of a file, and their types where it has any; its header is read, no more.

    Raises:
        UnreadableInput: it is not of its format, or has no column for the id, as a file without
            a header has none: its first row may be somebody's.
    """
    if options.written_as == "parquet":
        from concord.platforms.files_parquet import parquet_columns

        columns = parquet_columns(found.stream, found.shown)
    elif options.written_as == "avro":
        from concord.platforms.files_avro import avro_columns

        columns = avro_columns(found.stream, found.shown)
    else:
        own = options.model_copy(update={"updated_at": None, "external_id": None})
        sheet = opened_sheet(io.BytesIO(_head(found.stream)), found.shown, own, ())
        columns = dict.fromkeys(sheet.names, "")
    if options.id not in columns:
        raise UnreadableInput(found.shown, "has no column for the id")
    return columns


def _head(stream: BinaryIO) -> bytes:
    """The first lines of a file, as many as 64 KiB hold."""
    head = stream.read(_HEAD)
    return head if len(head) < _HEAD else head[: head.rfind(b"\n") + 1] or head
