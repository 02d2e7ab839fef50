"""A platform with a delivery window is written to inside it, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from test_delivery_in_chunks import UNSUBSCRIBED, task

import concord.steps.deliver as delivering
from concord.assets.point import Point
from concord.steps.approve import approve, planned, statuses, waiting
from concord.steps.cursors import behind
from concord.steps.deliver import deliver
from concord.steps.plan import plan

if TYPE_CHECKING:
    from conftest import World

DAY = datetime(2026, 11, 25, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 25, 21, tzinfo=UTC)  # 22:00 in Vienna
OPENS = "opens at Wed 2026-11-25 22:00 Europe/Vienna"
CRM = "assets/platforms/crm.yaml"


class Clock:
    """Stands still; may be put forward by what it looks on."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(people: World) -> Clock:
    """The CRM is written to at night, and it is noon; there is something to write."""
    people.edit_file(CRM, "from: 20:00", "from: 22:00")
    people.edit_file("concord.yaml", "windows: ignore", "windows: keep")
    clock = Clock(DAY)
    people.ctx = replace(people.ctx, now=clock)
    people.deploy()
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    return clock


def notes(run: Any) -> list[str]:
    return [note for result in run.results for note in result.notes]


def status(world: World) -> dict[str, Any]:
    return next(one for one in statuses(world.ctx) if one["platform"] == "crm")


def test_outside_its_window_a_platform_is_planned_for_and_not_written_to(
    people: World, clock: Clock
) -> None:
    run = people.run()
    assert (run.failed, run.writes) == ({}, 0)
    assert notes(run) == [f"crm: 1 writes wait for its window, {OPENS}"]
    assert [one["reason"] for one in planned(people.ctx, "crm")] == [
        f"waits for its window, {OPENS}"
    ]
    found = status(people)
    assert (found["free"], found["waiting"], found["window"]) == (0, 1, f"closed, {OPENS}")
    people.settle_down()
    assert waiting(people.ctx) == notes(run)


def test_what_waits_is_delivered_when_the_window_opens_and_nothing_else_happened(
    people: World, clock: Clock
) -> None:
    people.run()
    assert not {"plan.crm", "deliver.crm"} & set(behind(people.ctx))
    clock.at = NIGHT
    assert "plan.crm" in behind(people.ctx)
    run = people.run(skip=["extract"])
    assert (run.failed, run.writes) == ({}, 1)
    assert people.crm.value("job_title", id=1) == "Boss"
    assert status(people)["window"] == "open until Thu 2026-11-26 06:00 Europe/Vienna"
    people.settle_down()


def test_another_platform_does_not_wait(people: World, clock: Clock) -> None:
    people.crm.edit("anna@x.example", company="Neu AG")
    assert people.run().writes == 1
    assert "ORG:Neu AG" in people.book.text("a")


def test_a_withdrawal_does_not_wait(people: World, clock: Clock) -> None:
    people.newsletter.write(UNSUBSCRIBED)
    run = people.run()
    assert not run.failed
    assert people.crm.value("opt_in", id=1) is False
    assert people.crm.value("job_title", id=1) == "Chef"
    assert status(people)["waiting"] == 1


def test_an_approval_given_by_day_holds_at_night(people: World, clock: Clock) -> None:
    people.edit_file(CRM, "kind: sql", "kind: sql\ndelivery: approve")
    people.deploy()
    people.run()
    assert status(people)["pending"] == 1
    assert approve(people.ctx, "crm") == 1
    assert people.run().writes == 0
    assert status(people)["waiting"] == 1
    clock.at = NIGHT
    assert people.run(skip=["extract"]).writes == 1
    assert people.crm.value("job_title", id=1) == "Boss"
    people.settle_down()


def test_a_window_that_closes_stops_a_delivery_between_two_batches(
    people: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.crm.edit("bea@x.example", job_title=None)
    people.run(skip=["plan", "deliver"])
    people.book.edit("b", "ORG:Solo KG", "ORG:Neu AG")
    monkeypatch.setattr(delivering, "_batches", lambda ops, _size: [[op] for op in ops])
    clock.at = NIGHT

    def closes(point: Point) -> None:
        if (point.of, point.what, point.when) == ("crm", "write", "after"):
            clock.at = NIGHT.replace(day=26, hour=5)

    people.ctx = replace(people.ctx, at=closes)
    run = people.run()
    people.ctx = replace(people.ctx, at=lambda _: None)
    assert not run.failed
    late = people.frame("sync/crm/receipts").filter(status="not_sent")
    assert late.height == 1
    assert status(people)["waiting"] == 1
    assert any("1 writes wait for its window, opens at Thu" in note for note in notes(run))
    people.settle_down()
    clock.at = NIGHT.replace(day=26)
    assert people.run().writes == 1
    people.settle_down()


def test_what_was_planned_by_night_and_is_delivered_by_day_stays(
    people: World, clock: Clock
) -> None:
    people.run(skip=["plan", "deliver"])
    clock.at = NIGHT
    plan(task(people, "plan"), platform="crm")
    clock.at = DAY.replace(day=26)
    assert deliver(task(people, "deliver", 0), platform="crm").writes == 0
    assert people.run().writes == 0
    assert status(people)["waiting"] == 1
    clock.at = NIGHT.replace(day=26)
    assert people.run().writes == 1
    people.settle_down()


def test_a_window_that_is_taken_away_lets_everything_go(people: World, clock: Clock) -> None:
    people.run()
    people.edit_file(CRM, "window:", "# window:")
    people.deploy()
    assert people.run().writes == 1
    assert status(people)["window"] == "always open"
    people.settle_down()
