"""Operations as planned and receipts as filed: the rows of sync/<platform>/plan and …/receipts.

Payload and pairs hold canonical values of contract columns; consent travels in the payload as
``"consent/<channel>/<purpose>": "granted" | "withdrawn"``. What the plan saw (`expect`) is held as
native fields, exactly as read: a guard must not trip over a normaliser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from concord.sync.cells import Stamps, dump_stamps, load_stamps
from concord.sync.observe import Sent
from concord.sync.values import Values, dump, load

__all__ = [
    "KINDS",
    "Hash",
    "PlannedOperation",
    "StoredReceipt",
    "content_id",
    "new_record",
    "op_id",
]

KINDS = ("withdraw", "delete", "update", "grant", "create", "agree")
"""Kinds of operation in the order of their delivery."""

Hash = Callable[[str], str]
"""Keyed hash of a text."""


def new_record(person_id: str) -> str:
    """Stands for the record that a create will make."""
    return f"new:{person_id}"


def content_id(
    hashed: Hash, platform: str, record_id: str, kind: str, content: Values | str
) -> str:
    """Names an operation by what it does, whenever it is planned.

    Args:
        content: values, or their canonical JSON text.
    """
    text = content if isinstance(content, str) else dump(dict(content))
    return hashed(f"[{dump(platform)},{dump(record_id)},{dump(kind)},{text}]")


def op_id(hashed: Hash, content: str, plan_no: int) -> str:
    """Names an operation of one plan, given what names its content."""
    return hashed(f"{content}#{plan_no}")


@dataclass(frozen=True, slots=True)
class PlannedOperation:
    """One row of a plan.

    Attributes:
        op_id: content and plan; names the operation in its receipt.
        content_id: what it does; approvals and refusals hang on it.
        kind: one of `KINDS`.
        record_id: the record; ``new:<person_id>`` for a create.
        remote_id: None for a create.
        payload: canonical column to value; ``{"add": [element], "remove": [key]}`` for a list of
            an update; empty for a delete or agree row.
        expect: native fields as the plan saw them.
        stamps: of the golden values in the payload.
        pairs: golden's value of every column sent, as the base compares it; for an agree row
            golden's and the platform's.
        state: ``auto``, ``pending``, ``approved`` or ``held``.
        reason: why it is held; no value of a record.
        position: 0-based place in the order of delivery.
    """

    op_id: str
    content_id: str
    plan_no: int
    kind: str
    record_id: str
    remote_id: str | None
    person_id: str | None
    payload: Values = field(default_factory=dict)
    expect: Values = field(default_factory=dict)
    stamps: Stamps = field(default_factory=dict)
    pairs: Mapping[str, Any] = field(default_factory=dict)
    state: str = "auto"
    reason: str | None = None
    position: int = 0

    @property
    def released(self) -> bool:
        """Whether deliver may send it."""
        return self.state in ("auto", "approved")

    def sent(self, *, sure: bool = False) -> Sent:
        """As `observe` wants it."""
        return Sent(self.kind, self.person_id, self.payload, self.stamps, sure)

    def row(self) -> dict[str, Any]:
        """As the plan's table holds it."""
        return {
            "op_id": self.op_id,
            "content_id": self.content_id,
            "plan_no": self.plan_no,
            "kind": self.kind,
            "record_id": self.record_id,
            "remote_id": self.remote_id,
            "person_id": self.person_id,
            "payload": dump(dict(self.payload)),
            "expect": dump(dict(self.expect)),
            "stamps": dump_stamps(self.stamps),
            "pairs": dump(dict(self.pairs)),
            "state": self.state,
            "reason": self.reason,
            "position": self.position,
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> PlannedOperation:
        """From a row of the plan's table."""
        plain = {name: row[name] for name in cls.__slots__ if name not in _TEXTS}
        return cls(
            **plain,
            payload=load(row["payload"]) or {},
            expect=load(row["expect"]) or {},
            stamps=load_stamps(row["stamps"]),
            pairs=load(row["pairs"]) or {},
        )


_TEXTS = ("payload", "expect", "stamps", "pairs")


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """One row of sync/<platform>/receipts: what became of an operation, and what it was.

    Attributes:
        record_id: the record; for a create that landed the new record's.
        status: ``ok``, ``exists``, ``gone``, ``conflict``, ``rejected``; ``agree`` for a row that
            needed no call; ``settled`` or ``not_sent`` for one whose fate was read afterwards.
        code: the platform's own code of a refusal.
        image: the mapped native fields as stored after the call; None when the record is not there.
    """

    op_id: str
    content_id: str
    kind: str
    record_id: str
    person_id: str | None
    remote_id: str | None
    status: str
    seen_at: datetime
    code: str | None = None
    version: str | None = None
    modified_at: datetime | None = None
    image: Values | None = None
    payload: Values = field(default_factory=dict)
    stamps: Stamps = field(default_factory=dict)
    pairs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def to(
        cls, op: PlannedOperation, status: str, seen_at: datetime, **facts: Any
    ) -> StoredReceipt:
        """A receipt for *op*; *facts* override what the operation says of itself."""
        known = {
            "record_id": op.record_id,
            "remote_id": op.remote_id,
            "payload": op.payload,
            "stamps": op.stamps,
            "pairs": op.pairs,
        }
        return cls(
            op_id=op.op_id,
            content_id=op.content_id,
            kind=op.kind,
            person_id=op.person_id,
            status=status,
            seen_at=seen_at,
            **{**known, **facts},
        )

    @property
    def planned_for(self) -> str:
        """The record as the plan named it."""
        return new_record(self.person_id or "") if self.kind == "create" else self.record_id

    def sent(self) -> Sent:
        """As `observe` wants it."""
        return Sent(self.kind, self.person_id, self.payload, self.stamps, self.status == "ok")

    def row(self) -> dict[str, Any]:
        """As the receipts' table holds it."""
        return {name: self._text(name) for name in _RECEIPT_COLUMNS}

    def _text(self, name: str) -> Any:
        value = getattr(self, name)
        if name == "stamps":
            return dump_stamps(self.stamps)
        if name in ("payload", "pairs", "image"):
            return None if value is None else dump(dict(value))
        return value

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> StoredReceipt:
        """From a row of the receipts' table."""
        texts = ("image", "payload", "stamps", "pairs")
        plain = {name: row[name] for name in cls.__slots__ if name not in texts}
        return cls(
            **plain,
            image=load(row["image"]),
            payload=load(row["payload"]) or {},
            stamps=load_stamps(row["stamps"]),
            pairs=load(row["pairs"]) or {},
        )


_RECEIPT_COLUMNS = (
    "op_id",
    "content_id",
    "kind",
    "record_id",
    "person_id",
    "remote_id",
    "status",
    "code",
    "version",
    "modified_at",
    "image",
    "payload",
    "stamps",
    "pairs",
    "seen_at",
)
