"""What is known of operations that left no receipt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sync_values import at, elements, mapping

from concord.sync.operations import PlannedOperation
from concord.sync.settle import approvals, match_created, ops_on, settled, unsettled


def op(number: int, kind: str = "update", state: str = "auto", **facts: Any) -> PlannedOperation:
    record = "new:p" if kind == "create" else "r1"
    remote = None if kind == "create" else "remote-r1"
    return PlannedOperation(
        f"op{number}", f"c{number}", 1, kind, record, remote, "p", state=state, **facts
    )


def test_only_released_operations_without_a_receipt_are_in_doubt() -> None:
    plan = [op(1), op(2), op(3, state="pending"), op(4, state="held"), op(5, "agree")]
    plan.append(op(6, state="approved"))
    assert [one.op_id for one in unsettled(plan, {"op2"})] == ["op1", "op6"]


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (None, True),
        ("settled", True),
        ("not_sent", True),
        ("ok", False),
        ("conflict", False),
        ("rejected", False),
    ],
)
def test_an_approval_is_used_up_by_an_answer(status: str | None, left: bool) -> None:
    statuses = {} if status is None else {"op1": status}
    plan = [op(1, state="approved"), op(2, state="pending")]
    assert approvals(plan, statuses) == ({"c1"} if left else set())


def test_every_operation_in_doubt_gets_a_receipt() -> None:
    todo = [op(1), op(2, "create"), replace(op(3, "create"), person_id="q")]
    receipts = settled(todo, {"op2": "r2"}, {"r2": "remote-r2"}, at(9))
    assert [(r.op_id, r.status, r.record_id, r.remote_id) for r in receipts] == [
        ("op1", "settled", "r1", "remote-r1"),
        ("op2", "settled", "r2", "remote-r2"),
        ("op3", "not_sent", "new:p", None),
    ]


def test_operations_on_one_record_are_observed_together() -> None:
    todo = [op(1), op(2, "grant"), op(3, "create")]
    assert [one.kind for one in ops_on("r1", todo, {"op3": "r3"})] == ["update", "grant"]
    assert [one.kind for one in ops_on("r3", todo, {"op3": "r3"})] == ["create"]
    assert not any(one.sure for one in ops_on("r1", todo, {}))


def test_a_create_is_matched_with_the_record_that_is_most_like_it() -> None:
    made = op(1, "create", payload={"given_name": "Ann", "phone": "1", "emails": elements("a")})
    unknown = {
        "r1": {"given_name": "bob", "phone": None, "emails": elements("a")},
        "r2": {"given_name": "ann", "phone": "7", "emails": elements("a")},
        "r3": {"given_name": "Ann", "phone": "1", "emails": elements("a", "b")},
    }
    assert match_created(made, unknown, mapping()) == "r2"


def test_a_create_without_lists_is_matched_only_with_its_equal() -> None:
    made = op(1, "create", payload={"given_name": "Ann", "phone": "1"})
    assert match_created(made, {"r1": {"given_name": "ann", "phone": "2"}}, mapping()) is None
    assert match_created(made, {"r1": {"given_name": "ann", "phone": "1"}}, mapping()) == "r1"
