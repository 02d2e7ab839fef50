"""Kind *files*: Parquet and Avro in a folder."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concord.errors import ConcordError, PlatformRefused, UnreadableInput
from concord.platforms import files_parquet
from concord.platforms.base import Operation, Outcome, Record, Verb
from concord.platforms.conformance import (
    Bench,
    SourceSinkConformance,
    Trouble,
    assert_tells_nothing,
)
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files
from concord.platforms.files_parquet import ParquetTable

FIELDS = ("id", "first", "last", "note", "ref")
ARROW = pa.schema([pa.field(name, pa.string()) for name in FIELDS])
NULLABLE = ["null", "string"]
AVRO: dict[str, Any] = {
    "type": "record",
    "name": "Contact",
    "fields": [{"name": name, "type": NULLABLE} for name in FIELDS],
}


def files(folder: Path, form: str, **changes: Any) -> Files:
    declared = {
        "kind": "files",
        "connection": "newsletter",
        "pattern": f"*.{form}",
        "id": "id",
        "purpose": "marketing",
        "fields": {"given_name": "first", "family_name": "last"},
    }
    declaration = PlatformDeclaration.model_validate({**declared, **changes})
    return Files("letters", declaration, Connection("n", "fs", str(folder)), root=folder)


class TableBench(Bench):
    first, second = "first", "last"
    form: str
    poison: Mapping[str, Any] | None = {"first": "zero\0byte"}

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.file = folder / f"contacts.{self.form}"
        self.connector = files(folder, self.form, **changes)
        self._added = 0
        self.save([])

    @abstractmethod
    def load(self) -> list[dict[str, Any]]: ...

    @abstractmethod
    def save(self, rows: list[dict[str, Any]]) -> None: ...

    def add(self, fields: Mapping[str, str | None]) -> str:
        self._added += 1
        row = {**dict.fromkeys(FIELDS), "id": str(self._added), **fields}
        self.save([*self.load(), row])
        return str(self._added)

    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        self.save([{**r, **fields} if r["id"] == remote_id else r for r in self.load()])

    def remove(self, remote_id: str) -> None:
        self.save([row for row in self.load() if row["id"] != remote_id])

    def annotate(self, remote_id: str, text: str) -> None:
        self.edit(remote_id, {"note": text})

    def annotation(self, remote_id: str) -> str | None:
        return next((row["note"] for row in self.load() if row["id"] == remote_id), None)

    def spoil(self) -> str:
        row = {**dict.fromkeys(FIELDS), "id": "spoilt", "first": "zero\0byte"}
        self.save([*self.load(), row])
        return "record.damaged"

    @contextmanager
    def troubled(self, trouble: Trouble) -> Iterator[Files | None]:
        folder, moved = self.file.parent, self.file.parent.with_suffix(".moved")
        if trouble is Trouble.DOWN:
            folder.rename(moved)
            yield self.connector
            moved.rename(folder)
        elif trouble is Trouble.BABBLES:
            kept = self.file.read_bytes()
            self.file.write_bytes(bytes(range(256)) * 4)
            yield self.connector
            self.file.write_bytes(kept)
        else:
            yield None

    def broken(self) -> Files:
        return files(self.file.parent / "nowhere", self.form)

    def fill(self, count: int) -> None:
        rows = [{**dict.fromkeys(FIELDS), "id": str(n), "first": f"f {n}"} for n in range(count)]
        self.save([*self.load(), *rows])


class ParquetBench(TableBench):
    form = "parquet"

    def load(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.file).to_pylist()
        return rows

    def save(self, rows: list[dict[str, Any]]) -> None:
        pq.write_table(pa.Table.from_pylist(rows, ARROW), self.file, row_group_size=300)


class AvroBench(TableBench):
    form = "avro"

    def load(self) -> list[dict[str, Any]]:
        with self.file.open("rb") as stream:
            return [row for row in fastavro.reader(stream) if isinstance(row, dict)]

    def save(self, rows: list[dict[str, Any]]) -> None:
        with self.file.open("wb") as stream:
            fastavro.writer(stream, AVRO, rows, codec="deflate")


class TestParquetConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return ParquetBench(tmp_path)


class TestAvroConformance(SourceSinkConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return AvroBench(tmp_path, external_id="ref")


def listed(folder: Path, form: str, **changes: Any) -> list[Record]:
    pages = files(folder, form, **changes).listing()
    return [record for page in pages for record in page.records]


def update(remote_id: str, values: Mapping[str, Any], expect: Mapping[str, Any]) -> Operation:
    return Operation("1", Verb.UPDATE, remote_id, "p", values, expect)


def create(values: Mapping[str, Any]) -> Operation:
    return Operation("c", Verb.CREATE, None, "p9", values)


SECRET = "Canary"
CANARY = create({"first": SECRET})

TYPED = {"born": "2000-02-29", "at": "2026-11-25T08:00:00+00:00", "count": "49", "sum": "12.50"}
MAPPED: dict[str, Any] = {"given_name": "first", **{name: name for name in TYPED}, "ok": "ok"}
ROW = {
    "id": 7,
    "first": "Ann",
    "born": date(2000, 2, 29),
    "at": datetime(2026, 11, 25, 8, tzinfo=UTC),
    "count": 49,
    "sum": Decimal("12.50"),
    "ok": True,
    "tags": [{"name": "tea", "since": None}],
}
ARROW_TYPED = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("first", pa.dictionary(pa.int32(), pa.string())),
        pa.field("born", pa.date32()),
        pa.field("at", pa.timestamp("us", "UTC")),
        pa.field("count", pa.int16(), nullable=False),
        pa.field("sum", pa.decimal128(9, 2)),
        pa.field("ok", pa.bool_()),
        pa.field("tags", pa.list_(pa.struct([("name", pa.string()), ("since", pa.date32())]))),
    ],
    metadata={"made by": "somebody"},
)
AVRO_TYPED = {
    "type": "record",
    "name": "Contact",
    "doc": "kept",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "first", "type": ["null", "string"], "default": None, "doc": "kept"},
        {"name": "born", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "count", "type": "int"},
        {
            "name": "sum",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "ok", "type": ["null", "boolean"]},
        {
            "name": "tags",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Tag",
                    "fields": [
                        {"name": "name", "type": ["string", "null"]},
                        {"name": "since", "type": ["null", "string"]},
                    ],
                },
            },
        },
    ],
}


def put_typed(folder: Path, form: str, **changes: Any) -> Path:
    file = folder / f"x.{form}"
    if form == "parquet":
        table = pa.Table.from_pylist([{**ROW, **changes}], ARROW_TYPED)
        pq.write_table(table, file, compression="zstd")
    else:
        with file.open("wb") as stream:
            fastavro.writer(
                stream, AVRO_TYPED, [{**ROW, **changes}], metadata={"made by": "somebody"}
            )
    return file


def rows_of(file: Path) -> list[Any]:
    if file.suffix == ".parquet":
        return list(pq.read_table(file).to_pylist())
    with file.open("rb") as stream:
        return list(fastavro.reader(stream))


def shape(file: Path) -> Any:
    """Schema, metadata and codec of a file."""
    if file.suffix == ".parquet":
        found = pq.ParquetFile(file)
        return (
            found.schema_arrow,
            found.schema_arrow.metadata,
            found.metadata.row_group(0).column(0).compression,
        )
    with file.open("rb") as stream:
        header = dict(fastavro.reader(stream).metadata)
    return json.loads(header.pop("avro.schema")), header


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_typed_values_are_texts_and_go_back_as_their_types(tmp_path: Path, form: str) -> None:
    file = put_typed(tmp_path, form)
    (record,) = listed(tmp_path, form, fields=MAPPED)
    assert record.remote_id == "7"
    assert record.fields == {"first": "Ann", **TYPED, "ok": "true"}
    before = shape(file)
    values = {"born": "1999-01-01", "sum": "3.10", "ok": None, "count": "-1", "first": "Zoë"}
    (receipt,) = files(tmp_path, form, fields=MAPPED).write([update("7", values, record.fields)])
    assert receipt.outcome is Outcome.OK
    assert receipt.record == files(tmp_path, form, fields=MAPPED).read(["7"])[0]
    changed = {"born": date(1999, 1, 1), "sum": Decimal("3.10"), "ok": None, "count": -1}
    assert rows_of(file) == [{**ROW, **changed, "first": "Zoë"}]
    assert shape(file) == before


@pytest.mark.parametrize("form", ["parquet", "avro"])
@pytest.mark.parametrize(
    ("native", "text", "code"),
    [
        ("born", "spring", "type"),
        ("count", "4.5", "type"),
        ("count", "99999999999", "type"),
        ("count", None, "null"),
        ("sum", "1.2345", "type"),
        ("ok", "perhaps", "type"),
        ("at", "yesterday", "type"),
    ],
)
def test_a_value_that_the_type_cannot_hold_is_refused_alone(
    tmp_path: Path, form: str, native: str, text: str | None, code: str
) -> None:
    file = put_typed(tmp_path, form)
    before = file.read_bytes()
    refused, other = files(tmp_path, form, fields=MAPPED).write(
        [update("7", {native: text}, {}), update("7", {"first": "Ann"}, {})]
    )
    assert (refused.outcome, refused.code, other.outcome) == (Outcome.REJECTED, code, Outcome.OK)
    assert file.read_bytes() == before


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_a_new_row_needs_the_id_to_be_a_text_and_columns_that_may_be_empty(
    tmp_path: Path, form: str
) -> None:
    put_typed(tmp_path, form)
    (receipt,) = files(tmp_path, form, fields=MAPPED).write([create({"first": "Bob"})])
    assert receipt.outcome is Outcome.REJECTED
    assert receipt.code in ("type", "null", "column.required")


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_a_list_cannot_be_mapped_and_a_missing_column_is_named(tmp_path: Path, form: str) -> None:
    put_typed(tmp_path, form)
    with pytest.raises(UnreadableInput, match=rf"^x\.{form}: has in the .* 'tags' no single"):
        listed(tmp_path, form, fields={"given_name": "tags"})
    with pytest.raises(UnreadableInput, match=r"lacks the column 'firs'; is it 'first' now\?"):
        listed(tmp_path, form, fields={"given_name": "firs"})


def test_text_that_is_not_utf_8_and_dates_out_of_all_time_damage_their_row_only(
    tmp_path: Path,
) -> None:
    first = pa.array([b"Ann", b"\xff\xfe", b"Cid"]).cast(pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 3, first.buffers())
    when = pa.array([0, 1, 2**62], pa.int64()).cast(pa.timestamp("ms"))
    table = pa.table({"id": ["1", "2", "3"], "first": bad, "last": when})
    pq.write_table(table, tmp_path / "x.parquet")
    found = listed(tmp_path, "parquet")
    assert [one.fault for one in found] == [None, "record.damaged", "record.damaged"]
    assert [one.place for one in found] == [None, "x.parquet:2", "x.parquet:3"]


def test_doubled_columns_and_ids_are_told(tmp_path: Path) -> None:
    table = pa.table([["1"], ["a"], ["b"], ["c"]], names=["id", "first", "first", "last"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UnreadableInput, match="has the column 'first' 2 times"):
        listed(tmp_path, "parquet")
    table = pa.table({"id": ["1", "1", None], "first": ["a", "b", "c"], "last": ["", "", ""]})
    pq.write_table(table, tmp_path / "x.parquet")
    faults = [one.fault for one in listed(tmp_path, "parquet")]
    assert faults == [None, "id.duplicate", "id.missing"]


@pytest.mark.parametrize("form", ["parquet", "avro"])
def test_an_empty_file_and_any_cut_are_refused_with_the_file_and_change_nothing(
    tmp_path: Path, form: str
) -> None:
    file = put_typed(tmp_path, form, first=SECRET)
    whole = file.read_bytes()
    for end in (0, 3, len(whole) // 2, len(whole) - 5):
        file.write_bytes(whole[:end])
        for call in (
            lambda: listed(tmp_path, form),
            lambda: files(tmp_path, form, fields=MAPPED).write([CANARY]),
        ):
            with pytest.raises(UnreadableInput, match=rf"^x\.{form}") as caught:
                call()
            assert_tells_nothing(caught.value, SECRET)
        assert file.read_bytes() == whole[:end]


@pytest.mark.parametrize("form", ["parquet", "avro"])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_damage_is_read_or_refused_and_never_anything_else(
    tmp_path: Path, form: str, data: st.DataObject
) -> None:
    file = put_typed(tmp_path, form)
    whole = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(whole)
    try:
        found = listed(tmp_path, form, fields=MAPPED)
    except ConcordError:
        return
    assert all(one.fault or one.remote_id for one in found)


def test_any_one_byte_of_a_parquet_file_may_be_damaged(tmp_path: Path) -> None:
    file = put_typed(tmp_path, "parquet")
    whole = file.read_bytes()
    for place in range(4, 400):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xBE]) + whole[place + 1 :])
        try:
            found = listed(tmp_path, "parquet", fields=MAPPED)
        except ConcordError:
            continue
        assert all(one.fault or one.remote_id for one in found)


def test_an_avro_schema_that_holds_itself_is_refused(tmp_path: Path) -> None:
    schema = {
        "type": "record",
        "name": "Node",
        "fields": [
            *({"name": name, "type": "string"} for name in ("id", "first", "last")),
            {"name": "next", "type": ["null", "Node"]},
        ],
    }
    with (tmp_path / "x.avro").open("wb") as stream:
        fastavro.writer(stream, schema, [{"id": "1", "first": "a", "last": "b", "next": None}])
    with pytest.raises(UnreadableInput, match="a schema that holds itself"):
        listed(tmp_path, "avro")


def test_a_parquet_text_that_is_one_huge_word_many_times_costs_one_word(tmp_path: Path) -> None:
    rows = 20_000
    table = pa.table(
        {
            "id": [str(n) for n in range(rows)],
            "first": pa.DictionaryArray.from_arrays([0] * rows, ["x" * 2_000_000]),
            "last": [""] * rows,
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    found = listed(tmp_path, "parquet")
    assert len(found) == rows
    assert {one.fault for one in found} == {"record.damaged"}


def test_a_row_group_that_is_too_large_is_refused_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_parquet, "MOST_UNPACKED", 100)
    ParquetBench(tmp_path).fill(100)
    with pytest.raises(UnreadableInput, match="has a row group of more than"):
        listed(tmp_path, "parquet")


def test_a_schema_that_our_writer_would_change_is_read_only(tmp_path: Path) -> None:
    schema = pa.schema([*ARROW, pa.field("ns", pa.timestamp("ns"))])
    row = {**dict.fromkeys(FIELDS), "id": "1", "first": "Ann", "ns": None}
    pq.write_table(
        pa.Table.from_pylist([row], schema),
        tmp_path / "x.parquet",
        use_deprecated_int96_timestamps=True,
        store_schema=False,
    )
    (receipt,) = files(tmp_path, "parquet").write([update("1", {"first": "Bob"}, {})])
    assert receipt.outcome is Outcome.OK
    kinds = pq.ParquetFile(tmp_path / "x.parquet").schema
    assert kinds.column(5).physical_type == "INT96"
    with (tmp_path / "x.parquet").open("rb") as stream:
        table = ParquetTable(stream, "x.parquet", files(tmp_path, "parquet")._options, ())
        with pytest.raises(PlatformRefused, match="would not stay as it is"):
            table._refuse_another_schema({"version": "1.0"})
