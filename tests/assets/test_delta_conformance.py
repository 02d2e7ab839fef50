"""What we rely on in the pinned deltalake; 1.6.4 to 1.6.6 corrupt data here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

ONCE = CommitProperties(max_commit_retries=0)


def rows(start: int) -> pa.Table:
    numbers = range(start, start + 100)
    return pa.table(
        {"id": [f"k{n:03}" for n in numbers], "bucket": [n % 2 for n in numbers]},
        schema=pa.schema([("id", pa.string()), ("bucket", pa.int64())]),
    )


def filled(path: Path, partitions: list[str] | None) -> str:
    for start in (0, 100, 200):
        write_deltalake(str(path), rows(start), mode="append", partition_by=partitions)
    return str(path)


def count(uri: str) -> int:
    files = DeltaTable(uri).file_uris()
    return sum(pq.read_metadata(file).num_rows for file in files)


OPERATIONS: dict[str, tuple[int, Callable[[DeltaTable, CommitProperties | None], Any]]] = {
    "compact": (300, lambda t, _p: t.optimize.compact()),
    "z_order": (300, lambda t, _p: t.optimize.z_order(["id"])),
    "overwrite": (
        100,
        lambda t, p: write_deltalake(t, rows(900), mode="overwrite", commit_properties=p),
    ),
    "delete": (0, lambda t, p: t.delete(commit_properties=p)),
}


@pytest.mark.parametrize("once", [False, True], ids=["retried", "compare and swap"])
@pytest.mark.parametrize("partitions", [None, ["bucket"]], ids=["plain", "partitioned"])
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_a_stale_writer_after_optimize_is_refused_or_right(
    tmp_path: Path, name: str, partitions: list[str] | None, once: bool
) -> None:
    uri = filled(tmp_path / "table", partitions)
    stale = DeltaTable(uri)
    DeltaTable(uri).optimize.compact()
    right, operation = OPERATIONS[name]
    try:
        operation(stale, ONCE if once else None)
    except CommitFailedError:
        right = 300
    assert count(uri) == right


def test_a_stale_handle_cannot_use_a_marker_again(tmp_path: Path) -> None:
    uri = filled(tmp_path / "table", None)
    first, second = DeltaTable(uri), DeltaTable(uri)
    marked = CommitProperties(app_transactions=[Transaction("m", 1)])
    write_deltalake(first, rows(300), mode="append", commit_properties=marked)
    with pytest.raises(CommitFailedError, match="oncurrent transaction failed"):
        write_deltalake(second, rows(300), mode="append", commit_properties=marked)
    assert DeltaTable(uri).transaction_version("m") == 1


def test_compare_and_swap_refuses_even_an_append_after_an_append(tmp_path: Path) -> None:
    uri = filled(tmp_path / "table", None)
    stale = DeltaTable(uri)
    write_deltalake(uri, rows(300), mode="append")
    with pytest.raises(CommitFailedError, match="Failed to commit transaction: 0"):
        write_deltalake(stale, rows(400), mode="append", commit_properties=ONCE)
    assert count(uri) == 400


def test_an_empty_append_is_a_commit_and_carries_a_marker(tmp_path: Path) -> None:
    uri = filled(tmp_path / "table", None)
    marked = CommitProperties(app_transactions=[Transaction("cursor", 0)])
    table = DeltaTable(uri)
    write_deltalake(table, rows(0).slice(0, 0), mode="append", commit_properties=marked)
    assert table.version() == 3
    assert DeltaTable(uri).transaction_version("cursor") == 0
