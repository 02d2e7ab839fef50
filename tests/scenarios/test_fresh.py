"""Datasets that are late are incidents, also when nobody ran."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from concord.assets.commit import RunId
from concord.steps.freshness import freshness, late_datasets
from concord.steps.registry import run_step

if TYPE_CHECKING:
    from concord.steps.context import Context, Result
    from conftest import World


def later(world: World, **passed: float) -> Context:
    at = datetime.now(UTC) + timedelta(**passed)
    return replace(world.ctx, now=lambda: at, run=RunId(f"freshness/{at}", "freshness"))


def late(world: World, **passed: float) -> set[str]:
    return {one.dataset for one in late_datasets(later(world, **passed))}


def looked(world: World, **passed: float) -> Result:
    return freshness(later(world, **passed))


def incidents(world: World, dataset: str) -> list[tuple[str, str]]:
    """Kind and state of those that befell a dataset, oldest first."""
    rows = world.frame("ops/incidents").filter(pl.col("dataset") == dataset).sort("at")
    return rows.select("kind", "state").rows()


CLEAN = {"clean/crm", "clean/address_book", "clean/newsletter"}


def test_what_was_just_read_is_fresh_until_its_contract_says_otherwise(people: World) -> None:
    people.run()
    assert late(people, hours=29) == set()
    assert late(people, hours=31) == CLEAN
    assert late(people, hours=33) == {*CLEAN, "golden/contacts"}
    assert late(people, hours=37) == {*CLEAN, "golden/contacts", "billing/customers"}


def test_a_dataset_that_was_read_and_did_not_change_is_not_late(people: World) -> None:
    before = people.ctx.open("golden/contacts").version
    people.ctx = later(people, hours=40)
    assert not people.run().failed
    assert people.ctx.open("golden/contacts").version == before
    assert not {*CLEAN, "golden/contacts"} & {one.dataset for one in late_datasets(people.ctx)}


def test_one_platform_that_is_not_read_makes_late_what_comes_of_it(people: World) -> None:
    people.ctx = later(people, hours=40)
    people.run(skip=["extract.crm"])
    found = {one.dataset: one.truth.because for one in late_datasets(people.ctx)}
    assert found["clean/crm"] == found["golden/contacts"] == "raw/crm"
    assert "clean/newsletter" not in found


def test_what_is_read_and_not_taken_in_is_late_for_its_own_reason(people: World) -> None:
    people.crm.edit("anna@x.example", company="Neu AG")
    people.run(skip=["clean.crm"])
    passed = later(people, hours=40)
    for platform in people.connections:
        mine = replace(passed, run=RunId(f"{platform}/{passed.now()}", f"extract.{platform}"))
        run_step("extract", mine, platform=platform)
    found = {one.dataset: one.truth.because for one in late_datasets(passed)}
    assert found["clean/crm"] == found["golden/contacts"] == "clean/crm"


def test_lateness_is_one_incident_which_ends(people: World) -> None:
    people.run()
    assert looked(people, hours=1).facts["late"] == 0
    first = looked(people, hours=31)
    assert first.facts["late"] == len(first.notes) >= 3
    told = next(note for note in first.notes if note.startswith("clean/crm"))
    assert "its contract allows 30 h; raw/crm lies behind: see what became of extract.crm" in told
    assert incidents(people, "clean/crm") == [("late", "open")]
    looked(people, hours=32)
    assert incidents(people, "clean/crm") == [("late", "open")]
    people.ctx = later(people, hours=50)
    assert not people.run().failed
    looked(people, hours=51)
    assert incidents(people, "clean/crm") == [("late", "closed")]
    looked(people, hours=100)
    assert incidents(people, "clean/crm") == [("late", "closed"), ("late", "open")]


@pytest.mark.parametrize("passed", [29, 31])
def test_a_lake_where_nothing_ever_ran_grows_late(world: World, passed: int) -> None:
    assert ("clean/crm" in late(world, hours=passed)) == (passed > 30)
