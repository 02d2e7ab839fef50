"""A maintained lake: nothing that anybody needs is gone, killed anywhere, beside a run."""

from __future__ import annotations

import io
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from killed import SIGKILLED, Running
from rich.console import Console

from concord.airflow.front import run_in_front
from concord.airflow.messages import Order
from concord.assets.commit import RunId
from concord.errors import UsageError
from concord.jobs import LEFTOVERS
from concord.steps.maintain import freed, maintain
from concord.steps.readers import readers

if TYPE_CHECKING:
    from concord.steps.context import Context
    from conftest import World

DAG_FILE = '''"""Every Airflow Dag."""

from concord.airflow import render_dags

globals().update(render_dags(__file__))
'''
_NUMBERS = re.compile(r'("(?:timestamp|deletionTimestamp|modificationTime)":)(\d+)')
_AT = re.compile(r'("at":")([^"]+)')


def aged(world: World, days: int = 60) -> None:
    """Let everything in the lake have happened long ago; checkpoints are made anew by whoever is
    next, and until then the log is read from its beginning."""
    for file in sorted(Path(world.ctx.lake.root).rglob("*")):
        if "_delta_log" in file.parts and (file.suffix == ".parquet" or file.name[0] == "_"):
            if file.is_file():
                file.unlink()
            continue
        if file.suffix == ".json":
            text = _NUMBERS.sub(
                lambda m: f"{m[1]}{int(m[2]) - days * 86_400_000}", file.read_text()
            )
            file.write_text(_AT.sub(lambda m: m[1] + _earlier(m[2], days), text))
        os.utime(file, (time.time() - days * 86400,) * 2)


def _earlier(text: str, days: int) -> str:
    return (datetime.fromisoformat(text) - timedelta(days)).isoformat()


def everything(world: World) -> list[str]:
    return [*world.ctx.project.datasets, LEFTOVERS]


def by_itself(world: World, dataset: str) -> Context:
    return replace(world.ctx, run=RunId(f"maintain/{dataset}", "maintain"))


def maintained(world: World) -> dict[str, int]:
    """Maintain it all; the files that each dataset lost."""
    done = {name: freed(by_itself(world, name), name) for name in everything(world)}
    return {name: one.files for name, one in done.items()}


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory, people_in: Callable[..., World]) -> Context:
    """A lake where things happened twice, and were taken back, all of it long ago."""
    made = people_in(tmp_path_factory.mktemp("past"))
    company = made.crm.value("company", id=1)
    for name in ("Neu AG", company):
        made.crm.edit("anna@x.example", company=name)
        assert not made.run().failed
    aged(made)
    return made.ctx


@pytest.fixture
def used(tmp_path: Path, past: Context, people_in: Callable[..., World]) -> World:
    """A world with a past."""
    return people_in(tmp_path, past)


def test_a_maintained_lake_is_at_rest_and_goes_on_as_before(used: World) -> None:
    lost = maintained(used)
    assert {name for name, files in lost.items() if files} >= {"golden/contacts", "clean/crm"}
    used.settle_down()
    used.crm.edit("anna@x.example", company="Noch neuer")
    assert used.run().writes == 1
    assert "ORG:Noch neuer" in used.book.text("a")
    used.settle_down()
    assert sum(maintained(used).values()) == 0


def test_it_rings_no_bell(used: World) -> None:
    before = {name: used.ctx.open(name).position() for name in used.ctx.project.datasets}
    results = [maintain(by_itself(used, name), dataset=name) for name in everything(used)]
    assert {name: used.ctx.open(name).position() for name in used.ctx.project.datasets} == before
    assert [one.published for one in results] == [()] * len(results)
    assert any(one.facts["freed"] for one in results)


def test_a_team_that_is_behind_keeps_what_it_needs(used: World) -> None:
    golden = used.ctx.open("golden/contacts")
    assert readers(used.ctx, golden)["team billing"] == -1
    keeper = used.ctx.open("billing/customers")
    from concord.assets.snapshot import Change, publish

    publish(
        keeper,
        lambda *_: Change(),
        upto={"golden/contacts": replace(golden.position(), version=1)},
        run=RunId("billing/run", "publish.billing"),
    )
    result = maintain(by_itself(used, "golden/contacts"), dataset="golden/contacts")
    kept = "golden/contacts: older versions are kept for team billing, which is behind"
    assert result.notes == (kept,)
    assert golden.frame(1).collect().height > 0


def test_receipts_expire_when_they_are_taken_in_and_old(used: World) -> None:
    name = "sync/address_book/receipts"
    assert freed(by_itself(used, name), name).rows == 0
    later = replace(by_itself(used, name), now=lambda: datetime.now(UTC) + timedelta(days=200))
    rows = used.frame(name).height
    assert freed(later, name, dry_run=True).rows == rows > 0
    assert freed(later, name).rows == rows
    assert used.frame(name).height == 0
    used.settle_down()
    used.crm.edit("anna@x.example", company="Noch neuer")
    assert used.run().writes == 1
    used.settle_down()
    assert used.frame(name).height == 1


def test_a_receipt_that_is_not_taken_in_stays(used: World) -> None:
    used.crm.edit("anna@x.example", company="Noch neuer")
    used.run(skip=["acknowledge"])
    name = "sync/address_book/receipts"
    later = replace(by_itself(used, name), now=lambda: datetime.now(UTC) + timedelta(days=200))
    assert freed(later, name).rows == 0


def test_a_name_that_is_no_dataset_is_told(used: World) -> None:
    with pytest.raises(UsageError, match="no dataset of that name"):
        freed(used.ctx, "golden/contact")


def test_pages_of_a_killed_reading_go_and_those_of_a_running_one_stay(
    people: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, young, foreign = (
        tmp_path / f"{name}-1" for name in ("concord-extract", "concord-dry-run", "x")
    )
    for folder in (old, young, foreign):
        (folder / "listing").mkdir(parents=True)
        (folder / "listing" / "page").write_text("a page")
    for file in (old, old / "listing", old / "listing" / "page", foreign):
        os.utime(file, (time.time() - 3 * 86400,) * 2)
    unfinished = people.newsletter.folder / ".concord.unfinished"
    unfinished.write_text("half a file")
    assert freed(people.ctx, LEFTOVERS, dry_run=True).files == 1
    assert old.exists()
    assert (freed(people.ctx, LEFTOVERS).files, old.exists()) == (1, False)
    assert (young.exists(), foreign.exists(), unfinished.exists()) == (True, True, False)


def test_killed_anywhere_it_is_made_good_by_the_next(used: World) -> None:
    names = ["golden/contacts", "ops/runs"]
    before = [used.frame(name) for name in names]
    for name, what, when in (
        ("golden/contacts", "vacuum", "before"),
        ("golden/contacts", "maintenance", "before"),
        ("golden/contacts", "maintenance", "after"),
        ("ops/runs", "log", "before"),
    ):
        dies = {"of": name, "what": what, "when": when}
        code, _, said = Running(used, "mortal", dies=dies, maintains=names).ended()
        assert code == SIGKILLED, (said, dies)
        now = [used.frame(name) for name in names]
        assert all(a.equals(b) for a, b in zip(now, before, strict=True))
    maintained(used)
    used.settle_down()
    used.crm.edit("anna@x.example", company="Noch neuer")
    assert used.run().writes == 1
    used.settle_down()


@pytest.mark.deep
@pytest.mark.airflow
@pytest.mark.timeout(300)
def test_airflows_scheduler_maintains_every_dataset(used: World) -> None:
    used.for_airflow(DAG_FILE)
    report = run_in_front(
        used.root,
        used.root / ".concord" / "airflow",
        order=Order(first=("maintain", "freshness"), rounds=0),
        extra=used.variables(),
        console=Console(file=io.StringIO()),
    )
    ends = [one.state for one in report.tasks if one.step == "maintain"]
    assert len(ends) == len(everything(used))
    assert set(ends) == {"success", "skipped"}
    assert report.exit_code == 0
    used.settle_down()


def test_a_run_beside_it_is_not_disturbed(used: World) -> None:
    used.crm.edit("anna@x.example", company="Noch neuer")
    beside = Running(used, "maintaining", maintains=[*everything(used)] * 3)
    run = used.run()
    code, _, said = beside.ended()
    assert (run.failed, code) == ({}, 0), said
    assert "ORG:Noch neuer" in used.book.text("a")
    used.settle_down()
    assert isinstance(used.frame("golden/contacts"), pl.DataFrame)
