"""The mass-change gate: a plan that would delete or create too much waits for a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from concord.sync.operations import PlannedOperation

__all__ = ["Limits", "hold_mass_changes"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one plan may do by itself.

    Attributes:
        floor: so many operations of a kind always pass.
        deletes: share of the records that we made.
        creates: share of the records that are there; None lets all pass, because at first contact
            nearly everything is a create, and `delivery: approve` shows them to somebody anyway.
    """

    floor: int = 10
    deletes: float = 0.05
    creates: float | None = None


def hold_mass_changes(
    ops: Iterable[PlannedOperation], *, copies: int, records: int, limits: Limits | None = None
) -> list[PlannedOperation]:
    """Hold all deletes, or all creates, of a plan that has too many; the rest goes.

    Args:
        ops: the whole plan of one platform.
        copies: live records there that we made.
        records: live records there.
        limits: None for the usual ones.

    Returns:
        The same operations in their order; those that a person approved are never held.
    """
    limits = limits or Limits()
    plan = list(ops)
    allowed = {"delete": max(limits.floor, limits.deletes * copies)}
    if limits.creates is not None:
        allowed["create"] = max(limits.floor, limits.creates * records)
    reasons = {}
    for kind, most in allowed.items():
        count = sum(op.kind == kind and op.state != "approved" for op in plan)
        if count > most:
            reasons[kind] = f"{count} {kind}s in one plan, at most {int(most)} go unasked"
    return [_held(op, reasons) for op in plan]


def _held(op: PlannedOperation, reasons: dict[str, str]) -> PlannedOperation:
    if op.kind not in reasons or op.state in ("approved", "held"):
        return op
    return replace(op, state="held", reason=reasons[op.kind])
