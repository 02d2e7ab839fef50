"""After a stop anywhere: what may have been sent without a receipt, and what reading it proves.

Nothing is resent blindly. Every released operation without a receipt is looked up on the platform,
observed together with its neighbours on the record, and given a receipt; then all is planned anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from concord.sync.mapped import Mapped
from concord.sync.observe import Sent
from concord.sync.operations import PlannedOperation, StoredReceipt
from concord.sync.values import Values, alike

__all__ = ["approvals", "match_created", "ops_on", "settled", "unsettled"]


def unsettled(
    ops: Iterable[PlannedOperation], receipted: Collection[str]
) -> list[PlannedOperation]:
    """Operations of the open plan that may have been sent; *receipted* are op_ids."""
    return [op for op in ops if op.released and op.kind != "agree" and op.op_id not in receipted]


def approvals(ops: Iterable[PlannedOperation], statuses: Mapping[str, str]) -> frozenset[str]:
    """Contents whose approval is still good: no receipt of an answer has used it up.

    Args:
        ops: the last plan.
        statuses: op_id to the status of its receipt.
    """
    unused = (None, "settled", "not_sent")
    return frozenset(
        op.content_id for op in ops if op.state == "approved" and statuses.get(op.op_id) in unused
    )


def match_created(
    op: PlannedOperation, unknown: Mapping[str, Values], mapped: Mapped
) -> str | None:
    """The record that a create in doubt made, on a platform that cannot name it for us.

    Args:
        op: the create.
        unknown: canonical values of the listed records that raw does not know and no other create
            was matched with, by record_id.

    Returns:
        The record with the same elements in every list that was sent, and most other values alike;
        without lists all values must be alike. None when there is none.
    """
    lists = [column for column in op.payload if column in mapped.lists]
    scalars = [column for column in op.payload if column in mapped.natives and column not in lists]

    def score(record_id: str) -> int:
        values = unknown[record_id]
        return sum(alike(op.payload[column], values.get(column)) for column in scalars)

    def same_lists(record_id: str) -> bool:
        return all(
            set(mapped.elements(column, unknown[record_id].get(column)))
            == set(mapped.elements(column, op.payload[column]))
            for column in lists
        )

    needed = 0 if lists else len(scalars)
    candidates = [one for one in sorted(unknown) if same_lists(one) and score(one) >= needed]
    return max(candidates, key=score, default=None)


def ops_on(
    record_id: str, todo: Iterable[PlannedOperation], found: Mapping[str, str]
) -> tuple[Sent, ...]:
    """Every operation in doubt on one record, creates by the record that they made."""
    return tuple(op.sent() for op in todo if found.get(op.op_id, op.record_id) == record_id)


def settled(
    todo: Sequence[PlannedOperation],
    found: Mapping[str, str],
    remote_ids: Mapping[str, str],
    seen_at: datetime,
) -> list[StoredReceipt]:
    """One receipt for every operation in doubt.

    Args:
        todo: see `unsettled`.
        found: op_id of each create that landed to the record it made.
        remote_ids: record_id to remote_id of those records.
        seen_at: when the platform was read.
    """
    receipts = []
    for op in todo:
        if op.kind == "create" and op.op_id not in found:
            receipts.append(StoredReceipt.to(op, "not_sent", seen_at))
            continue
        record_id = found.get(op.op_id, op.record_id)
        remote_id = remote_ids.get(record_id, op.remote_id)
        receipts.append(
            StoredReceipt.to(op, "settled", seen_at, record_id=record_id, remote_id=remote_id)
        )
    return receipts
