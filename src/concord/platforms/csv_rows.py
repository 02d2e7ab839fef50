"""Rows of CSV text (RFC 4180), each with the very text it was read from.

A quote that is never closed would swallow the rows after it. So a row that cannot be read, or that
goes over several lines and has the wrong number of cells, gives up its first line only, as a
damaged row, and reading starts again with the next line: damage takes no neighbour with it.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from concord.errors import UnreadableInput

__all__ = ["LONGEST_CELL", "MOST_CELLS", "Row", "line_end", "render", "rows", "with_cells"]

LONGEST_CELL = 131_072  # characters; the csv module's own limit
_LONGEST_LINE = 1 << 20
_MOST_LINES = 1_000  # that one row may go over
MOST_CELLS = 4_096
_MOST_ROWS = 5_000_000
_MOST_LINES_AGAIN = 2_000_000  # lines read again after damage, which bounds the time


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        number: 1-based; the header is a row too, a damaged line is a row of its own.
        cells: what stands in it; None when that cannot be told.
        raw: its text, line end included.
        ragged: it has not as many cells as the header.
    """

    number: int
    cells: Sequence[str] | None
    raw: str
    ragged: bool = False

    @property
    def blank(self) -> bool:
        """Nothing stands in any cell: a row that spreadsheets leave at the end of a file."""
        return self.cells is not None and not any(cell.strip() for cell in self.cells)


class _TooLongError(Exception):
    """A row goes on and on, as it does after a quote that is not closed."""


class _Lines:
    """Lines of a text; those of the row that is being read can be given back."""

    def __init__(self, text: TextIO, where: str) -> None:
        self.row = 0
        self.taken: list[str] = []
        self._text = text
        self._where = where
        self._waiting: deque[str] = deque()
        self._length = 0
        self._again = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._read()
        if not line:
            raise StopIteration
        if len(self.taken) == _MOST_LINES or self._length > 4 * LONGEST_CELL:
            self._waiting.appendleft(line)
            raise _TooLongError
        self.taken.append(line)
        self._length += len(line)
        return line

    def start_row(self) -> None:
        self.taken, self._length = [], 0
        self.row += 1
        if self.row > _MOST_ROWS:
            raise UnreadableInput(self._where, f"has more than {_MOST_ROWS} rows; split it")

    def give_back(self) -> str:
        """Keep the row's first line, and give back the others."""
        first, *others = self.taken
        self._waiting.extendleft(reversed(others))
        self._again += len(others)
        if self._again > _MOST_LINES_AGAIN:
            raise UnreadableInput(self._where, "has quotes that do not match, all over", self.row)
        return first

    def _read(self) -> str:
        try:
            line = self._text.readline(_LONGEST_LINE + 1)
        except UnicodeError:
            what = "its bytes are no text of its encoding; declare `encoding:`"
            raise UnreadableInput(self._where, what, self.row) from None
        if len(line) > _LONGEST_LINE:
            what = f"has a line of more than {_LONGEST_LINE} letters"
            raise UnreadableInput(self._where, what, self.row)
        return line


def rows(text: TextIO, where: str, *, delimiter: str, width: int | None = None) -> Iterator[Row]:
    """Read rows; *text* must not translate line ends.

    Args:
        where: names the file in errors.
        width: cells a row must have; None takes the first row that is not blank as the measure.

    Raises:
        UnreadableInput: too many rows, a line without an end, or bytes that are no text at all.
    """
    lines = _Lines(text, where)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLongError):
            yield Row(lines.row, None, lines.give_back())
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        row = Row(lines.row, cells, "".join(lines.taken))
        if width is None and not row.blank:
            width = len(cells)
        ragged = not row.blank and (len(cells) != width or len(cells) > MOST_CELLS)
        if ragged and len(lines.taken) > 1:
            yield Row(lines.row, None, lines.give_back())
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
        else:
            yield Row(row.number, cells, row.raw, ragged)


def line_end(raw: str) -> str:
    """How a row's text ends: ``\\r\\n``, ``\\n``, ``\\r``, or nothing at the end of a file."""
    return raw[len(raw.rstrip("\r\n")) :]


def render(cells: Sequence[str], *, delimiter: str, quote_all: bool) -> str:
    """The text of a new row, without a line end."""
    alone = len(cells) == 1
    return delimiter.join(
        _quoted(cell) if quote_all or _needs_quotes(cell, delimiter, alone) else cell
        for cell in cells
    )


def with_cells(row: Row, cells: Sequence[str], *, delimiter: str) -> str:
    """The text of *row* with other cells; what did not change stays as it was written."""
    assert row.cells is not None
    written = _written(row.raw, delimiter)
    if len(written) != len(row.cells):
        return render(cells, delimiter=delimiter, quote_all=False) + line_end(row.raw)
    alone = len(cells) == 1
    parts = []
    for old, raw, new in zip(row.cells, written, cells, strict=True):
        quote = raw.startswith('"') or _needs_quotes(new, delimiter, alone)
        parts.append(raw if old == new else _quoted(new) if quote else new)
    return delimiter.join(parts) + line_end(row.raw)


def _written(raw: str, delimiter: str) -> list[str]:
    """The text of each cell, quotes included."""
    line = raw[: len(raw) - len(line_end(raw))]
    cell = re.compile(rf'"[^"]*(?:""[^"]*)*"|[^{re.escape(delimiter)}]*')
    parts, start = [], 0
    while found := cell.match(line, start):
        parts.append(found[0])
        start = found.end() + 1
        if found.end() >= len(line):
            break
    return parts


def _needs_quotes(cell: str, delimiter: str, alone: bool) -> bool:
    return any(one in cell for one in (delimiter, '"', "\r", "\n")) or (alone and not cell)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'
