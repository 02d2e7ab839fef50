"""Tables for people, JSON for programs; the same facts in both."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["Format", "cell", "show", "show_rows"]


_WIDTH = 140  # where nobody can say how wide the paper is


class Format(StrEnum):
    """How a command prints."""

    TABLE = "table"
    JSON = "json"


def show_rows(
    rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], title: str, form: Format
) -> None:
    """Print *rows*: a table with *columns*, a line a value where none fits, or a JSON list."""
    if form is Format.JSON:
        show(list(rows), form=form)
        return
    if not rows:
        print(f"{title}: none")
        return
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    widths = [_longest_word(column, rows) for column in columns]
    if sum(widths) + 3 * len(widths) + 1 > console.width:
        _print_one_by_one(rows, columns, title)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", min_width=width)
    for row in rows:
        table.add_row(*(escape(cell(row.get(column))) for column in columns))
    console.print(table)


def _longest_word(column: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """What a column needs so that no id in it is cut: lines break at blanks only."""
    cells = (column, *(cell(row.get(column)) for row in rows))
    return max(cell_len(word) for cell in cells for word in cell.split() or ("",))


def _print_one_by_one(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str
) -> None:
    """A line for each value, where the paper is too narrow for a table."""
    width = max(map(len, columns))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(title)
    for number, row in enumerate(rows, 1):
        console.print(f"-- {number}")
        for column in columns:
            shown = cell(row.get(column))
            if shown:
                console.print(f"   {column:<{width}}  {shown}")


def show(value: Any, *, form: Format) -> None:
    """Print one value: JSON, or a line for each of its entries."""
    if form is Format.JSON:
        print(json.dumps(value, ensure_ascii=False, default=str, indent=2))
        return
    lines = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, entry in lines:
        Console(soft_wrap=True).print(f"{name}: {cell(entry)}", markup=False)


def cell(value: Any) -> str:
    """A value as it stands in a table; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple):
        return ", ".join(_within(one) for one in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _within(value: Any) -> str:
    """One entry of a list: of an e-mail its value, type, and the flags that are set."""
    if not isinstance(value, dict):
        return cell(value)
    if any(isinstance(one, dict | list) for one in value.values()):
        return json.dumps(value, ensure_ascii=False, default=str)
    said = (name if one is True else str(one) for name, one in value.items() if one)
    return " ".join(said)
