"""Values that a platform refuses to hold twice."""

from __future__ import annotations

from typing import Any

from sync_values import elements, mapping, person, record, side, terms

from concord.sync.operations import PlannedOperation
from concord.sync.plan import plan_platform
from concord.sync.unique import holders_of
from concord.sync.view import Person

MAPPED = mapping(unique=("emails", "phone"))


def plan(people: list[Person], *records: Any, owner: dict[str, str]) -> list[PlannedOperation]:
    on = side(*records, owner=owner, holders=holders_of(records, MAPPED))
    return plan_platform({one.person_id: one for one in people}, on, terms(), MAPPED)


def test_of_two_people_with_one_value_the_linked_one_is_written() -> None:
    people = [person("a", emails=elements("x")), person("b", emails=elements("x"))]
    update, create = plan(people, record("r2"), owner={"r2": "b"})
    assert (update.kind, update.state) == ("update", "auto")
    assert (create.kind, create.state) == ("create", "held")
    assert create.reason == (
        "another record of the platform has the same emails, which must be unique"
    )


def test_a_value_that_another_record_holds_is_held_and_the_rest_is_sent() -> None:
    ann = person("a", given_name="ann", emails=elements("X"))
    there = [record("r1"), record("r2", emails=elements("x"))]
    ops = plan([ann], *there, owner={"r1": "a"})
    sent, held = sorted((op for op in ops if op.kind == "update"), key=lambda op: op.state)
    assert (sent.state, list(sent.payload), list(sent.expect)) == (
        "auto",
        ["given_name"],
        ["GIVEN_NAME"],
    )
    assert (held.state, list(held.payload), list(held.expect)) == ("held", ["emails"], ["EMAIL"])
    assert sent.content_id != held.content_id


def test_a_record_may_keep_its_own_value_and_the_dead_hold_none() -> None:
    ann = person("a", given_name="ann", phone="1")
    gone = record("r2", phone="1", deleted_by="them")
    ops = plan([ann], record("r1", phone="1"), gone, owner={"r1": "a"})
    assert {op.state for op in ops} == {"auto"}


def test_scalars_are_compared_without_case() -> None:
    ops = plan([person("a", phone="AB")], record("r1", phone="ab "), owner={})
    assert [op.state for op in ops] == ["held"]
