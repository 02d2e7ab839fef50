"""Rewriting one CSV file: the rows that operations name are changed, all others copied.

What is written is made from text, so a digest of that text, encoded again, is compared with the
file's own: an encoding that does not give the same bytes back is found out before anything is
replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import IO

from concord.errors import PlatformRefused
from concord.platforms.base import ListPatch, Native, Operation, Outcome, Receipt, Record, Verb
from concord.platforms.csv_rows import Row, line_end, render, with_cells
from concord.platforms.csv_sheet import OWN, Sheet

__all__ = ["Rewrite"]

_NOT_SCALAR = "list"
_NOT_TEXT = "text"  # half a letter, or a zero byte
_NOT_IN_ENCODING = "encoding"


class Rewrite:
    """One batch against one file; `fill` once, then `receipts`."""

    def __init__(self, platform: str, sheet: Sheet, operations: Sequence[Operation]) -> None:
        self._platform = platform
        self._sheet = sheet
        self._operations = operations
        self._receipts: dict[int, Receipt] = {}
        self._changed = False
        self._creates: dict[str, list[int]] = {}
        self._others: dict[str, list[int]] = {}
        for place, operation in enumerate(operations):
            refused = _unfit(operation.values, sheet.encoding.codec)
            if refused:
                self._receipts[place] = Receipt(operation.op_id, Outcome.REJECTED, None, refused)
            elif operation.verb is Verb.CREATE:
                self._creates.setdefault(operation.person_id, []).append(place)
            else:
                self._others.setdefault(operation.remote_id or "", []).append(place)

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
            text = row.raw if record is None else self._rewritten(row, record)
            stream.write(self._bytes(text))
            last = text or last
        if faithful.hexdigest() != sheet.scan.digest:
            raise PlatformRefused(
                self._platform,
                f"{sheet.where} is not written, since its encoding {sheet.encoding.codec} would "
                "not give the same bytes back; declare `encoding:`",
            )
        stream.write(self._bytes(self._appended(last)))
        return self._changed

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        for remote_id, places in self._others.items():
            for place in places:
                self._receipts.setdefault(place, self._gone(place, remote_id))
        return [self._receipts[place] for place in range(len(self._operations))]

    def _rewritten(self, row: Row, record: Record) -> str:
        """The row's text after the operations on it; empty when it is deleted."""
        if record.remote_id is not None and record.external_id is not None:
            for place in self._creates.pop(record.external_id, ()):
                self._answer(place, Outcome.EXISTS, record)
        places = self._others.get(record.remote_id or "", ())
        if record.fault == "id.duplicate":
            return row.raw
        for place in places:
            operation = self._operations[place]
            if record.deleted:
                self._receipts[place] = self._gone(place, record.remote_id or "")
            elif record.fault or not _may(operation, record):
                self._answer(place, Outcome.CONFLICT, record)
            elif operation.verb is Verb.DELETE:
                record = Record(record.remote_id, deleted=True, external_id=record.external_id)
                self._answer(place, Outcome.OK, record)
                self._changed = True
            else:
                row, record = self._updated(row, record, operation)
                self._answer(place, Outcome.OK, record)
        return "" if record.deleted else row.raw

    def _updated(self, row: Row, record: Record, operation: Operation) -> tuple[Row, Record]:
        assert row.cells is not None
        cells = list(row.cells)
        for native, value in operation.values.items():
            cells[self._sheet.columns[native]] = str(value or "")
        if cells == list(row.cells):
            return row, record
        self._changed = True
        raw = with_cells(row, cells, delimiter=self._sheet.delimiter)
        return self._as_read(replace(row, cells=cells, raw=raw))

    def _appended(self, last: str) -> str:
        """The text of all new rows; the file's last row gets its line end first."""
        sheet = self._sheet
        assert sheet.header.cells is not None
        texts = []
        for person_id, (first, *again) in self._creates.items():
            cells = [""] * len(sheet.header.cells)
            values = dict(self._operations[first].values)
            if sheet.options.external_id is not None:
                values[sheet.options.external_id] = person_id
            for native, value in values.items():
                cells[sheet.columns[native]] = str(value or "")
            cells[sheet.columns[sheet.options.id]] = OWN + person_id
            raw = render(cells, delimiter=sheet.delimiter, quote_all=sheet.quote_all)
            row, record = self._as_read(Row(0, cells, raw + sheet.line_end))
            texts.append(row.raw)
            self._answer(first, Outcome.OK, record)
            for place in again:
                self._answer(place, Outcome.EXISTS, record)
        if not texts:
            return ""
        self._changed = True
        return ("" if line_end(last) else sheet.line_end) + "".join(texts)

    def _as_read(self, row: Row) -> tuple[Row, Record]:
        return row, self._sheet.record(row)

    def _answer(self, place: int, outcome: Outcome, record: Record) -> None:
        self._receipts[place] = Receipt(self._operations[place].op_id, outcome, record)

    def _gone(self, place: int, remote_id: str) -> Receipt:
        gone = Record(remote_id, deleted=True)
        return Receipt(self._operations[place].op_id, Outcome.GONE, gone)

    def _bytes(self, text: str) -> bytes:
        return text.encode(self._sheet.encoding.codec, self._sheet.encoding.errors)


def _may(operation: Operation, record: Record) -> bool:
    """Whether the row stands as the plan saw it, or already as the operation wants it."""
    if operation.verb is Verb.UPDATE and _same(operation.values, record.fields):
        return True
    return _same(operation.expect, record.fields)


def _same(wanted: Mapping[str, Native | ListPatch], found: Mapping[str, Native]) -> bool:
    return all((value or None) == found.get(name) for name, value in wanted.items())


def _unfit(values: Mapping[str, Native | ListPatch], codec: str) -> str:
    for value in values.values():
        if value is None:
            continue
        if not isinstance(value, str):
            return _NOT_SCALAR
        if "\0" in value or not _encodes(value, "utf-8"):
            return _NOT_TEXT
        if not _encodes(value, codec):
            return _NOT_IN_ENCODING
    return ""


def _encodes(value: str, codec: str) -> bool:
    try:
        value.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
