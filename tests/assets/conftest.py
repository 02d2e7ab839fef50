"""Tables to try things on, in a folder whose path holds signs that paths seldom hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.table import Lake, Table

INSTANT = pl.Datetime("us", "UTC")
SCHEMA: Mapping[str, pl.DataType] = {
    "record_id": pl.String(),
    "name": pl.String(),
    "emails": pl.List(pl.Struct({"value": pl.String, "preferred": pl.Boolean})),
    "updated_at": INSTANT,
    "version": pl.String(),
    "_row_hash": pl.Int64(),
}
CONTACTS = Dataset(
    "clean/crm",
    "record_id",
    inputs=("raw/crm",),
    stats=("record_id", "updated_at"),
    unhashed=("version",),
)
RECEIPTS = Dataset("sync/crm/receipts", "record_id", append_only=True, feed=False)


@pytest.fixture(scope="session")
def fresh_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lake]:
    """Makes an empty lake."""
    top: Path = tmp_path_factory.mktemp("a b ü 100% #1 q?")
    made = 0

    def make() -> Lake:
        nonlocal made
        made += 1
        return Lake(str(top / f"lake {made}"))

    return make


@pytest.fixture(scope="session")
def fresh(fresh_lake: Callable[[], Lake]) -> Callable[..., Table]:
    """Makes an empty table, in its own lake unless one is given."""

    def make(dataset: Dataset = CONTACTS, lake: Lake | None = None) -> Table:
        lake = lake or fresh_lake()
        schema = {n: t for n, t in SCHEMA.items() if not (dataset.append_only and n == "_row_hash")}
        create_table(lake, dataset, schema, run=RunId("deploy", "deploy"))
        return lake.open(dataset)

    return make


@pytest.fixture(scope="session")
def contacts() -> Callable[[Mapping[str, Any]], pl.DataFrame]:
    """Makes rows of the test table: record_id to name, or to a mapping of columns."""

    def make(names: Mapping[str, Any]) -> pl.DataFrame:
        rows = [
            {"record_id": key, **(said if isinstance(said, dict) else {"name": said})}
            for key, said in names.items()
        ]
        schema = {name: kind for name, kind in SCHEMA.items() if name != "_row_hash"}
        return pl.DataFrame(rows, schema=schema, orient="row")

    return make


@pytest.fixture(scope="session")
def state() -> Callable[[Table], dict[str, Any]]:
    """Reads the test table: record_id to name."""

    def read(table: Table, version: int | None = None) -> dict[str, Any]:
        rows = table.frame(version, columns=["record_id", "name"]).collect()
        assert rows["record_id"].is_unique().all()
        return dict(rows.iter_rows())

    return read
