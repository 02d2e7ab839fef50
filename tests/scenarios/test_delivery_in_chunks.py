"""Several writers deliver one plan: each sends, and settles, its own part only."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import concord.steps.deliver as delivering
from concord.assets.commit import RunId
from concord.assets.point import Point
from concord.steps.acknowledge import acknowledge
from concord.steps.context import Context, Result
from concord.steps.deliver import deliver
from concord.steps.plan import plan
from concord.steps.receipts import unsettled
from concord.sync.chunks import EVERY_SLOT, slot_of, slots_of

if TYPE_CHECKING:
    from conftest import World

PEOPLE = 30
UNSUBSCRIBED = "N1;anna@x.example;Anna;Gruber;de;unsubscribed;2026-01-01T00:00:00+00:00;;;spring"


class Killed(BaseException):
    """Ends a step as a kill would, without a receipt."""


@pytest.fixture
def planned(people: World) -> World:
    """Thirty people of the CRM whom the address book lacks; nothing is delivered yet."""
    for number in range(PEOPLE):
        name = f"person{number}"
        people.crm.add(
            first_name=name.title(),
            last_name="Auer",
            email=f"{name}@x.example",
            company=f"{name} OG",
            country="AT",
        )
    people.run(skip=["plan", "deliver"])
    return people


def task(world: World, name: str, chunk: int = -1, *, try_number: int = 1) -> Context:
    """The context of a task of one Dag run."""
    run = RunId(f"sync_address_book/run/{name}/{chunk}", "x", None, try_number)
    return replace(world.ctx, run=run)


def planning(world: World) -> Result:
    return plan(task(world, "plan"), platform="address_book")


def sending(world: World, chunk: int, of: int, *, try_number: int = 1, **more: Any) -> Result:
    ctx = task(world, "deliver", chunk, try_number=try_number)
    return deliver(ctx, platform="address_book", chunk=chunk, of=of, **more)


def locked_while_writing(world: World) -> set[frozenset[int]]:
    """Fills with the slots that are somebody's turn whenever a platform is written to."""
    found: set[frozenset[int]] = set()

    def look(point: Point) -> None:
        if (point.kind, point.what, point.when) != ("call", "write", "before"):
            return
        held = set()
        for slot in EVERY_SLOT:
            place = world.root / "lake" / ".turns" / f"{point.of}.{slot}"
            with place.open("a") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                continue
            held.add(slot)
        found.add(frozenset(held))

    world.ctx = replace(world.ctx, at=look)
    return found


def finish(world: World) -> None:
    acknowledge(task(world, "acknowledge"), platform="address_book")
    assert not world.run().failed
    world.settle_down()
    assert len(world.book.names()) == PEOPLE + 2


def test_the_plan_says_how_many_writers_are_worth_it(planned: World) -> None:
    assert planning(planned).facts == {"chunks": 2, "withdrawals": 0}


def test_a_declared_limit_holds(planned: World) -> None:
    planned.edit_file(
        "assets/platforms/address_book.yaml", "kind: carddav", "kind: carddav\nmax_concurrency: 1"
    )
    planned.deploy()
    assert planning(planned).facts["chunks"] == 1


def test_each_chunk_sends_its_own_part(planned: World) -> None:
    planning(planned)
    ops = unsettled(planned.ctx, "address_book")
    held = locked_while_writing(planned)
    first = sending(planned, 0, 2)
    assert held == {frozenset(slots_of(0, 2))}
    assert first.writes == sum(slot_of(op) in slots_of(0, 2) for op in ops)
    assert first.writes + sending(planned, 1, 2).writes == len(ops) == PEOPLE
    finish(planned)


def test_a_killed_chunk_leaves_the_others_to_finish_and_settles_only_its_own(
    planned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    planning(planned)
    ops = unsettled(planned.ctx, "address_book")

    def killed(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(delivering, "append_receipts", killed)
    with pytest.raises(Killed):
        sending(planned, 0, 3)
    monkeypatch.undo()
    left = unsettled(planned.ctx, "address_book")
    assert len(left) == len(ops)
    assert sending(planned, 0, 3, try_number=2).writes == 0
    left = unsettled(planned.ctx, "address_book")
    assert {slot_of(op) in slots_of(0, 3) for op in left} == {False}
    assert sending(planned, 1, 3).writes + sending(planned, 2, 3).writes == len(left) > 0
    finish(planned)


def test_somebody_elses_edit_stops_a_chunk_as_before(planned: World) -> None:
    planning(planned)
    planned.book.edit("b", "ORG:Solo KG", "ORG:Neu AG")
    planned.run(skip=["plan", "deliver", "acknowledge"])
    assert sending(planned, 0, 2).writes == 0


def test_withdrawals_go_before_everything_and_alone(people: World) -> None:
    people.newsletter.write(UNSUBSCRIBED)
    people.crm.edit("bea@x.example", company="Neu AG")
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    people.run(skip=["plan", "deliver"])
    plan(task(people, "plan"), platform="crm")
    kinds = [op.kind for op in unsettled(people.ctx, "crm")]
    assert kinds.count("withdraw") == 1
    assert len(kinds) > 1
    held = locked_while_writing(people)
    done = deliver(task(people, "withdraw"), platform="crm", withdrawals=True)
    assert done.writes == 1
    assert held == {frozenset(EVERY_SLOT)}
    assert people.crm.value("opt_in", id=1) is False
    assert "withdraw" not in {op.kind for op in unsettled(people.ctx, "crm")}
    again = deliver(task(people, "withdraw", try_number=2), platform="crm", withdrawals=True)
    assert again.writes == 0
    assert len(unsettled(people.ctx, "crm")) == len(kinds) - 1
    assert not people.run().failed
    people.settle_down()
