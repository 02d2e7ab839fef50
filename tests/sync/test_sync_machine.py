"""People and platforms do what they like, the engine is killed anywhere; then all must be well."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from simulated_invariants import Ledger
from simulated_platform import BAD, POISON, Down
from simulated_remote import Killed
from simulated_world import World

NAMES = st.sampled_from(["ann", "ann", "ann", "ann", "Ann ", "bob", "Dee", BAD, POISON])
PHONES = st.sampled_from(["1", "2", " 3", "x4", None, POISON])
EMAILS = st.sampled_from(["a@x", "a@x", "a@x", "B@x ", "b@x", "c@x", "D@x"])
CLAIMS = st.sampled_from([None, None, "granted", "granted", "withdrawn"])
ON = st.sampled_from("ABC")
NUMBER = st.integers(0, 11)
STEPS = ("extract", "cleaned", "plan", "deliver", "acknowledge")
SHARED = ("consent", "resolve", "survivorship")


def options(*audiences: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "feed": st.sampled_from(["token", "watermark", "full"]),
            "normalises": st.booleans(),
            "image": st.booleans(),
            "atomic": st.booleans(),
            "external_id": st.sampled_from([True, True, False]),
            "many": st.booleans(),
            "dated": st.booleans(),
            "audience": st.sampled_from(audiences),
            "approve": st.sampled_from([False, False, True]),
        }
    )


class Sync(RuleBasedStateMachine):
    furnished: Callable[..., World] = World

    @initialize(
        a=options("all"),
        b=options("all", "existing"),
        c=options("consent", "consent", "all"),
        seeded=st.sampled_from([True, True, False]),
    )
    def start(self, a: Any, b: Any, c: Any, seeded: bool) -> None:
        self.world = type(self).furnished(A=a, B=b, C=c)
        self.ledger = Ledger(self.world)
        if seeded:
            self.world.create("A", phone="1", claim="granted", tier="t1")
            self.world.create("B", phone="2", tier="t2")
            self.world.run()

    def some(self, number: int) -> str:
        records = [r for one in self.world.platforms.values() for r in sorted(one.records)]
        records = records or [self.world.create("A", claim="granted")]
        return records[number % len(records)]

    @rule(
        on=ON,
        email=EMAILS,
        name=NAMES,
        phone=PHONES,
        claim=CLAIMS,
        tier=st.sampled_from([None, "t1", "t2"]),
    )
    def create(self, **values: Any) -> None:
        if sum(len(one.records) for one in self.world.platforms.values()) < 8:
            self.world.create(**values)

    @rule(number=NUMBER, state=st.sampled_from(["granted", "withdrawn", "withdrawn"]))
    def claim(self, number: int, state: str) -> None:
        self.world.claim(self.some(number), state)

    @rule(
        number=NUMBER,
        column=st.sampled_from(["name", "phone", "phone", "tier"]),
        text=PHONES | NAMES,
    )
    def edit(self, number: int, column: str, text: str | None) -> None:
        if column != "name" or text is not None:
            self.world.edit(self.some(number), column, text)

    @rule(number=NUMBER, email=EMAILS, add=st.booleans())
    def mail(self, number: int, email: str, add: bool) -> None:
        self.world.mail(self.some(number), email, add)

    @rule(number=NUMBER)
    def delete(self, number: int) -> None:
        self.world.delete(self.some(number))

    @rule(on=ON)
    def restore(self, on: str) -> None:
        gone = self.world.platforms[on].gone
        originals = sorted(record for record, one in gone.items() if one.made_by == "them")
        if originals:
            self.world.restore(originals[-1])

    @rule(number=NUMBER)
    def note(self, number: int) -> None:
        record = self.some(number)
        self.world.on(record).set_note(record, "n")

    @rule(on=ON, events=st.integers(0, 4))
    def lag(self, on: str, events: int) -> None:
        if self.world.platforms[on].options.feed != "full":
            self.world.platforms[on].lag = events

    @rule(on=ON)
    def toggle(self, on: str) -> None:
        self.world.platforms[on].down = not self.world.platforms[on].down

    @rule()
    def map_tier(self) -> None:
        if "tier" not in self.world.lake.mapped:
            self.world.lake.mapped.append("tier")

    @rule(approve=st.sampled_from([True, True, False]), sweep=st.booleans())
    def run(self, approve: bool, sweep: bool) -> None:
        self.world.run(approve=approve, sweep=sweep)

    @rule(commits=st.integers(1, 60))
    def run_and_kill(self, commits: int) -> None:
        self.world.run(killed_after=commits)

    @rule(batches=st.integers(1, 4))
    def run_and_kill_in_doubt(self, batches: int) -> None:
        self.world.run(doubt_after=batches)

    @rule(
        number=NUMBER,
        column=st.sampled_from(["name", "phone"]),
        text=NAMES,
        email=EMAILS,
        add=st.booleans(),
        what=st.booleans(),
    )
    def edit_midway(
        self, number: int, column: str, text: str, email: str, add: bool, what: bool
    ) -> None:
        record, world = self.some(number), self.world
        before: dict[Any, Any] = {}

        def people() -> None:
            before.update(world.edits)
            if record not in world.on(record).records:
                return
            if what:
                world.edit(record, column, text)
            else:
                world.mail(record, email, add)
            before["done"] = True
            self.fresh = [key for key in world.edits if world.edits[key] != before.get(key)]

        self.fresh: list[Any] = []
        world.run(midway=people)
        for key in self.fresh:  # seen in the next run, unless a write brings it back in this one
            if key in world.edits:
                world.edits[key] = (world.edits[key][0], world.epoch)

    @rule(on=ON)
    def approve(self, on: str) -> None:
        self.world.approve(on)

    @rule(step=st.sampled_from(STEPS + SHARED), on=ON, commits=st.none() | st.integers(1, 6))
    def one_step(self, step: str, on: str, commits: int | None) -> None:
        lake = self.world.lake
        lake.killed_after = commits
        with contextlib.suppress(Killed, Down):
            getattr(lake, step)(*(() if step in SHARED else (on,)))
        lake.killed_after = None

    @rule()
    def quiesce(self) -> None:
        self.world.quiesce()
        self.ledger.check()


def search(
    examples: int, steps: int, machine: type[RuleBasedStateMachine] = Sync, **more: Any
) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


def test_whatever_happens_nothing_is_lost_doubled_or_sent_to_the_wrong_people() -> None:
    search(examples=30, steps=30)


@pytest.mark.xfail(strict=True, reason="whose delete it was cannot be told: see the docstring")
def test_a_copy_that_people_delete_before_our_own_delete_is_planned_is_not_made_again() -> None:
    """Found by the search, once in many thousand examples.

    People delete a copy; before that is read, our own delete of it is planned, since its original
    is gone. A plan without receipts may have been sent by a killed run, so the next reading takes
    the delete for ours, and when the original returns the copy is made again.
    """
    a = {"feed": "token", "normalises": False, "image": False, "atomic": False, "many": False}
    a |= {"external_id": True, "dated": True, "audience": "all", "approve": False}
    machine = Sync()
    machine.start(a=a, b=a, c={**a, "audience": "consent"}, seeded=False)
    machine.edit_midway(number=0, column="name", text="ann", email="a@x", add=False, what=False)
    machine.delete(number=0)
    machine.run_and_kill_in_doubt(batches=1)
    machine.delete(number=0)
    machine.restore(on="A")
    machine.one_step(step="plan", on="C", commits=None)
    machine.quiesce()


@pytest.mark.deep
def test_a_long_search_finds_nothing_either() -> None:
    search(examples=int(os.environ.get("CONCORD_SYNC_EXAMPLES", "2000")), steps=40)
