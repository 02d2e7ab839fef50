"""Decide what to write to one platform: rules 16 to 26, 36 and 37 of the sync rules.

Before planning, the caller makes sure that every platform has had one complete reading, that this
platform was read in this run, and that none of its operations is unsettled and none of its
receipts unacknowledged. The mass-change gate (`concord.sync.gates`) comes after, over the whole
plan. Planning is keyed by person: a record of nobody can be planned with any of them, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from concord.sync.changes import creation, update
from concord.sync.consents import Telling, claims_of, grants, withdrawals
from concord.sync.mapped import Mapped
from concord.sync.operations import KINDS, PlannedOperation, content_id, new_record, op_id
from concord.sync.unique import hold_doubles
from concord.sync.values import Values
from concord.sync.view import KnownRecord, Person, Side, Terms

__all__ = ["in_order", "lead_of", "may_create", "plan_platform", "unmoved"]


def plan_platform(
    persons: Mapping[str, Person],
    side: Side,
    terms: Terms,
    mapped: Mapped,
    *,
    old: Iterable[PlannedOperation] = (),
    approved: frozenset[str] = frozenset(),
) -> list[PlannedOperation]:
    """Plan the operations of one platform for *persons* and for the records of nobody in *side*.

    Args:
        persons: rows of golden, by person_id; one without a row is sent nothing but withdrawals.
        side: their records on the platform.
        terms: under which is planned.
        mapped: the platform's mapping.
        old: operations of the last plan that have no receipt; the same decision keeps its op_id.
        approved: contents that a person approved and no receipt has used up.

    Returns:
        Operations in order of delivery; an empty list when both sides agree.
    """
    if terms.delivery == "off" or terms.direction == "in":
        return []
    planning = _Planning(persons, side, terms, mapped, approved)
    known = {op.content_id: op for op in old}
    return in_order([_named(op, known, terms) for op in planning.operations()])


def lead_of(records: Iterable[KnownRecord], side: Side) -> KnownRecord | None:
    """The one record of a person that receives writes: it stays the same while it lives.

    The record with a base, then an original, then the lowest id.
    """

    def rank(record: KnownRecord) -> tuple[bool, bool, str]:
        base = side.base.get(record.record_id)
        agreed = base is not None and bool(base.pairs)
        return not agreed, record.person_id is not None, record.record_id

    return min((record for record in records if record.live), key=rank, default=None)


def may_create(person: Person, records: Sequence[KnownRecord], terms: Terms) -> bool:
    """Not where people have deleted the person before, copy or original."""
    deleted = any(record.deleted_by == "them" for record in records)
    return person.allowed and not terms.existing and not deleted


def unmoved(ops: Iterable[PlannedOperation], moved: Collection[str]) -> list[PlannedOperation]:
    """Operations that still rest on what the plan saw; the others wait for the next plan.

    Args:
        ops: those about to be sent.
        moved: records whose raw row changed after the plan was made, for instance while it waited
            for approval. A create rests on nobody having a record, so any change stops it.
    """
    return [op for op in ops if (not moved if op.kind == "create" else op.record_id not in moved)]


def in_order(ops: Iterable[PlannedOperation]) -> list[PlannedOperation]:
    """Operations in order of delivery, with their positions."""
    ordered = sorted(ops, key=lambda op: (KINDS.index(op.kind), op.record_id, op.content_id))
    return [replace(op, position=position) for position, op in enumerate(ordered)]


def _named(
    op: PlannedOperation, known: Mapping[str, PlannedOperation], terms: Terms
) -> PlannedOperation:
    before = known.get(op.content_id)
    if before is not None:
        return replace(op, op_id=before.op_id, plan_no=before.plan_no)
    return replace(op, op_id=op_id(terms.hashed, op.content_id, terms.plan_no))


class _Planning:
    """One plan in the making."""

    def __init__(
        self,
        persons: Mapping[str, Person],
        side: Side,
        terms: Terms,
        mapped: Mapped,
        approved: frozenset[str],
    ) -> None:
        self.persons = persons
        self.side = side
        self.terms = terms
        self.mapped = mapped
        self.approved = approved
        self.records: dict[str, list[KnownRecord]] = {}
        for record_id, record in sorted(side.records.items()):
            owner = side.owners.get(record_id)
            if owner is not None:
                self.records.setdefault(owner, []).append(record)

    def operations(self) -> Iterator[PlannedOperation]:
        wanted = [op for person in self._weighed() for op in self._fields(person)]
        fresh = [op for op in wanted if not self._refused(op)]
        held = hold_doubles(fresh, self.side.holders, self.mapped)
        named = [self._judged(op) for op in held if not self._refused(op)]
        yield from named
        sent: dict[str, list[PlannedOperation]] = {}
        for op in named:
            if op.released:
                sent.setdefault(op.record_id, []).append(op)
        for op in self._consents(sent):
            if not self._refused(op):
                yield self._judged(op)

    def _weighed(self) -> Iterator[Person]:
        """People whose every record here golden has weighed as it stands."""
        for person_id, person in sorted(self.persons.items()):
            records = self.records.get(person_id, ())
            if not any(record.record_id in self.side.behind for record in records):
                yield person

    def _fields(self, person: Person) -> Iterator[PlannedOperation]:
        records = self.records.get(person.person_id, [])
        if not person.alive:
            for record in records:
                if record.live and record.person_id is not None:
                    yield self._draft("delete", person.person_id, record)
            return
        lead = lead_of(records, self.side)
        if lead is not None:
            if person.allowed and lead.accepted and lead.fault is None:
                yield from self._update(person, lead)
        elif may_create(person, records, self.terms):
            yield from self._create(person)

    def _update(self, person: Person, lead: KnownRecord) -> Iterator[PlannedOperation]:
        base = self.side.base.get(lead.record_id)
        changes = update(person, lead, base, self.mapped, self.terms)
        if changes.agreed:
            yield replace(
                self._draft("agree", person.person_id, lead, content=changes.agreed),
                payload={},
                pairs=changes.agreed,
            )
        if changes.payload:
            yield replace(
                self._draft("update", person.person_id, lead, content=changes.payload),
                expect=changes.expect,
                stamps=changes.stamps,
                pairs=changes.pairs,
            )

    def _create(self, person: Person) -> Iterator[PlannedOperation]:
        changes = creation(person, self.mapped, self.terms)
        if changes.payload:
            content = {**changes.payload, **claims_of(person, self.mapped)}
            yield replace(
                self._draft("create", person.person_id, None, content=content),
                stamps=changes.stamps,
                pairs=changes.pairs,
            )

    def _consents(
        self, sent: Mapping[str, Sequence[PlannedOperation]]
    ) -> Iterator[PlannedOperation]:
        for telling in withdrawals(self.persons, self.side, self.terms, self.mapped, sent):
            yield self._told("withdraw", telling)
        for person in self._weighed():
            lead = lead_of(self.records.get(person.person_id, ()), self.side)
            if person.alive and person.allowed and lead is not None and lead.fault is None:
                for telling in grants(person, lead, self.terms, self.mapped, sent):
                    yield self._told("grant", telling)

    def _told(self, kind: str, telling: Telling) -> PlannedOperation:
        record, claim = telling.record, telling.claim
        owner = self.side.owners.get(record.record_id)
        op = self._draft(kind, owner, record, content={claim.column: telling.state})
        if kind == "grant" and claim.state in record.fields:
            return replace(op, expect={claim.state: record.fields[claim.state]})
        return op

    def _draft(
        self,
        kind: str,
        person_id: str | None,
        record: KnownRecord | None,
        *,
        content: Values | None = None,
    ) -> PlannedOperation:
        record_id = record.record_id if record is not None else new_record(person_id or "")
        return PlannedOperation(
            op_id="",
            content_id="",
            plan_no=self.terms.plan_no,
            kind=kind,
            record_id=record_id,
            remote_id=record.remote_id if record is not None else None,
            person_id=person_id,
            payload=content or {},
        )

    def _identified(self, op: PlannedOperation) -> PlannedOperation:
        content = op.pairs if op.kind == "agree" else op.payload
        platform = self.mapped.platform
        named = content_id(self.terms.hashed, platform, op.record_id, op.kind, content)
        return replace(op, content_id=named)

    def _refused(self, op: PlannedOperation) -> bool:
        """Whether the platform has refused exactly this for good."""
        base = self.side.base.get(op.record_id)
        refused = base.rejects.get(op.kind) if base is not None else None
        return refused is not None and refused == self._identified(op).content_id

    def _judged(self, op: PlannedOperation) -> PlannedOperation:
        """Name the operation's content and say whether it may go."""
        op = self._identified(op)
        if op.state == "held":
            return op
        if op.content_id in self.approved:
            return replace(op, state="approved")
        free = self.terms.delivery == "auto" or op.kind in ("agree", "withdraw")
        return replace(op, state="auto" if free else "pending")
