"""Rewriting one CSV file: the rows that operations name are changed, all others copied.

What is written is made from text, so a digest of that text, encoded again, is compared with the
file's own: an encoding that does not give the same bytes back is found out before anything is
replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import IO

from concord.errors import PlatformRefused
from concord.platforms.base import Operation, Receipt, Record
from concord.platforms.csv_rows import Row, line_end, render, with_cells
from concord.platforms.csv_sheet import OWN, Sheet
from concord.platforms.files_batch import Batch, Values, not_a_text

__all__ = ["Rewrite"]

_NOT_IN_ENCODING = "encoding"


class Rewrite:
    """One batch against one file; `fill` once, then `receipts`."""

    def __init__(self, platform: str, sheet: Sheet, operations: Sequence[Operation]) -> None:
        self._platform = platform
        self._sheet = sheet
        self._batch: Batch[Row] = Batch(operations, change=self._updated, unfit=self._unfit)

    def fill(self, stream: IO[bytes]) -> bool:
        """Write the new file; false when it would be the old one.

        Raises:
            PlatformRefused: the encoding cannot be written as it was read.
        """
        sheet = self._sheet
        faithful = blake2b(digest_size=16)
        faithful.update(sheet.encoding.mark)
        stream.write(sheet.encoding.mark)
        faithful.update(self._bytes(sheet.preamble))
        stream.write(self._bytes(sheet.preamble))
        last = sheet.preamble
        for row, record in sheet.rows_with_records():
            faithful.update(self._bytes(row.raw))
            kept = row if record is None else self._batch.applied(row, record)
            text = kept.raw if kept is not None else ""
            stream.write(self._bytes(text))
            last = text or last
        if faithful.hexdigest() != sheet.scan.digest:
            raise PlatformRefused(
                self._platform,
                f"{sheet.where} is not written, since its encoding {sheet.encoding.codec} would "
                "not give the same bytes back; declare `encoding:`",
            )
        stream.write(self._bytes(self._appended(last)))
        return self._batch.changed

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        return self._batch.receipts()

    def _updated(self, row: Row, record: Record, values: Values) -> tuple[Row, Record]:
        assert row.cells is not None
        cells = list(row.cells)
        for native, value in values.items():
            cells[self._sheet.columns[native]] = str(value or "")
        if cells == list(row.cells):
            return row, record
        raw = with_cells(row, cells, delimiter=self._sheet.delimiter)
        return self._as_read(replace(row, cells=cells, raw=raw))

    def _appended(self, last: str) -> str:
        """The text of all new rows; the file's last row gets its line end first."""
        rows = self._batch.created(self._made)
        if not rows:
            return ""
        start = "" if line_end(last) else self._sheet.line_end
        return start + "".join(row.raw for row in rows)

    def _made(self, operation: Operation) -> tuple[Row, Record]:
        sheet = self._sheet
        assert sheet.header.cells is not None
        cells = [""] * len(sheet.header.cells)
        values = dict(operation.values)
        if sheet.options.external_id is not None:
            values[sheet.options.external_id] = operation.person_id
        for native, value in values.items():
            cells[sheet.columns[native]] = str(value or "")
        cells[sheet.columns[sheet.options.id]] = OWN + operation.person_id
        raw = render(cells, delimiter=sheet.delimiter, quote_all=sheet.quote_all)
        return self._as_read(Row(0, cells, raw + sheet.line_end))

    def _as_read(self, row: Row) -> tuple[Row, Record]:
        return row, self._sheet.record(row)

    def _unfit(self, values: Values) -> str:
        code = not_a_text(values)
        if code or all(
            _encodes(str(value or ""), self._sheet.encoding.codec) for value in values.values()
        ):
            return code
        return _NOT_IN_ENCODING

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._sheet.encoding.codec, self._sheet.encoding.errors)


def _encodes(value: str, codec: str) -> bool:
    try:
        value.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
