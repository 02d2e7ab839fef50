"""Incidents on real tables: what steps, failures and people make of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from concord.assets.commit import RunId
from concord.assets.evolution import add_columns, create_table
from concord.assets.snapshot import Change, Published, publish
from concord.assets.table import Lake, Table
from concord.errors import UsageError
from concord.project import Project, load
from concord.steps import registry
from concord.steps.context import Context, Result
from concord.steps.incident_life import OPENED, RECOVERED, Sighting
from concord.steps.incidents import (
    all_incidents,
    any_open,
    any_untold,
    claim_untold,
    close_by_hand,
    close_incident,
    open_incidents,
    put_back,
    raise_incident,
    record,
)
from concord.steps.registry import run_step
from concord.steps.tables import frame_schema

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLEAN = "clean.crm"


@pytest.fixture(scope="module")
def project() -> Project:
    return load(Path(__file__).parents[2])


@pytest.fixture
def ctx(project: Project, tmp_path: Path) -> Context:
    lake = Lake(str(tmp_path))
    for name in ("ops/incidents", "ops/runs"):
        dataset = project.datasets[name]
        create_table(lake, dataset, frame_schema(project, name), run=RunId("r", "deploy"))
    return Context(
        project=project,
        run=RunId("clean_crm/r1/clean/-1", CLEAN),
        lake=lake,
        record_key=b"key",
        connect=lambda name: pytest.fail(name),
        now=lambda: NOW,
        tell=lambda _: None,
    )


def later(ctx: Context, number: int, job: str = CLEAN) -> Context:
    step = job.split(".")[0]
    run = RunId(f"{job.replace('.', '_')}/r{number}/{step}/-1", job)
    return replace(ctx, run=run, now=lambda: NOW + timedelta(hours=number))


def failed(ctx: Context) -> list[Any]:
    one = Sighting(
        "failed",
        ctx.run.job,
        "no answer",
        ctx.run.id,
        ctx.now(),
        step="clean",
        error="PlatformDown",
    )
    return record(ctx, [one])


def late(ctx: Context) -> bool:
    return raise_incident(ctx, "late", dataset="golden/contacts", message="as of yesterday")


def version(ctx: Context) -> int:
    return ctx.open("ops/incidents").version


class TestRaised:
    def test_it_is_open_once_and_counted_once_a_run(self, ctx: Context) -> None:
        assert late(ctx)
        assert not late(ctx)
        assert not late(later(ctx, 2))
        (one,) = open_incidents(ctx, "late")
        assert (one.incident_id, one.times) == ("late:golden/contacts:1", 2)
        assert (one.at, one.last_at) == (NOW, NOW + timedelta(hours=2))

    def test_closed_it_says_so_once_and_opens_anew(self, ctx: Context) -> None:
        assert late(ctx)
        assert close_incident(later(ctx, 2), "late", dataset="golden/contacts")
        assert not close_incident(later(ctx, 3), "late", dataset="golden/contacts")
        assert [one.untold for one in all_incidents(ctx)] == [RECOVERED]
        assert late(later(ctx, 4))
        assert [one.incident_id[-2:] for one in all_incidents(ctx)] == [":1", ":2"]

    def test_closing_what_is_not_open_commits_nothing(self, ctx: Context) -> None:
        assert not close_incident(ctx, "late", dataset="golden/contacts")
        late(ctx)
        before = version(ctx)
        assert not close_incident(ctx, "late", dataset="clean/crm")
        assert not close_incident(ctx, "slow", dataset="golden/contacts")
        assert version(ctx) == before

    def test_another_error_of_the_same_dataset_stays_open(self, ctx: Context) -> None:
        for number, error in enumerate(("A", "B")):
            raise_incident(
                later(ctx, number), "failed", dataset="raw/crm", message="m", error=error
            )
        assert close_incident(later(ctx, 2), "failed", dataset="raw/crm", error="A")
        assert [one.error for one in open_incidents(ctx)] == ["B"]


class TestByHand:
    def test_a_person_closes_without_an_alert(self, ctx: Context) -> None:
        late(ctx)
        closed = close_by_hand(later(ctx, 2), "late:golden/contacts:1", reason="known")
        assert (closed.closed_by, closed.reason, any_untold(ctx)) == ("a person", "known", False)
        assert not any_open(ctx, "golden/contacts")

    def test_what_is_closed_already_is_refused(self, ctx: Context) -> None:
        late(ctx)
        close_by_hand(ctx, "late:golden/contacts:1", reason=None)
        with pytest.raises(UsageError, match="no open incident of that id"):
            close_by_hand(ctx, "late:golden/contacts:1", reason=None)


class TestAlerts:
    def test_each_opening_is_claimed_by_one_of_many(self, ctx: Context) -> None:
        for number, kind in enumerate(("late", "slow", "volume")):
            raise_incident(later(ctx, number), kind, dataset="raw/crm", message="m")
        claims: list[tuple[Any, ...]] = []
        start = threading.Barrier(4)

        def claim() -> None:
            start.wait()
            claims.append(claim_untold(ctx))

        threads = [threading.Thread(target=claim) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        told = sorted(one.kind for claimed in claims for one in claimed)
        assert told == ["late", "slow", "volume"]

    def test_openings_of_many_writers_at_once_are_one(self, ctx: Context) -> None:
        opened: list[bool] = []
        start = threading.Barrier(4)

        def open_one(number: int) -> None:
            start.wait()
            opened.append(late(later(ctx, number)))

        threads = [threading.Thread(target=open_one, args=[number]) for number in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        (one_incident,) = all_incidents(ctx)
        assert (sorted(opened), one_incident.times) == ([False, False, False, True], 4)

    def test_what_did_not_arrive_is_claimed_again(self, ctx: Context) -> None:
        late(ctx)
        claimed = claim_untold(ctx)
        assert [one.untold for one in claimed] == [OPENED]
        assert claim_untold(ctx) == ()
        put_back(ctx, claimed)
        assert claim_untold(ctx) == claimed


Measured = Callable[..., None]


@pytest.fixture
def clean_says(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs of a step that comes to what it is told, as `run_step` runs it."""

    def run(
        number: int, *, ctx: Context = ctx, job: str = CLEAN, rows: int = 10, **said: Any
    ) -> None:
        step, _, platform = job.partition(".")
        family = {"clean": "clean", "extract": "raw"}[step]
        published = (Published(f"{family}/{platform}", number, "written", rows, 1),)
        result = Result(step, platform, published, **said)

        class Module:
            pass

        setattr(Module, step, staticmethod(lambda _ctx, platform: result))
        monkeypatch.setattr(registry.importlib, "import_module", lambda _name: Module)
        run_step(step, later(ctx, number, job), platform=platform)

    return run


class TestSuccess:
    def test_it_closes_what_failed(self, ctx: Context, clean_says: Measured) -> None:
        failed(ctx)
        clean_says(2)
        (one,) = all_incidents(ctx)
        assert (one.state, one.closed_by) == ("closed", "clean_crm/r2/clean/-1")

    def test_without_anything_odd_or_open_it_commits_nothing(
        self, ctx: Context, clean_says: Measured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late(ctx)
        clean_says(0)
        before = version(ctx)
        monkeypatch.setattr(Table, "frame", lambda *_a, **_k: pytest.fail("rows were read"))
        clean_says(1)
        monkeypatch.undo()
        assert version(ctx) == before

    def test_a_high_share_of_rejected_rows_is_told_before_nothing_is_published(
        self, ctx: Context, clean_says: Measured
    ) -> None:
        clean_says(1, quarantined=30, facts={"live": 200})
        (one,) = open_incidents(ctx)
        assert one.incident_id == "rejected:clean.crm:1"
        assert "30 of 200 rows are in quarantine (15%); over 20%" in one.message
        clean_says(2, quarantined=30)  # nothing was judged
        assert [one.times for one in open_incidents(ctx)] == [1]
        clean_says(3, quarantined=10, facts={"live": 200})
        assert open_incidents(ctx) == ()

    def test_the_project_says_what_is_high(self, ctx: Context, clean_says: Measured) -> None:
        lenient = ctx.project.alerts.model_copy(update={"rejected_share": 1.0})
        ctx = replace(ctx, project=replace(ctx.project, alerts=lenient))
        clean_says(1, ctx=ctx, quarantined=30, facts={"live": 200})
        assert open_incidents(ctx) == ()

    @pytest.mark.parametrize("said", [(10, 20), (30, 400), (19, 60)])
    def test_few_rejected_rows_are_no_incident(
        self, ctx: Context, clean_says: Measured, said: tuple[int, int]
    ) -> None:
        clean_says(1, quarantined=said[0], facts={"live": said[1]})
        assert open_incidents(ctx) == ()

    def test_a_reading_of_half_the_usual_records_is_odd_until_it_is_usual(
        self, ctx: Context, clean_says: Measured
    ) -> None:
        for number in range(5):
            clean_says(number, job="extract.crm", rows=1000 + number)
        clean_says(5, job="extract.crm", rows=500)
        (one,) = open_incidents(ctx)
        assert (one.kind, one.dataset) == ("volume", "raw/crm")
        assert one.message == "raw/crm: it holds 500 rows, usually 1002"
        for number in range(6, 12):
            clean_says(number, job="extract.crm", rows=500)
        assert open_incidents(ctx) == ()

    def test_jobs_between_change_nothing_of_what_is_usual(
        self, ctx: Context, clean_says: Measured
    ) -> None:
        for number in range(5):
            clean_says(number, job="extract.crm", rows=1000)
            clean_says(number, job="extract.newsletter", rows=10)
        clean_says(5, job="extract.newsletter", rows=12)
        assert open_incidents(ctx) == ()
        clean_says(5, job="extract.crm", rows=10)
        assert [one.subject for one in open_incidents(ctx)] == ["extract.crm"]

    def test_an_unasked_full_reading_is_an_incident_till_the_next_of_changes(
        self, ctx: Context, clean_says: Measured
    ) -> None:
        clean_says(1, job="extract.crm", facts={"resync": 1})
        assert [one.kind for one in open_incidents(ctx)] == ["resync"]
        clean_says(2, job="extract.crm", facts={"resync": 0})
        assert open_incidents(ctx) == ()

    def test_no_step_fails_for_its_incidents(
        self, ctx: Context, clean_says: Measured, tmp_path: Path
    ) -> None:
        failed(ctx)
        for entry in (tmp_path / "ops" / "incidents" / "_delta_log").glob("*.json"):
            entry.write_text("{")
        clean_says(2)


def test_a_lake_from_before_incidents_had_a_life_gets_one(
    project: Project, ctx: Context, tmp_path: Path
) -> None:
    dataset = project.datasets["ops/incidents"]
    whole = frame_schema(project, "ops/incidents")
    before: Mapping[str, Any] = {
        name: whole[name] for name in ("incident_id", "at", "kind", "run", "message", "_row_hash")
    }
    old = replace(ctx, lake=Lake(str(tmp_path / "old")))
    create_table(old.lake, dataset, before, run=ctx.run)
    table = old.lake.open(dataset)
    row = pl.DataFrame({"incident_id": ["a/b"], "kind": ["failed"]})
    wide = row.select(
        pl.col(n) if n in row.columns else pl.lit(None, k).alias(n) for n, k in before.items()
    )
    publish(table, lambda *_: Change(wide.drop("_row_hash")), upto={}, run=ctx.run)
    add_columns(table, whole, run=ctx.run)
    assert late(old)
    assert [one.incident_id for one in all_incidents(old)] == ["late:golden/contacts:1"]
