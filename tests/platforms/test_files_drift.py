"""Kind *files*: columns that come and go between the files of a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.errors import UnreadableInput
from concord.platforms import files_formats
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files
from concord.platforms.files_drift import drift_notes
from concord.platforms.files_folder import MOST_COMPARED


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
    notes = drift_notes("b", texts(*after), "a", texts(*before))
    assert bool(notes) == (set(after) != set(before))


def texts(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


def test_a_new_column_is_the_new_name_of_one_column_only() -> None:
    notes = drift_notes("b.csv", texts("email"), "a.csv", texts("e-mail", "emails"))
    assert notes == (
        "b.csv probably calls 'e-mail' of a.csv 'email' now",
        "b.csv lacks 'emails', which a.csv has",
    )


def test_a_header_in_another_language_is_known_by_its_places() -> None:
    notes = drift_notes("b", texts("id", "Vorname", "Firma"), "a", texts("id", "first", "company"))
    assert notes == (
        "b probably calls 'first' of a 'Vorname' now",
        "b probably calls 'company' of a 'Firma' now",
    )
    longer = texts("id", "Vorname", "Adresse", "Fax")
    told = ("b lacks 'first', which a has", "b has 'Vorname', 'Adresse', 'Fax', which a lacks")
    assert drift_notes("b", longer, "a", texts("id", "first")) == told


def test_a_column_that_has_another_type_is_told_under_its_new_name(tmp_path: Path) -> None:
    before = {"id": pa.string(), "first": pa.string(), "born": pa.string(), "score": pa.int32()}
    after = {"id": pa.string(), "first": pa.string(), "born": pa.date32(), "scores": pa.int64()}
    for age, (name, columns) in enumerate([("a", before), ("b", after)], start=1):
        pq.write_table(pa.schema(columns.items()).empty_table(), tmp_path / f"{name}.parquet")
        os.utime(tmp_path / f"{name}.parquet", (age, age))
    (page,) = files(tmp_path, "parquet").listing()
    assert page.notes == (
        "b.parquet probably calls 'score' of a.parquet 'scores' now",
        "b.parquet holds int64 in 'scores', where a.parquet has int32",
        "b.parquet holds date32[day] in 'born', where a.parquet has string",
    )


def test_an_avro_field_that_may_not_be_null_any_more_is_told(tmp_path: Path) -> None:
    for age, kind in enumerate([["null", "string"], "string"], start=1):
        fields = [{"name": "id", "type": "string"}, {"name": "first", "type": kind}]
        with (tmp_path / f"{age}.avro").open("wb") as stream:
            fastavro.writer(stream, {"type": "record", "name": "C", "fields": fields}, [])
        os.utime(tmp_path / f"{age}.avro", (age, age))
    (page,) = files(tmp_path, "avro").listing()
    assert page.notes == ("2.avro holds string in 'first', where 1.avro has null or string",)


def test_every_file_that_came_since_the_last_reading_is_told_of_once(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", ["id", "first"], 1)
    (page,) = files(tmp_path, "csv").listing()
    put(tmp_path, "b.csv", ["id", "first", "fax"], 2)
    put(tmp_path, "c.csv", ["id", "first", "fax"], 3)
    put(tmp_path, "d.csv", ["id", "first", "score", "fax"], 4)
    (page,) = files(tmp_path, "csv").changes(page.cursor or "")
    assert page.notes == (
        "b.csv has 'fax', which a.csv lacks",
        "d.csv has 'score', which c.csv lacks",
    )
    put(tmp_path, "e.csv", ["id", "first", "score", "fax"], 5)
    (page,) = files(tmp_path, "csv").changes(page.cursor or "")
    assert page.notes == ()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_in_the_place_of_yesterdays_is_compared_with_it(
    tmp_path: Path, form: str
) -> None:
    put(tmp_path, f"a.{form}", ["id", "first", "fax"], 1)
    (page,) = files(tmp_path, form).listing()
    put(tmp_path, f"a.{form}", ["id", "first", "score", "flags"], 2)
    (page,) = files(tmp_path, form).changes(page.cursor or "")
    assert page.notes == (
        f"a.{form} lacks 'fax', which a.{form}, as last read, has",
        f"a.{form} has 'score', 'flags', which a.{form}, as last read, lacks",
    )


def test_a_file_with_very_many_columns_is_remembered_by_its_digest(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", ["id", "first", *(f"column {n}" for n in range(100))], 1)
    (page,) = files(tmp_path, "csv").listing()
    assert len(page.cursor or "") == 32
    (again,) = files(tmp_path, "csv").changes(page.cursor or "")
    assert (again.full, again.records) == (False, [])


def test_of_a_folder_of_years_the_newest_are_opened_and_their_beginnings_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in range(1, 200):
        put(tmp_path, f"{age:03}.csv", ["id", "first", f"week {age // 5}"], age)
    with (tmp_path / "198.csv").open("a") as stream:
        stream.write("2,2,2\n" * 100_000)
    os.utime(tmp_path / "198.csv", (198, 198))
    read: list[int] = []
    plain = files_formats._head

    def counted(stream: BinaryIO) -> bytes:
        read.append(len(head := plain(stream)))
        return head

    monkeypatch.setattr(files_formats, "_head", counted)
    (page,) = files(tmp_path, "csv").listing()
    assert page.notes == (
        "190.csv probably calls 'week 37' of 189.csv 'week 38' now",
        "195.csv probably calls 'week 38' of 194.csv 'week 39' now",
    )
    assert len(read) == MOST_COMPARED
    assert max(read) <= 1 << 16


def test_the_error_of_a_missing_column_names_the_newest_file_that_has_it(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", ["id", "first"], 1)
    put(tmp_path, "b.csv", ["id", "Vorname"], 2)
    put(tmp_path, "c.csv", ["id", "Vorname"], 3)
    told = r"c\.csv: lacks the column 'first'; a\.csv, 2 files before it, can be read"
    with pytest.raises(UnreadableInput, match=told):
        list(files(tmp_path, "csv").listing())


def test_a_first_row_that_is_somebody_is_never_taken_for_a_header(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", ["17", "Canary"], 1)
    put(tmp_path, "b.csv", ["id", "first"], 2)
    put(tmp_path, "c.csv", ["18", "Canary"], 3)
    put(tmp_path, "d.csv", ["id", "first", "fax"], 4)
    (page,) = files(tmp_path, "csv").listing()
    assert page.notes == ("d.csv has 'fax', which b.csv lacks",)
