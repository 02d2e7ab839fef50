"""One CSV file, understood: its encoding, its delimiter, its header, and rows as records.

A first line ``sep=;`` (as spreadsheets write it) declares the delimiter. Otherwise the delimiter is
the one under which most of the headers that are needed are found, and then the one that splits most
rows alike.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from hashlib import blake2b
from typing import BinaryIO, cast

from concord.errors import UnreadableInput
from concord.platforms.base import Record
from concord.platforms.csv_encoding import Encoding, Scan, scan
from concord.platforms.csv_rows import LONGEST_CELL, MOST_CELLS, Row, line_end, render, rows
from concord.platforms.declaration import FilesOptions

__all__ = ["OWN", "Sheet", "opened_sheet"]

OWN = "concord-"
"""How the id of a row that Concord made begins; the person_id follows."""

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 16
_SAMPLE_ROWS = 50
_SEP = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One CSV file; the stream stays open while it is read.

    Attributes:
        where: the file's name.
        columns: needed header to its place in a row.
        header: the header row.
        preamble: the line before the header that names the delimiter, or nothing.
        delimiter_found: how the delimiter was found, in a word or two.
    """

    where: str
    stream: BinaryIO
    scan: Scan
    options: FilesOptions
    natives: tuple[str, ...]
    columns: Mapping[str, int]
    header: Row
    preamble: str
    delimiter: str
    delimiter_found: str

    @property
    def encoding(self) -> Encoding:
        """How the file's bytes become text."""
        return self.scan.encoding

    @property
    def names(self) -> list[str]:
        """Every header."""
        assert self.header.cells is not None
        return _names(self.header.cells)

    @property
    def line_end(self) -> str:
        """How new rows end."""
        return line_end(self.header.raw) or "\r\n"

    @property
    def quote_all(self) -> bool:
        """Whether the header, and so a new row, has every cell in quotes."""
        assert self.header.cells is not None
        raw = self.header.raw.rstrip("\r\n")
        return render(self.header.cells, delimiter=self.delimiter, quote_all=True) == raw

    def rows(self) -> Iterator[Row]:
        """Every row after the preamble: blank ones and the header too."""
        text = _text(self.stream, self.encoding)
        if self.preamble:
            text.readline()
        yield from rows(text, self.where, delimiter=self.delimiter)

    def cell(self, row: Row, header: str) -> str:
        """What stands under a needed header."""
        assert row.cells is not None
        return row.cells[self.columns[header]]

    def records(self) -> Iterator[Record]:
        """Every record of the file; one with an id already seen has a fault."""
        for _, record in self.rows_with_records():
            if record is not None:
                yield record

    def rows_with_records(self) -> Iterator[tuple[Row, Record | None]]:
        """Every row, and its record if it is one (the header and blank rows are none)."""
        seen: set[bytes] = set()
        started = False
        for row in self.rows():
            if row.blank or not started:
                started = started or not row.blank
                yield row, None
            else:
                yield row, self.record(row, seen)

    def record(self, row: Row, seen: set[bytes] | None = None) -> Record:
        """One row as a record.

        Args:
            seen: digests of the ids before it, to which its own is added; None asks for no check.
        """
        place = f"{self.where}:{row.number + bool(self.preamble)}"
        remote_id = self._id(row)
        fault = self._fault(row, remote_id)
        if remote_id is not None and seen is not None:
            key = blake2b(remote_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            if key in seen and fault is None:
                fault = "id.duplicate"
            seen.add(key)
        if fault == "record.damaged":
            return Record(remote_id, external_id=_own(remote_id), fault=fault, place=place)
        fields = {native: self.cell(row, native) or None for native in self.natives}
        return Record(
            remote_id,
            fields,
            version=_version(row),
            modified_at=self._modified_at(row),
            external_id=self._external_id(row, remote_id),
            fault=fault,
            place=place if fault else None,
        )

    def _id(self, row: Row) -> str | None:
        """The row's id; of a ragged row only where the id comes first, before anything shifted."""
        place = self.columns[self.options.id]
        if row.cells is None or (row.ragged and place > 0):
            return None
        cell = row.cells[place].strip()
        return cell if cell and _sound(cell) and cell != self.options.id else None

    def _fault(self, row: Row, remote_id: str | None) -> str | None:
        assert self.header.cells is not None
        if row.cells is None or row.ragged or list(row.cells) == list(self.header.cells):
            return "record.damaged"
        if not all(_sound(row.cells[place]) for place in self.columns.values()):
            return "record.damaged"
        if self.encoding.guessed and self._is_utf8(row.raw):
            return "record.damaged"
        return "id.missing" if remote_id is None else None

    def _is_utf8(self, text: str) -> bool:
        """Whether a row is of another encoding than the others: all of its letters are UTF-8's."""
        if text.isascii():
            return False
        try:
            text.encode(self.encoding.codec, self.encoding.errors).decode()
        except UnicodeError:
            return False
        return True

    def _modified_at(self, row: Row) -> datetime | None:
        if self.options.updated_at is None:
            return None
        try:
            instant = datetime.fromisoformat(self.cell(row, self.options.updated_at).strip())
            return instant.astimezone(UTC) if instant.tzinfo else None
        except (ValueError, OverflowError):
            return None

    def _external_id(self, row: Row, remote_id: str | None) -> str | None:
        external = self.options.external_id
        declared = self.cell(row, external).strip() if external else ""
        return declared or _own(remote_id)


def opened_sheet(
    stream: BinaryIO, where: str, options: FilesOptions, natives: tuple[str, ...]
) -> Sheet:
    """Understand a file: one pass over its bytes, one look at its beginning.

    Raises:
        UnreadableInput: no header, a needed header that is missing or stands twice.
    """
    scanned = scan(stream, options.encoding)
    own = (options.id, options.updated_at, options.external_id)
    needed = tuple(dict.fromkeys([*filter(None, own), *natives]))
    try:
        sample = _text(stream, scanned.encoding).read(_SAMPLE)
    except UnicodeError:
        codec = scanned.encoding.codec
        raise UnreadableInput(where, f"its bytes are not {codec}; declare `encoding:`") from None
    whole = len(sample) < _SAMPLE
    preamble = _SEP.match(sample)
    body = sample[preamble.end() :] if preamble else sample
    delimiter, found = _delimiter(body, where, options, preamble, needed)
    header = next(_sampled(body, where, delimiter), None)
    if header is None or header.cells is None:
        raise UnreadableInput(where, "has no header row")
    if len(header.cells) > MOST_CELLS:
        raise UnreadableInput(where, f"has more than {MOST_CELLS} columns; export fewer")
    if not whole and header.raw.count("\n") + header.raw.count("\r") == 0:
        raise UnreadableInput(where, f"has a header of more than {_SAMPLE} letters; export fewer")
    return Sheet(
        where,
        stream,
        scanned,
        options,
        natives,
        _columns(header.cells, needed, where),
        header,
        preamble[0] if preamble else "",
        delimiter,
        found,
    )


def _text(stream: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    stream.seek(len(encoding.mark))
    unowned = cast(BinaryIO, _Unowned(stream))
    return io.TextIOWrapper(unowned, encoding.codec, encoding.errors, newline="")


class _Unowned(io.BufferedIOBase):
    """A stream that stays open when the text around it is thrown away."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._stream.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def _sampled(body: str, where: str, delimiter: str) -> Iterator[Row]:
    text = io.StringIO(body, newline="")
    found = (row for row in rows(text, where, delimiter=delimiter) if not row.blank)
    for row, _ in zip(found, range(_SAMPLE_ROWS), strict=False):
        yield row


def _delimiter(
    body: str,
    where: str,
    options: FilesOptions,
    preamble: re.Match[str] | None,
    needed: Sequence[str],
) -> tuple[str, str]:
    if options.delimiter is not None:
        return options.delimiter, "declared"
    if preamble is not None:
        return preamble[1], "named by the file"

    def fit(delimiter: str) -> tuple[int, int, int]:
        found = list(_sampled(body, where, delimiter))
        if not found or found[0].cells is None:
            return (0, 0, 0)
        names = set(_names(found[0].cells))
        alike = sum(1 for row in found if row.cells is not None and not row.ragged)
        return (sum(1 for name in needed if name.strip() in names), alike, len(found[0].cells))

    return max(_DELIMITERS, key=fit), "detected"


def _own(remote_id: str | None) -> str | None:
    """The person_id in an id that Concord chose."""
    if remote_id is None or not remote_id.startswith(OWN):
        return None
    return remote_id.removeprefix(OWN) or None


def _names(cells: Iterable[str]) -> list[str]:
    return [cell.strip().lstrip("\ufeff") for cell in cells]


def _columns(cells: Sequence[str], needed: Sequence[str], where: str) -> dict[str, int]:
    names = _names(cells)
    for name in needed:
        count = names.count(name.strip())
        if count > 1:
            raise UnreadableInput(where, f"has the column {name!r} {count} times")
        if count == 0:
            # Only a near likeness is named: without a header the first row is somebody's record.
            near = get_close_matches(name.casefold(), [one.casefold() for one in names], 1, 0.8)
            hint = next((one for one in names if one.casefold() in near), None)
            asked = f"; is it {hint!r} now?" if hint is not None else ""
            raise UnreadableInput(where, f"lacks the column {name!r}{asked}")
    return {name: names.index(name.strip()) for name in needed}


def _sound(cell: str) -> bool:
    if len(cell) > LONGEST_CELL or "\0" in cell:
        return False
    return cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell)


def _version(row: Row) -> str:
    text = row.raw.rstrip("\r\n").encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=8).hexdigest()
