"""The lake in an object store: what differs from a folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from concord.assets import upkeep
from concord.assets.commit import RunId
from concord.assets.dataset import Dataset
from concord.assets.evolution import create_table
from concord.assets.exclusive import refuses_to_overwrite
from concord.assets.rowhash import HASH
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake
from concord.errors import LakeDown, UsageError
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.doctor import of_context

PEOPLE = Dataset("golden/people", key="id")
SCHEMA: Mapping[str, Any] = {"id": pl.String(), "name": pl.String(), HASH: pl.Int64()}
DEAD = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true"}


def on(context: Context, lake: Lake) -> Context:
    return dataclasses.replace(context, lake=lake)


def test_a_store_that_refuses_to_overwrite_is_told_from_one_that_does_not(
    store: Any, forgetful: Any
) -> None:
    assert refuses_to_overwrite(Lake("s3://concord/lake", store.options))
    assert not refuses_to_overwrite(Lake("s3://concord/lake", forgetful.options))
    assert [one for one in (*store.sizes, *forgetful.sizes) if "probe" in one] == []


def test_no_lake_begins_in_a_store_that_lets_one_writer_overwrite_another(
    template: Context, forgetful: Any
) -> None:
    with pytest.raises(UsageError, match="overwrite another's commit"):
        deploy(on(template, Lake("s3://concord/acme", forgetful.options)), resolved=False)
    assert forgetful.sizes == {}


def test_a_store_that_does_not_answer_is_a_lake_that_is_down_and_may_come_back(
    template: Context,
) -> None:
    away = on(template, Lake("s3://concord/acme", DEAD))
    with pytest.raises(LakeDown, match="golden/contacts: the lake's object store does not answer"):
        away.open("golden/contacts")
    assert LakeDown("golden/contacts").transient


def test_the_doctor_asks_a_store_that_does_not_answer_once(template: Context) -> None:
    away = on(template, Lake("s3://concord/acme", {**DEAD, "max_retries": "1"}))
    began = time.monotonic()
    found = [one for one in of_context(away, patience_s=1) if one.check in ("lake", "tables")]
    assert [(one.check, one.where) for one in found] == [("lake", "lake")]
    assert "endpoint" in found[0].fix
    assert time.monotonic() - began < 15


def test_a_missing_bucket_is_a_lake_that_is_down(template: Context, store: Any) -> None:
    with pytest.raises(LakeDown, match="that the bucket is there"):
        deploy(on(template, Lake("s3://elsewhere/acme", store.options)), resolved=False)


def test_what_a_vacuum_would_free_it_frees(store: Any) -> None:
    lake = Lake("s3://concord/kept", store.options)
    create_table(lake, PEOPLE, SCHEMA, run=RunId("deploy", "deploy"))
    for name in ("Anna", "Bea", "Clea"):
        rows = pl.DataFrame({"id": ["1"], "name": [name]})
        run = RunId(name, "test")
        publish(lake.open(PEOPLE), lambda *_, rows=rows: Change(rows), upto={}, run=run)
    before = {one: size for one, size in store.sizes.items() if one.endswith(".parquet")}
    table = lake.open(PEOPLE)
    told = upkeep._sizes(table, upkeep._vacuum(table, 0, [], dry_run=True))  # no age: all are young
    upkeep._vacuum(table, 0, [], dry_run=False)
    gone = [size for one, size in before.items() if one not in store.sizes]
    assert sorted(told) == sorted(gone)
    assert len(gone) == 4  # two older versions, and the feed of two
    assert lake.open(PEOPLE).frame().collect()["name"].to_list() == ["Clea"]
