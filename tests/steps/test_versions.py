"""Rows of a table, version by version, as far as the table still knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake, Table
from concord.steps.versions import History, versions_of

SCHEMA = {"id": pl.String(), "name": pl.String(), "town": pl.String(), "_row_hash": pl.Int64()}


def table(folder: Path) -> Table:
    lake, dataset = Lake(str(folder)), Dataset("clean/crm", "id")
    create_table(lake, dataset, SCHEMA, run=RunId("deploy", "deploy"))
    return lake.open(dataset)


def write(to: Table, run: str, *rows: tuple[str, str, str], gone: tuple[str, ...] = ()) -> None:
    names = {name: kind for name, kind in SCHEMA.items() if name != "_row_hash"}
    change = Change(
        pl.DataFrame(list(rows), schema=names, orient="row"), pl.Series(gone, dtype=pl.String)
    )
    publish(to, lambda *_: change, upto={}, run=RunId(run, "clean.crm"))


def told(history: History) -> list[tuple[Any, ...]]:
    return [(one.version, one.change, one.columns, one.run) for one in history.versions]


def changed(folder: Path) -> list[Path]:
    """The files of the change data feed."""
    return list((folder / "clean" / "crm" / "_change_data").iterdir())


def filled(folder: Path) -> Table:
    made = table(folder)
    write(made, "r1", ("a", "Ann", "Graz"), ("b", "Bea", "Linz"))
    write(made, "r2", ("b", "Bea", "Wien"))
    write(made, "r3", ("a", "Ann", "Wels"), ("c", "Cem", "Graz"))
    write(made, "r4", gone=("a",))
    return made


def test_a_row_is_followed_from_its_first_version_to_its_last(tmp_path: Path) -> None:
    history = versions_of(filled(tmp_path), {"id": ["a"]}, most=100)
    assert told(history) == [
        (1, "new", ("name", "town"), "r1"),
        (3, "changed", ("town",), "r3"),
        (4, "removed", (), "r4"),
    ]
    assert history.since == 0


def test_any_column_may_name_the_rows(tmp_path: Path) -> None:
    history = versions_of(filled(tmp_path), {"id": ["b"], "name": ["Cem"]}, most=100)
    assert [(one.row["id"], one.version) for one in history.versions] == [
        ("b", 1),
        ("b", 2),
        ("c", 3),
    ]


def test_only_the_newest_versions_are_looked_at_and_that_is_told(tmp_path: Path) -> None:
    history = versions_of(filled(tmp_path), {"id": ["a"]}, most=2)
    assert (told(history)[0][0], history.since) == (3, 3)


def test_what_vacuum_took_is_told_and_the_rest_is_followed(tmp_path: Path) -> None:
    made = filled(tmp_path)
    files = sorted(changed(tmp_path), key=lambda one: one.stat().st_mtime_ns)
    files[0].unlink()
    history = versions_of(made, {"id": ["a", "b"]}, most=100)
    assert history.since == 3
    assert [(one.change, one.row["id"], one.version) for one in history.versions] == [
        ("kept", "b", 4),
        ("changed", "a", 3),
        ("removed", "a", 4),
    ]


def test_where_no_change_can_be_read_the_rows_come_as_they_stand(tmp_path: Path) -> None:
    made = filled(tmp_path)
    for old in changed(tmp_path):
        old.unlink()
    history = versions_of(made, {"id": ["b"]}, most=100)
    assert history.since == 5
    assert [(one.change, one.version, one.row["town"]) for one in history.versions] == [
        ("kept", 4, "Wien")
    ]


def test_a_row_that_never_was_has_no_version(tmp_path: Path) -> None:
    assert versions_of(filled(tmp_path), {"id": ["z"]}, most=100).versions == ()
