"""Everything that was written, file by file, but for the places where people's data may be.

What may be where is declared in docs/privacy.md, in two tables: kinds of files, and columns.
"""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import polars as pl
from canaries import finds

from concord.project import Project

__all__ = ["Leak", "leaks", "undeclared"]

PAGE = Path(__file__).parents[2] / "docs" / "privacy.md"
OPEN = ("public", "internal")

Leak = tuple[str, str]
"""Where, and what was found there."""


def _table(heading: str) -> list[list[str]]:
    """The cells of the table below *heading*."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")
    section = section.partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _kinds() -> list[tuple[str, bool]]:
    """Declared kinds of files: a pattern, and whether people's data may be in them."""
    return [(name, row[2] != "no") for row in _table("Files") for name in _names(row[0])]


def _columns(dataset: str, project: Project) -> frozenset[str]:
    """Columns of *dataset* in which people's data may be."""
    declared = {
        name
        for row in _table("Columns")
        if fnmatchcase(dataset, _names(row[0])[0])
        for name in _names(row[1])
    }
    contract = project.contract(dataset)
    classed = contract.columns if contract else ()
    return frozenset(declared | {one.name for one in classed if one.classification not in OPEN})


def _files(*folders: Path) -> Iterator[tuple[Path, str]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() or path.is_symlink():
                yield path, path.relative_to(folder).as_posix()


def undeclared(root: Path) -> list[str]:
    """Files of the project that no row of docs/privacy.md names."""
    kinds = [pattern for pattern, _ in _kinds()]
    return [name for _, name in _files(root) if not any(fnmatchcase(name, k) for k in kinds)]


def leaks(root: Path, project: Project, lake: str, *, declared: bool = True) -> list[Leak]:
    """Canaries in names of files, and in files and columns that are declared free of people's data.

    Args:
        root: of the project; everything that was written is below it.
        lake: the lake's folder, below root.
        declared: false searches the declared places too.
    """
    personal = [pattern for pattern, may in _kinds() if may and declared]
    found: list[Leak] = []
    for path, name in _files(root):
        found += _told(name, name.encode())
        dataset = _dataset(name, lake, project)
        if dataset and path.suffix == ".parquet" and "_delta_log" not in name:
            columns = _columns(dataset, project) if declared else frozenset()
            found += _in_rows(name, pl.read_parquet(path), columns)
        elif not any(fnmatchcase(name, pattern) for pattern in personal):
            found += _in_file(name, path)
    return found


def _dataset(name: str, lake: str, project: Project) -> str | None:
    inside = name.removeprefix(f"{lake}/")
    return next((one for one in project.datasets if inside.startswith(f"{one}/")), None)


def _told(where: str, data: bytes) -> list[Leak]:
    return [(where, one.decode("utf-8", "replace")) for one in finds(data)]


def _in_file(name: str, path: Path) -> list[Leak]:
    data = path.read_bytes()
    found = _told(name, data)
    if path.suffix == ".parquet":
        found += _in_rows(name, pl.read_parquet(path), frozenset())
    elif data.startswith(b"\x1f\x8b"):
        found += _told(name, gzip.decompress(data))
    elif data.startswith(b"SQLite format 3\0"):
        found += _in_database(name, path)
    else:
        lines = data.decode("utf-8", "replace").splitlines()
        found += _told(name, "\n".join(text for one in lines for text in _texts(one)).encode())
    return found


def _in_rows(name: str, rows: pl.DataFrame, personal: frozenset[str]) -> list[Leak]:
    found = []
    for column in rows.columns:
        if column not in personal:
            texts = "\n".join(_texts(rows[column].to_list()))
            found += _told(f"{name}: {column}", texts.encode())
    return found


def _in_database(name: str, path: Path) -> list[Leak]:
    found = []
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'select * from "{table}"'):
                raw = b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
                found += _told(f"{name}: {table}", raw)
    return found


def _texts(value: Any) -> Iterator[str]:
    """Every text in *value*, with what JSON inside it says."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif value is not None:
        yield str(value)
        if isinstance(value, str) and value[:1] in "[{" and value[-1:] in "]}":
            with suppress(ValueError):
                yield from _texts(json.loads(value))
