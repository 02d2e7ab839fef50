"""Which records must be told of a withdrawal, and which may be told of a grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from concord.sync.mapped import ClaimColumn, Mapped
from concord.sync.operations import PlannedOperation
from concord.sync.values import Json
from concord.sync.view import KnownRecord, Person, Side, Terms

__all__ = ["GRANTED", "WITHDRAWN", "Telling", "claims_of", "grants", "withdrawals"]

GRANTED = "granted"
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Telling:
    """A state of consent that a record must be told; one per record and claim column."""

    record: KnownRecord
    claim: ClaimColumn
    state: str


def claims_of(person: Person, mapped: Mapped) -> dict[str, Json]:
    """The states of consent that a new record for *person* carries."""
    states = {True: GRANTED, False: WITHDRAWN}
    told = ((claim, person.flags.get(claim.column)) for claim in mapped.claims if claim.write)
    return {claim.column: states[flag] for claim, flag in told if flag is not None}


def withdrawals(
    persons: Mapping[str, Person], side: Side, terms: Terms, mapped: Mapped, ops: _Ops
) -> Iterator[Telling]:
    """Every live record, linked or not, in the audience or not, that still says otherwise.

    Args:
        ops: what this plan may send, by record; the addresses after it count.
    """
    for record, claim in _places(side, mapped):
        person = persons.get(side.owners.get(record.record_id, ""))
        out = person is not None and person.flags.get(claim.column) is False
        if not out:
            addresses = _addresses_after(record, claim, mapped, ops)
            out = any(terms.status(claim, address) == WITHDRAWN for address in addresses)
        if out and record.claim(claim.column) != WITHDRAWN:
            yield Telling(record, claim, WITHDRAWN)


def grants(
    person: Person, record: KnownRecord, terms: Terms, mapped: Mapped, ops: _Ops
) -> Iterator[Telling]:
    """What the lead record of a person inside the audience may be told.

    A record is told of a grant only when, after this plan, it holds an address that was granted
    and none that was withdrawn: consent lives on the address, a slot may hold another one.
    """
    for claim in mapped.claims:
        if not claim.write or person.flags.get(claim.column) is not True:
            continue
        if record.claim(claim.column) == GRANTED:
            continue
        addresses = _addresses_after(record, claim, mapped, ops)
        states = {terms.status(claim, address) for address in addresses}
        if GRANTED in states and WITHDRAWN not in states:
            yield Telling(record, claim, GRANTED)


_Ops = Mapping[str, Sequence[PlannedOperation]]


def _places(side: Side, mapped: Mapped) -> Iterator[tuple[KnownRecord, ClaimColumn]]:
    for _, record in sorted(side.records.items()):
        for claim in mapped.claims:
            if record.live and claim.write:
                yield record, claim


def _addresses_after(
    record: KnownRecord, claim: ClaimColumn, mapped: Mapped, ops: _Ops
) -> set[str]:
    held = set(mapped.elements(claim.addresses, record.values.get(claim.addresses)))
    for op in ops.get(record.record_id, ()):
        patch = op.payload.get(claim.addresses)
        if isinstance(patch, Mapping):
            held -= set(patch["remove"])
            held |= set(mapped.elements(claim.addresses, patch["add"]))
    return held
