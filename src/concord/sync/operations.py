"""Operations as plans and receipts keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from concord.sync.cells import Stamp, stamp_from_json
from concord.sync.observe import OurOperation

__all__ = ["ORDER", "PlannedOperation", "our_operation", "text"]

ORDER = {"withdraw": 0, "delete": 1, "update": 2, "grant": 3, "create": 4, "agree": 5}


def text(value: Any) -> str:
    """JSON text, the same for the same value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One intended write.

    Attributes:
        kind: one of `ORDER`.
        record_id: ``new:<person_id>`` for a create.
        payload: column or claim to canonical value, as JSON.
        expect: native fields that the write touches, as the plan saw them.
        stamps: ``column`` or ``column/element`` to the stamp of the golden value.
        removed: list column to the keys that the operation takes away.
        pairs: for agree rows: column to [golden, remote].
        state: ``auto``, ``pending``, ``approved`` or ``held``.
        reason: why it is held; names columns and rules, no values.
    """

    kind: str
    record_id: str
    remote_id: str | None
    person_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    removed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    pairs: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    state: str = "auto"
    reason: str | None = None

    def content(self) -> str:
        """What makes two operations the same decision."""
        pairs = dict(self.pairs) if self.kind == "agree" else {}
        return text([self.kind, self.record_id, dict(self.payload), pairs])

    def stamps_text(self) -> str:
        """Stamps and removed keys, as one JSON text."""
        return text(
            {
                "stamps": {name: stamp.to_json() for name, stamp in self.stamps.items()},
                "removed": {name: list(keys) for name, keys in self.removed.items()},
            }
        )


def our_operation(row: Mapping[str, Any], *, sure: bool) -> OurOperation:
    """The operation of a plan or receipt row, for `observe`."""
    stamps = orjson.loads(row["stamps"]) if row["stamps"] else {"stamps": {}, "removed": {}}
    return OurOperation(
        kind=row["kind"],
        person_id=row["person_id"],
        payload=orjson.loads(row["payload"]) if row["payload"] else {},
        stamps={name: stamp_from_json(one) for name, one in stamps["stamps"].items()},
        removed=stamps["removed"],
        sure=sure,
    )
