"""What receipts teach us: the base of what was agreed, and how each record stands after the writes.

Base and raw keep their own cursor on the receipts, so folding may be repeated for one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from concord.sync.base import Base, compared
from concord.sync.cells import Claim
from concord.sync.mapped import Mapped
from concord.sync.observe import Reading, Sent
from concord.sync.operations import KINDS, StoredReceipt
from concord.sync.values import Json, Values

__all__ = ["Folding", "fold_base", "foldings"]


@dataclass(frozen=True, slots=True)
class Folding:
    """One record that receipts tell of.

    Attributes:
        last: the newest receipt with its state, which is what `observe` compares.
        ops: all operations of ours on the record that landed, to be compared together.
    """

    last: StoredReceipt
    ops: tuple[Sent, ...]

    @property
    def record_id(self) -> str:
        """The record."""
        return self.last.record_id

    def reading(
        self, *, values: Values, before: Values, claims: Mapping[str, Claim] | None = None
    ) -> Reading:
        """The state after the write, as a reading; for the arguments see `Reading`."""
        last = self.last
        return Reading(
            record_id=last.record_id,
            remote_id=last.remote_id,
            seen_at=last.seen_at,
            version=last.version,
            modified_at=last.modified_at,
            fields=last.image,
            values=values,
            before=before,
            claims=claims or {},
        )


def foldings(receipts: Iterable[StoredReceipt]) -> list[Folding]:
    """Records whose state receipts tell of, in the order of their newest receipt.

    Args:
        receipts: those that raw has not taken in; of two on one record that were seen at the same
            time, the one that is delivered later shows the record.
    """
    last: dict[str, StoredReceipt] = {}
    ours: dict[str, list[Sent]] = {}
    for receipt in sorted(receipts, key=lambda one: (one.seen_at, KINDS.index(one.kind))):
        if receipt.status not in ("ok", "exists", "gone", "conflict"):
            continue
        last.pop(receipt.record_id, None)
        last[receipt.record_id] = receipt
        if receipt.status in ("ok", "exists"):
            ours.setdefault(receipt.record_id, []).append(receipt.sent())
    return [Folding(receipt, tuple(ours.get(record, ()))) for record, receipt in last.items()]


def fold_base(
    base: Mapping[str, Base],
    receipts: Iterable[StoredReceipt],
    stored: Mapping[str, Values],
    mapped: Mapped,
) -> dict[str, Base]:
    """Move the base by what was sent and taken; nothing else moves it.

    Args:
        base: rows by record_id, at least of the records that *receipts* name.
        receipts: those that the base has not taken in, oldest first.
        stored: canonical values of each receipt's image, by op_id.
        mapped: the platform's mapping.

    Returns:
        Rows that changed; one without pairs and rejects is to be deleted.
    """
    moved: dict[str, Base] = {}

    def current(record_id: str) -> Base:
        return moved.get(record_id) or base.get(record_id) or Base(record_id)

    for receipt in receipts:
        for row in _moves(receipt, current(receipt.planned_for), stored, mapped):
            moved[row.record_id] = row
        if receipt.status == "ok" and receipt.kind == "create":
            pairs = {
                **current(receipt.record_id).pairs,
                **_sent(receipt, stored.get(receipt.op_id), mapped),
            }
            moved[receipt.record_id] = Base(
                receipt.record_id, pairs, current(receipt.record_id).rejects
            )
    return {record_id: row for record_id, row in moved.items() if row != base.get(record_id)}


def _moves(
    receipt: StoredReceipt, row: Base, stored: Mapping[str, Values], mapped: Mapped
) -> Iterable[Base]:
    record_id, pairs, rejects = row.record_id, row.pairs, row.rejects
    if receipt.status == "agree":
        yield Base(record_id, {**pairs, **_agreed(receipt.pairs)}, rejects)
    elif receipt.status == "rejected":
        yield Base(record_id, pairs, {**rejects, receipt.kind: receipt.content_id})
    elif receipt.status == "ok":
        rejects = {kind: content for kind, content in rejects.items() if kind != receipt.kind}
        if receipt.kind == "delete":
            pairs = {}
        elif receipt.kind != "create":
            pairs = {**pairs, **_sent(receipt, stored.get(receipt.op_id), mapped)}
        yield Base(record_id, pairs, rejects)


def _agreed(pairs: Mapping[str, Json]) -> dict[str, tuple[str, str]]:
    return {column: (golden, remote) for column, (golden, remote) in pairs.items()}


def _sent(
    receipt: StoredReceipt, stored: Values | None, mapped: Mapped
) -> dict[str, tuple[str, str]]:
    if receipt.image is None or stored is None:
        return {}
    return {
        column: (golden, compared(mapped, column, stored.get(column)))
        for column, golden in receipt.pairs.items()
    }
