"""Kind *files*: columns that come and go between the files of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import UnreadableInput
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files
from concord.platforms.files_drift import drift_notes


def files(folder: Path, form: str, **changes: Any) -> Files:
    declared = {
        "kind": "files",
        "connection": "n",
        "pattern": f"*.{form}",
        "id": "id",
        "purpose": "x",
        "fields": {"given_name": "first"},
    }
    declaration = PlatformDeclaration.model_validate({**declared, **changes})
    return Files("letters", declaration, Connection("n", "fs", str(folder)), root=folder)


def put(folder: Path, name: str, columns: list[str], age: int) -> None:
    file = folder / name
    if name.endswith("csv"):
        file.write_text(f"{','.join(columns)}\n{','.join('1' for _ in columns)}\n")
    else:
        pq.write_table(pa.table({column: ["1"] for column in columns}), file)
    os.utime(file, (age, age))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_run_is_told_which_file_has_which_column(tmp_path: Path, form: str) -> None:
    put(tmp_path, f"a.{form}", ["id", "first", "e-mail", "fax"], 1)
    put(tmp_path, f"b.{form}", ["id", "first", "email", "score"], 2)
    (page,) = files(tmp_path, form).listing()
    assert page.notes == (
        f"b.{form} probably calls 'e-mail' of a.{form} 'email' now",
        f"b.{form} lacks 'fax', which a.{form} has",
        f"b.{form} has 'score', which a.{form} lacks",
    )
    assert list(files(tmp_path, form).check().notes[-3:]) == list(page.notes)
    (again,) = files(tmp_path, form).changes(page.cursor or "")
    assert again.notes == ()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_missing_mapped_column_fails_and_names_the_file_that_has_it(
    tmp_path: Path, form: str
) -> None:
    put(tmp_path, f"a.{form}", ["id", "first"], 1)
    put(tmp_path, f"b.{form}", ["id", "firsts"], 2)
    told = rf"b\.{form}: lacks the column 'first'; is it 'firsts' now\?; a\.{form}, the file before"
    with pytest.raises(UnreadableInput, match=told):
        list(files(tmp_path, form).listing())


def test_an_older_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    put(tmp_path, "b.csv", ["id", "first"], 2)
    (tmp_path / "a.csv").write_bytes(b"\0")
    os.utime(tmp_path / "a.csv", (1, 1))
    (page,) = files(tmp_path, "csv").listing()
    assert page.notes == ()


columns = st.lists(st.text("abcd", min_size=1, max_size=4), max_size=6)


@given(columns, columns)
def test_files_with_the_same_columns_agree_and_others_do_not(
    after: list[str], before: list[str]
) -> None:
    assert bool(drift_notes("b", after, "a", before)) == (set(after) != set(before))


def test_a_new_column_is_the_new_name_of_one_column_only() -> None:
    notes = drift_notes("b.csv", ["email"], "a.csv", ["e-mail", "emails"])
    assert notes == (
        "b.csv probably calls 'e-mail' of a.csv 'email' now",
        "b.csv lacks 'emails', which a.csv has",
    )
