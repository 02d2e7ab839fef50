"""Plan: which writes one platform needs, decided per person, per field, against what was agreed.

Three-way: golden's value, the platform's own, and the pair that both sides last agreed on. Nothing
here reads or writes; the same input gives the same plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from concord.normalise.claims import claim_column, claim_natives
from concord.normalise.mapping import ClaimMap, Field, FieldMap
from concord.normalise.native import seen
from concord.platforms.base import Native
from concord.sync.cells import Stamp
from concord.sync.operations import ORDER, PlannedOperation

__all__ = ["Facts", "GoldenPerson", "PersonView", "RecordView", "plan_platform"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan needs to know of the platform.

    Attributes:
        covered: columns that every platform mapping them was completely read with.
        creates: whether people without a record there may be given one.
        unique: columns of which the platform refuses two records with one value.
        channels: channel to the list column that holds its addresses.
        status: (channel, address, purpose) to ``granted``, ``withdrawn`` or None.
        granted_at: the same to the date that a claim is written with, as ISO text.
        rejected: content ids that the platform refused, by (record, kind).
        approved: content ids that a steward approved.
        delivery: ``off``, ``approve`` or ``auto``.
        content_id: text to its keyed hash.
    """

    mapping: FieldMap
    covered: frozenset[str]
    creates: bool
    unique: tuple[str, ...]
    channels: Mapping[str, str]
    status: Callable[[str, str, str], str | None]
    claimed_at: Callable[[str, str, str], str | None]
    rejected: Mapping[tuple[str, str], str]
    approved: frozenset[str]
    delivery: str
    content_id: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record of the platform, as raw, clean and base know it.

    Attributes:
        values: canonical values as the record has them now, as JSON.
        fields: its native fields.
        deleted_by: None while it lives.
        copy: Concord made it.
        clean: it has a row in clean.
        held: columns whose newest value is in quarantine.
        pairs: column to (golden, remote) as last agreed.
        claims: claim column to ``granted``, ``withdrawn`` or None.
    """

    record_id: str
    remote_id: str | None
    values: Mapping[str, Any]
    fields: Mapping[str, Native]
    deleted_by: str | None
    copy: bool
    clean: bool
    held: frozenset[str] = frozenset()
    pairs: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    claims: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def live(self) -> bool:
        """Whether it is still there."""
        return self.deleted_by is None


@dataclass(frozen=True, slots=True)
class GoldenPerson:
    """One golden row.

    Attributes:
        values: canonical values, as JSON; lists in golden's order.
        stamps: ``column`` or ``column/element`` (removed elements too) to stamp.
        flags: claim column to True (granted), False (withdrawn) or None.
    """

    alive: bool
    values: Mapping[str, Any]
    stamps: Mapping[str, Stamp]
    flags: Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class PersonView:
    """One person, seen from the platform.

    Attributes:
        golden: None where golden has no row (then only withdrawals are planned).
        inside: she belongs to the platform's audience.
        behind: golden has not yet weighed her newest raw row: nothing but withdrawals.
    """

    person_id: str
    golden: GoldenPerson | None
    records: Sequence[RecordView]
    inside: bool
    behind: bool = False


def plan_platform(people: Sequence[PersonView], facts: Facts) -> list[PlannedOperation]:
    """Every operation the platform needs, in the order of delivery; empty when both sides agree.

    Args:
        people: every person with a record on the platform or in its audience; records without a
            person come as persons with an empty id.
        facts: about the platform.
    """
    if facts.delivery == "off":
        return []
    planned: list[PlannedOperation] = []
    for person in people:
        own = [] if person.behind or not person.person_id else list(_person(person, facts))
        own = [op for op in own if not _refused_before(op, facts)]
        planned += own
        planned += [
            op for op in _withdrawals(person, own, facts) if not _refused_before(op, facts)
        ]
    planned = _unique_values(planned, people, facts)
    decided = [_decided(op, facts) for op in planned]
    return sorted(decided, key=lambda op: (ORDER[op.kind], op.record_id))


def _refused_before(op: PlannedOperation, facts: Facts) -> bool:
    if op.kind == "agree":
        return False
    refused = facts.rejected.get((op.record_id, op.kind))
    return refused is not None and refused == facts.content_id(op.content())


def _decided(op: PlannedOperation, facts: Facts) -> PlannedOperation:
    """Who has to agree: nobody to withdrawals, a steward to the rest unless delivery is auto."""
    if op.state == "held" or op.kind in ("withdraw", "agree") or facts.delivery == "auto":
        return op
    approved = facts.content_id(op.content()) in facts.approved
    return replace(op, state="approved" if approved else "pending")


def _person(person: PersonView, facts: Facts) -> Iterator[PlannedOperation]:
    golden = person.golden
    if golden is None:
        return
    live = [record for record in person.records if record.live]
    if not golden.alive:
        for record in live:
            if record.copy:
                yield PlannedOperation(
                    "delete", record.record_id, record.remote_id, person.person_id
                )
        return
    if not person.inside:
        return
    if live:
        lead = min(live, key=lambda one: (not one.pairs, one.copy, one.record_id))
        if lead.clean:
            yield from _update(person.person_id, golden, lead, facts)
        yield from _grants(person.person_id, golden, lead, facts)
    elif facts.creates and not any(one.deleted_by == "them" for one in person.records):
        created = _create(person.person_id, golden, facts)
        if created is not None:
            yield created


def _writable(facts: Facts) -> Iterator[tuple[str, bool]]:
    """Columns that may be written, and whether they are lists."""
    for column in facts.mapping.columns:
        if facts.mapping.writes(column) and column in facts.covered:
            yield column, facts.mapping.of(column)[0].kind != "scalar"


def _claims(facts: Facts) -> Iterator[tuple[str, ClaimMap]]:
    """Claims that may be written, by column."""
    for claim in facts.mapping.claims:
        if claim.write:
            yield claim_column(claim), claim


def _update(
    person_id: str, golden: GoldenPerson, lead: RecordView, facts: Facts
) -> Iterator[PlannedOperation]:
    payload: dict[str, Any] = {}
    stamps: dict[str, Stamp] = {}
    removed: dict[str, Sequence[str]] = {}
    agreed: dict[str, Sequence[Any]] = {}
    for column, is_list in _writable(facts):
        if is_list:
            patch = _list_patch(column, golden, lead, facts)
            if patch is not None and column not in lead.held:
                payload[column], removed[column] = patch
                stamps |= _element_stamps(golden, column, patch)
            continue
        want, current = golden.values.get(column), lead.values.get(column)
        if lead.pairs.get(column) == (want, current):
            continue
        if want == current:
            agreed[column] = [want, current]
        elif column not in lead.held:
            payload[column] = want
            if column in golden.stamps:
                stamps[column] = golden.stamps[column]
    if agreed:
        yield PlannedOperation("agree", lead.record_id, lead.remote_id, person_id, pairs=agreed)
    if payload:
        yield PlannedOperation(
            "update",
            lead.record_id,
            lead.remote_id,
            person_id,
            payload=payload,
            expect=_expected(payload, lead, facts),
            stamps=stamps,
            removed=removed,
        )


def _expected(
    payload: Mapping[str, Any], record: RecordView, facts: Facts
) -> dict[str, Native]:
    """The native fields behind *payload*, as the plan sees them."""
    natives = [one.native for column in payload for one in facts.mapping.of(column)]
    for column, claim in _claims(facts):
        if column in payload:
            natives += claim_natives(claim)
    return {native: record.fields.get(native) for native in natives}


def _list_patch(
    column: str, golden: GoldenPerson, lead: RecordView, facts: Facts
) -> tuple[Any, Sequence[str]] | None:
    """A patch of a list, and the keys it takes away; None when nothing is to be written.

    A platform with few slots keeps an element while golden has it: the preferred one in its place
    could be the only copy of the other.
    """
    wanted = {element["value"]: element for element in golden.values.get(column) or ()}
    there = [element["value"] for element in lead.values.get(column) or ()]
    gone = [key for key in there if key not in wanted]
    kept = [wanted[key] for key in there if key in wanted]
    missing = [element for key, element in wanted.items() if key not in there]
    fields = facts.mapping.of(column)
    if fields[0].kind == "list":
        return ({"add": missing, "remove": gone}, gone) if gone or missing else None
    fill = missing[: max(0, len(fields) - len(kept))]
    whole = [*kept, *fill]
    shown = seen({column: whole}, facts.mapping, current=lead.fields).get(column) or ()
    after = {element["value"] for element in shown}
    if after == set(there):
        return None
    return whole, [key for key in there if key not in after]


def _element_stamps(
    golden: GoldenPerson, column: str, patch: tuple[Any, Sequence[str]]
) -> dict[str, Stamp]:
    payload, gone = patch
    elements = payload["add"] if isinstance(payload, dict) else payload
    keys = [*(element["value"] for element in elements), *gone]
    names = [f"{column}/{key}" for key in keys]
    return {name: golden.stamps[name] for name in names if name in golden.stamps}


def _create(person_id: str, golden: GoldenPerson, facts: Facts) -> PlannedOperation | None:
    payload: dict[str, Any] = {}
    stamps: dict[str, Stamp] = {}
    for column, is_list in _writable(facts):
        value = golden.values.get(column)
        if value is None:
            continue
        payload[column] = _fitting(value, facts.mapping.of(column)) if is_list else value
        if is_list:
            stamps |= _element_stamps(golden, column, (payload[column], ()))
        elif column in golden.stamps:
            stamps[column] = golden.stamps[column]
    if not payload:
        return None
    for column, _ in _claims(facts):
        flag = golden.flags.get(column)
        if flag is not None:
            state = "granted" if flag else "withdrawn"
            payload[column] = _claim(state, column, payload, facts)
    return PlannedOperation(
        "create", f"new:{person_id}", None, person_id, payload=payload, stamps=stamps
    )


def _fitting(value: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> list[Any]:
    return list(value if fields[0].kind == "list" else value[: len(fields)])


def _claim(
    state: str, column: str, values: Mapping[str, Any], facts: Facts
) -> dict[str, str | None]:
    _, channel, purpose = column.split("/")
    elements = values.get(facts.channels.get(channel, "")) or ()
    dates = [facts.claimed_at(channel, one["value"], purpose) for one in elements]
    return {"claim": state, "at": max((one for one in dates if one), default=None)}


def _grants(
    person_id: str, golden: GoldenPerson, lead: RecordView, facts: Facts
) -> Iterator[PlannedOperation]:
    for column, claim in _claims(facts):
        if not golden.flags.get(column):
            continue
        addresses = _addresses(lead.values, claim.channel, facts)
        said = {facts.status(claim.channel, one, claim.purpose) for one in addresses}
        if lead.claims.get(column) == "granted" or said != {"granted"}:
            continue
        payload = {column: _claim("granted", column, lead.values, facts)}
        yield PlannedOperation(
            "grant",
            lead.record_id,
            lead.remote_id,
            person_id,
            payload=payload,
            expect=_expected(payload, lead, facts),
        )


def _addresses(values: Mapping[str, Any], channel: str, facts: Facts) -> list[str]:
    column = facts.channels.get(channel)
    return [one["value"] for one in values.get(column or "") or ()]


def _withdrawals(
    person: PersonView, own: Sequence[PlannedOperation], facts: Facts
) -> Iterator[PlannedOperation]:
    """For every record, linked or not, inside the audience or not."""
    deleted = {op.record_id for op in own if op.kind == "delete"}
    for record in person.records:
        if not record.live or record.record_id in deleted:
            continue
        for column, claim in _claims(facts):
            if record.claims.get(column) == "withdrawn":
                continue
            flag = person.golden.flags.get(column) if person.golden else None
            after = _after(record, own, claim.channel, facts)
            out = [
                one
                for one in after
                if facts.status(claim.channel, one, claim.purpose) == "withdrawn"
            ]
            if flag is not False and not out:
                continue
            payload = {column: _claim("withdrawn", column, record.values, facts)}
            yield PlannedOperation(
                "withdraw",
                record.record_id,
                record.remote_id,
                person.person_id,
                payload=payload,
                expect=_expected(payload, record, facts),
            )


def _after(
    record: RecordView, own: Sequence[PlannedOperation], channel: str, facts: Facts
) -> set[str]:
    """The addresses the record will have once *own* is carried out."""
    column = facts.channels.get(channel, "")
    have = set(_addresses(record.values, channel, facts))
    for op in own:
        value = op.payload.get(column)
        if op.record_id != record.record_id or value is None:
            continue
        if isinstance(value, dict):
            have = have - set(value["remove"]) | {one["value"] for one in value["add"]}
        else:
            have = {one["value"] for one in value}
    return have


def _unique_values(
    planned: Sequence[PlannedOperation], people: Sequence[PersonView], facts: Facts
) -> list[PlannedOperation]:
    """Of two records with one value of a unique field, the one that has it is written."""
    owners: dict[tuple[str, str], str] = {}
    for person in people:
        for record in person.records:
            if record.live:
                for column in facts.unique:
                    for value in _said(record.values.get(column)):
                        owners.setdefault((column, value), record.record_id)
    decided = []
    for op in sorted(planned, key=lambda op: (ORDER[op.kind], op.record_id)):
        taken = None
        for column in facts.unique:
            for value in _said(op.payload.get(column)):
                owner = owners.setdefault((column, value), op.record_id)
                if owner != op.record_id:
                    taken = column
        held = taken is not None and op.kind in ("create", "update")
        decided.append(
            replace(op, state="held", reason=f"{taken} is another record's there") if held else op
        )
    return decided


def _said(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [one["value"] for one in value["add"]]
    if isinstance(value, list):
        return [one["value"] for one in value]
    return [] if value is None else [str(value)]
