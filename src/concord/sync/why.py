"""Why a plan holds no operation for somebody: asked of the functions that plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concord.sync.changes import creation, update
from concord.sync.mapped import Mapped
from concord.sync.plan import lead_of, may_create
from concord.sync.view import KnownRecord, Person, Side, Terms

__all__ = ["OUTSIDE", "why_nothing"]

OUTSIDE = "the person is outside the platform's audience, or has not consented to its purpose"
"""The reason of somebody who is not `Person.allowed`; the caller knows which of the two it is."""


def why_nothing(person: Person, side: Side, terms: Terms, mapped: Mapped) -> Iterator[str]:
    """Sentences without values, the one that decides first; none when something is to be sent.

    Of a withdrawal nothing is told: it goes to every record, whatever holds for the rest.
    """
    if terms.direction == "in":
        yield "the platform is only read (direction: in)"
        return
    if terms.delivery == "off":
        yield "its delivery is off"
        return
    own = [side.records[name] for name in sorted(side.records) if _owns(person, name, side)]
    if any(record.record_id in side.behind for record in own):
        yield "a record there has a newer row than golden has weighed; the next run plans it"
        return
    if not person.alive:
        copies = [one for one in own if one.live and one.person_id is not None]
        if not copies:
            yield "the person has ended, and no record that Concord made is left there"
        return
    if not person.allowed:
        yield OUTSIDE
        return
    lead = lead_of(own, side)
    if lead is None:
        yield from _no_create(person, own, side, terms, mapped)
        return
    yield from _no_update(person, lead, side, terms, mapped)


def _owns(person: Person, record_id: str, side: Side) -> bool:
    return side.owners.get(record_id) == person.person_id


def _no_create(
    person: Person, own: Sequence[KnownRecord], side: Side, terms: Terms, mapped: Mapped
) -> Iterator[str]:
    if not may_create(person, own, terms):
        if terms.existing:
            yield "the person has no record there, and audience: existing makes none"
        else:
            yield "somebody deleted the person's record there; none is made again"
    elif not creation(person, mapped, terms).payload:
        yield "the person has no value in a column that is written there"
    else:
        yield from _refused("create", f"new:{person.person_id}", side)


def _no_update(
    person: Person, lead: KnownRecord, side: Side, terms: Terms, mapped: Mapped
) -> Iterator[str]:
    if lead.fault is not None:
        yield f"the record there could not be read whole ({lead.fault})"
        return
    if not lead.accepted:
        yield "the record there has no accepted row, so nothing of it is overwritten"
        return
    changes = update(person, lead, side.base.get(lead.record_id), mapped, terms)
    if changes.payload:
        yield from _refused("update", lead.record_id, side)
    elif lead.held:
        columns = ", ".join(sorted(lead.held))
        yield f"a newer value of {columns} there is in quarantine and is not overwritten"
    else:
        yield "nothing that is written there differs from golden"


def _refused(kind: str, record_id: str, side: Side) -> Iterator[str]:
    base = side.base.get(record_id)
    if base is not None and kind in base.rejects:
        yield f"the platform refused the last {kind} for good; it waits for other values"
