"""Two whole runs at once, by hand and by schedule, in processes of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from end_state import differences, end_state
from killed import Running, Undisturbed, sent

from concord.assets.point import Point
from concord.steps.rounds import run_to_rest

if TYPE_CHECKING:
    from conftest import World

pytestmark = pytest.mark.timeout(300)


CARL = {
    "first_name": "Carl",
    "last_name": "Auer",
    "email": "carl@x.example",
    "company": "Auer OG",
    "country": "AT",
}
Start = Callable[..., Running]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runs; none of them outlives the test."""
    started: list[Running] = []

    def begin(world: World, name: str, **how: Any) -> Running:
        started.append(Running(world, name, **how))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def check(world: World, undisturbed: Undisturbed, began_at: datetime, *runs: Running) -> None:
    """Both ended well, and what they did together is what one run does."""
    ended = [run.ended() for run in runs]
    assert [(code, said) for code, _, said in ended] == [(0, "")] * len(runs)
    together: Counter[str] = sum((sent(points) for _, points, _ in ended), Counter())
    assert together == sent(undisturbed.points)
    world.settle_down()
    assert differences(end_state(world, began_at), undisturbed.state) == []


def test_two_runs_at_once_end_as_one_does_and_send_nothing_twice(
    sixty: Callable[[], World], start: Start, undisturbed: Undisturbed
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    check(world, undisturbed, began_at, start(world, "manual"), start(world, "scheduled"))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_waits_for_another_that_is_in_the_middle_of_a_call(
    sixty: Callable[[], World], start: Start, undisturbed: Undisturbed, when: str
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    call = {"kind": "call", "of": "crm", "what": "write", "when": when}
    scheduled = start(world, "scheduled", stops=[call])
    assert scheduled.stopped()
    manual = start(world, "manual")
    assert manual.says("waiting for another run")
    scheduled.goes_on()
    check(world, undisturbed, began_at, scheduled, manual)


@pytest.mark.parametrize("dataset", ["golden/contacts", "sync/crm/plan", "sync/crm/base"])
def test_a_run_that_another_overtakes_between_two_commits_adds_nothing(
    sixty: Callable[[], World], start: Start, undisturbed: Undisturbed, dataset: str
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    commit = {"kind": "commit", "of": dataset, "when": "before"}
    slow = start(world, "slow", stops=[commit])
    assert slow.stopped()
    quick = start(world, "quick")
    assert quick.ended()[0] == 0
    slow.goes_on()
    check(world, undisturbed, began_at, slow, quick)


def test_a_plan_is_not_replaced_while_another_run_sends_it(people: World, start: Start) -> None:
    planning = {"kind": "commit", "of": "sync/address_book/plan", "when": "before"}
    sending = {"kind": "call", "of": "address_book", "what": "write", "when": "before"}
    people.crm.add(**CARL)
    slow = start(people, "slow", stops=[planning, sending])
    assert slow.stopped()
    people.crm.edit("bea@x.example", company="Neu AG")

    def overtaken(point: Point) -> None:
        if planning.items() <= asdict(point).items():
            slow.goes_on()
            assert slow.stopped()

    ctx = replace(people.ctx, at=overtaken)
    run = run_to_rest(ctx, "quick", skip=["deliver.address_book"])
    notes = [note for one in run.results for note in one.notes]
    assert any("operations of an earlier plan have no receipt" in note for note in notes)
    slow.goes_on()
    assert slow.ended()[0] == 0
    assert not people.run().failed
    people.settle_down()
    assert len(people.book.names()) == 3
    assert "ORG:Neu AG" in people.book.text("b")
