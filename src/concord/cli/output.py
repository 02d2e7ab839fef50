"""Tables for people, JSON for programs; the same facts in both."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Format", "show", "show_rows"]


_WIDTH = 140  # where nobody can say how wide the paper is


class Format(StrEnum):
    """How a command prints."""

    TABLE = "table"
    JSON = "json"


def show_rows(
    rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str], title: str, form: Format
) -> None:
    """Print *rows*: a table with *columns*, or a JSON list of the same mappings."""
    if form is Format.JSON:
        show(list(rows), form=form)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        numeric = any(isinstance(row.get(column), int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def show(value: Any, *, form: Format) -> None:
    """Print one value: JSON, or a line for each of its entries."""
    if form is Format.JSON:
        print(json.dumps(value, ensure_ascii=False, default=str, indent=2))
        return
    lines = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, entry in lines:
        Console(soft_wrap=True).print(f"{name}: {_cell(entry)}", markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
