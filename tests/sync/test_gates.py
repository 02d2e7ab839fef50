"""Plans that would change too much at once."""

from __future__ import annotations

import pytest

from concord.sync.gates import Limits, hold_mass_changes
from concord.sync.operations import PlannedOperation


def ops(count: int, kind: str, state: str = "auto") -> list[PlannedOperation]:
    return [
        PlannedOperation(f"{kind}{n}", f"{kind}{n}", 1, kind, f"r{n}", None, "p", state=state)
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("deletes", "copies", "held"), [(10, 0, 0), (11, 0, 11), (50, 1000, 0), (51, 1000, 51)]
)
def test_deletes_over_the_limit_are_held_and_the_rest_goes(
    deletes: int, copies: int, held: int
) -> None:
    plan = [*ops(3, "withdraw"), *ops(deletes, "delete"), *ops(99, "update"), *ops(99, "create")]
    after = hold_mass_changes(plan, copies=copies, records=5000)
    assert [op.op_id for op in after] == [op.op_id for op in plan]
    assert [op.kind for op in after if op.state == "held"] == ["delete"] * held


def test_the_reason_says_how_many_and_what_would_pass() -> None:
    [op, *_] = hold_mass_changes(ops(60, "delete"), copies=1000, records=1000)
    assert op.reason == "60 deletes in one plan, at most 50 go unasked"


def test_what_somebody_approved_is_never_held() -> None:
    approved = ops(60, "delete", "approved")
    assert hold_mass_changes(approved, copies=0, records=0) == approved


def test_creates_are_held_only_where_a_limit_is_set() -> None:
    limits = Limits(creates=0.2)
    after = hold_mass_changes(ops(21, "create"), copies=0, records=100, limits=limits)
    assert {op.state for op in after} == {"held"}
    after = hold_mass_changes(ops(20, "create"), copies=0, records=100, limits=limits)
    assert {op.state for op in after} == {"auto"}
