from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from concord.assets.commit import RunId
from concord.assets.dataset import ContractRef, Dataset
from concord.assets.evolution import add_columns, create_table, schema_difference
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake, Table, to_delta
from concord.errors import BreakingChange, NotDeployed, SchemaDrift, UnreadableInput, UsageError

RUN = RunId("r1", "deploy")
KEYED: dict[str, pl.DataType] = {"id": pl.String(), "_row_hash": pl.Int64()}
THING = Dataset("ops/things", "id", stats=("id",))
Fresh = Callable[..., Table]
Contacts = Callable[[Mapping[str, Any]], pl.DataFrame]

CREATE = """
import sys, polars as pl
from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.table import Lake
lake = Lake(sys.argv[1])
schema = {"id": pl.String(), "_row_hash": pl.Int64()}
print("ready", flush=True)
sys.stdin.readline()
print(create_table(lake, Dataset("ops/things", "id"), schema, run=RunId("r", "deploy")))
"""


def test_deploying_twice_makes_one_table(fresh_lake: Callable[[], Lake]) -> None:
    lake = fresh_lake()
    assert create_table(lake, THING, KEYED, run=RUN)
    assert not create_table(lake, THING, KEYED, run=RUN)
    assert lake.open(THING).version == 0


def test_racing_creators_make_one_table(fresh_lake: Callable[[], Lake]) -> None:
    lake = fresh_lake()
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, lake.root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        racer.stdout.readline()
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert said == ["False", "False", "True"]
    assert lake.open(THING).version == 0


def test_a_missing_table_says_what_to_do(fresh_lake: Callable[[], Lake]) -> None:
    with pytest.raises(NotDeployed, match="ops/things: there is no table yet; run `concord"):
        fresh_lake().open(THING)


@pytest.mark.parametrize("spoilt", [b"{ada@example.org", b"\xff\xfe", b""])
def test_a_damaged_log_is_told_with_its_dataset_and_what_to_do_and_quotes_nothing(
    fresh: Fresh, spoilt: bytes
) -> None:
    lake = Lake(fresh().uri.removesuffix("/clean/crm"))
    (Path(lake.root) / "clean" / "crm" / "_delta_log" / f"{0:020d}.json").write_bytes(spoilt)
    told = r"^clean/crm: the log of its table cannot be read, .* from a backup, then run again$"
    with pytest.raises(UnreadableInput, match=told) as caught:
        lake.open(replace(THING, name="clean/crm"))
    assert caught.value.__cause__ is None
    assert "ada" not in str(caught.value)


def test_a_damaged_record_of_a_commit_is_told_with_its_dataset(fresh: Fresh) -> None:
    table = fresh()
    (Path(table.uri) / "_delta_log" / f"{0:020d}.json").write_bytes(b"{ada@example.org")
    with pytest.raises(UnreadableInput, match=r"^clean/crm: the log of its table cannot be read"):
        table.newest_record()


def test_the_table_stays_readable_for_old_readers(fresh: Fresh) -> None:
    protocol = fresh().delta.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 4)


def test_the_log_is_kept_thirty_days_and_the_feed_is_on(fresh: Fresh) -> None:
    configuration = fresh().delta.metadata().configuration
    assert configuration["delta.enableChangeDataFeed"] == "true"
    assert configuration["delta.logRetentionDuration"] == "interval 30 days"
    assert configuration["delta.deletedFileRetentionDuration"] == "interval 30 days"
    assert configuration["delta.setTransactionRetentionDuration"] == "interval 90 days"
    assert configuration["delta.checkpointInterval"] == "10"
    assert configuration["delta.dataSkippingStatsColumns"] == "record_id,updated_at"


def test_the_record_of_the_making_names_run_and_contract(fresh_lake: Callable[[], Lake]) -> None:
    lake = fresh_lake()
    contract = ContractRef("c", "1.0.0", "0" * 64)
    create_table(lake, replace(THING, contract=contract), KEYED, run=RUN)
    record = lake.open(THING).record(0)
    assert record is not None
    assert (record.kind, record.run, record.snapshot) == ("schema", "r1", -1)
    assert record.contract == contract


def test_a_dataset_whose_rows_change_needs_a_row_hash(fresh_lake: Callable[[], Lake]) -> None:
    with pytest.raises(BreakingChange, match="ops/things: the declared columns lack _row_hash"):
        create_table(fresh_lake(), THING, {"id": pl.String()}, run=RUN)


def test_statistics_in_the_log_hold_declared_columns_only(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    for number in range(12):
        rows = contacts({f"k{n}": f"Canary {number}" for n in range(3)})
        publish(table, lambda _t, _c, rows=rows: Change(rows), upto={}, run=RUN)  # type: ignore[misc]
    log = Path(table.uri, "_delta_log")
    entries = [
        orjson.loads(line) for file in log.glob("*.json") for line in file.read_bytes().splitlines()
    ]
    statistics = [orjson.loads(one["add"]["stats"]) for one in entries if "add" in one]
    assert statistics
    assert {name for one in statistics for name in one["minValues"]} <= {"record_id", "updated_at"}
    assert not any(b"Canary" in file.read_bytes() for file in log.iterdir())
    checkpoints = [pl.read_parquet(file) for file in log.glob("*.parquet")]
    assert checkpoints
    assert not any("Canary" in str(one.to_dicts()) for one in checkpoints)


def test_no_declared_statistics_means_none(fresh_lake: Callable[[], Lake]) -> None:
    lake = fresh_lake()
    create_table(lake, replace(THING, stats=()), KEYED, run=RUN)
    table = lake.open(THING)
    rows = pl.DataFrame({"id": ["canary"]})
    publish(table, lambda _t, _c: Change(rows), upto={}, run=RUN)
    assert b"canary" not in Path(table.uri, f"_delta_log/{1:020d}.json").read_bytes()


def test_data_files_are_zstd(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, lambda _t, _c: Change(contacts({"a": "x", "b": "y"})), upto={}, run=RUN)
    publish(table, lambda _t, _c: Change(contacts({"a": "z"})), upto={}, run=RUN)
    files = [pq.ParquetFile(f) for f in Path(table.uri).rglob("*.parquet")]
    assert len(files) > 2
    assert {file.metadata.row_group(0).column(0).compression for file in files} == {"ZSTD"}


@pytest.mark.parametrize("name", ["50%20 off", "[old]", "a^b", "a|b"])
def test_a_folder_the_delta_library_cannot_open_is_refused_in_one_sentence(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="which the Delta library cannot open"):
        Lake(str(tmp_path / name))


def test_a_file_uri_means_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a ü #"
    assert Lake(folder.as_uri()).uri("x") == f"{folder}/x"


def test_secrets_of_the_store_are_not_shown() -> None:
    assert "hush" not in repr(Lake("s3://bucket/lake", {"AWS_SECRET_ACCESS_KEY": "hush"}))


def test_a_frame_is_not_moved_by_a_later_commit(
    fresh: Fresh, contacts: Contacts, state: Callable[..., dict[str, Any]]
) -> None:
    table = fresh()
    publish(table, lambda _t, _c: Change(contacts({"a": "x"})), upto={}, run=RUN)
    before = table.frame(columns=["name"])
    publish(table, lambda _t, _c: Change(contacts({"a": "y"})), upto={}, run=RUN)
    assert before.collect()["name"].to_list() == ["x"]
    assert state(table, 1) == {"a": "x"}
    assert state(table) == {"a": "y"}


def test_a_table_that_another_program_upgraded_is_not_misread(
    fresh_lake: Callable[[], Lake],
) -> None:
    lake = fresh_lake()
    rows = pa.table({"id": ["a"]})
    upgraded = {"delta.enableDeletionVectors": "true"}
    write_deltalake(lake.uri(THING.name), rows, configuration=upgraded)
    with pytest.raises(UsageError, match="ops/things: another program changed the table"):
        lake.open(THING)


# -- schema


def test_a_column_added_is_null_in_rows_that_were_there(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, lambda _t, _c: Change(contacts({"a": "x"})), upto={}, run=RUN)
    assert add_columns(table, {"tier": pl.String(), "tags": pl.List(pl.String)}, run=RUN)
    assert table.frame(columns=["tier", "tags"]).collect().rows() == [(None, None)]
    assert table.frame(1, columns=["tier"]).collect().rows() == [(None,)]
    assert not table.delta.schema().fields[0].nullable


def test_adding_columns_is_no_snapshot_and_keeps_what_was_said(
    fresh: Fresh, contacts: Contacts
) -> None:
    table = fresh()
    change = Change(contacts({"a": "x"}), extra={"reading": 7})
    publish(table, lambda _t, _c: change, upto={"rules": 5}, run=RUN)
    add_columns(table, {"tier": pl.String()}, run=RUN)
    record = table.newest_record()
    assert record is not None
    assert (record.kind, record.version, record.snapshot) == ("schema", 2, 1)
    assert record.extra == {"reading": 7}
    assert [(one.dataset, one.after, one.upto) for one in record.inputs] == [("rules", 5, 5)]


def test_adding_columns_twice_is_one_commit(fresh: Fresh) -> None:
    table = fresh()
    other = Lake(table.uri.removesuffix("/clean/crm")).open(table.dataset)
    assert add_columns(table, {"tier": pl.String()}, run=RUN)
    assert not add_columns(other, {"tier": pl.String()}, run=RUN)
    assert other.version == 1


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"name": pl.Int64()}, "column name is String in the table and declared as Int64"),
        ({"emails.note": pl.String()}, "column emails.note lies inside emails"),
        (
            {"emails": pl.List(pl.Struct({"value": pl.String, "note": pl.String}))},
            "column emails is List",
        ),
    ],
)
def test_anything_but_a_new_column_is_refused_by_name(
    fresh: Fresh, columns: dict[str, pl.DataType], reason: str
) -> None:
    table = fresh()
    with pytest.raises(BreakingChange, match=f"clean/crm: {reason}"):
        add_columns(table, columns, run=RUN)
    assert table.version == 0


def test_a_difference_tells_additions_from_breaks() -> None:
    found = {"id": pl.String(), "age": pl.Int64(), "gone": pl.String()}
    wanted = {"tier": pl.String(), "age": pl.String(), "id": pl.String()}
    difference = schema_difference(found, wanted)
    assert difference.added == ("tier",)
    assert difference.breaking == (
        "column gone is in the table and no longer declared",
        "column age is Int64 in the table and declared as String",
    )
    assert schema_difference(found, dict(reversed(found.items()))) == schema_difference(
        found, found
    )


# -- the only way in


def stored(contacts: Contacts, names: dict[str, Any]) -> pl.DataFrame:
    return contacts(names).with_columns(_row_hash=pl.lit(1, pl.Int64))


def test_a_frame_takes_the_tables_own_types(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    frame = stored(contacts, {"a": {"emails": [{"value": "x", "preferred": None}]}, "b": {}})
    assert to_delta(frame.select(reversed(frame.columns)), table).schema == table.arrow_schema


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.with_columns(
            pl.col("emails").cast(pl.List(pl.Struct({"value": pl.String, "favourite": pl.Boolean})))
        ),
        lambda f: f.with_columns(
            pl.col("emails").cast(pl.List(pl.Struct({"value": pl.String, "preferred": pl.String})))
        ),
        lambda f: f.with_columns(pl.lit(None).alias("emails")),
        lambda f: f.drop("emails"),
    ],
    ids=["leaf renamed", "leaf of another type", "no type", "missing"],
)
def test_a_drifted_frame_is_refused_by_column_and_shows_no_value(
    fresh: Fresh, contacts: Contacts, spoil: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    frame = spoil(stored(contacts, {"a": "Canary"}))
    with pytest.raises(SchemaDrift, match=r"the frame differs from the table in emails$") as caught:
        to_delta(frame, fresh())
    assert caught.value.__cause__ is None
    assert "Canary" not in str(caught.value)


def test_a_row_without_a_key_is_refused(fresh: Fresh, contacts: Contacts) -> None:
    frame = stored(contacts, {"a": "x"}).with_columns(record_id=pl.lit(None, pl.String))
    with pytest.raises(SchemaDrift, match="clean/crm: record_id is null in 1 rows"):
        to_delta(frame, fresh())


# -- the log


def test_a_stale_handle_still_reads_the_right_records(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    stale = Lake(table.uri.removesuffix("/clean/crm")).open(table.dataset)
    for name in "xyz":
        publish(table, lambda _t, _c, name=name: Change(contacts({"a": name})), upto={}, run=RUN)  # type: ignore[misc]
    found = [stale.record(version) for version in range(4)]
    assert [one.version for one in found if one] == [0, 1, 2, 3]
    newest = stale.newest_record()
    assert newest is not None
    assert newest.version == 0


def test_the_newest_record_passes_over_commits_of_others(fresh: Fresh, contacts: Contacts) -> None:
    table = fresh()
    publish(table, lambda _t, _c: Change(contacts({"a": "x"})), upto={}, run=RUN)
    DeltaTable(table.uri).alter.set_table_description("by hand")
    table.refresh()
    newest = table.newest_record()
    assert table.record(2) is None
    assert newest is not None
    assert newest.version == 1
    assert table.newest_snapshot() == 1
