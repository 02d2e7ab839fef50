"""What planning looks at: people as golden has them, records as one platform has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from concord.sync.base import Base
from concord.sync.cells import Cell, Key, Stamps
from concord.sync.mapped import ClaimColumn
from concord.sync.operations import Hash
from concord.sync.values import Values

__all__ = ["KnownRecord", "Person", "Side", "Terms", "owners"]


@dataclass(frozen=True, slots=True)
class Person:
    """One row of golden.

    Attributes:
        alive: false for a tombstone.
        values: canonical value by column; lists in golden's order, the preferred element first.
        stamps: of every value, and of every clear and removal that golden knows evidence for.
        flags: consent by claim column: true granted, false withdrawn, null unknown.
        allowed: the platform's audience condition and its purpose's consent hold for the person.
    """

    person_id: str
    alive: bool
    values: Values = field(default_factory=dict)
    stamps: Stamps = field(default_factory=dict)
    flags: Mapping[str, bool | None] = field(default_factory=dict)
    allowed: bool = True


@dataclass(frozen=True, slots=True)
class KnownRecord:
    """One record of the platform, from raw and clean.

    Attributes:
        person_id: set when Concord made the record: a copy.
        deleted_by: ``us`` or ``them``; None while the record lives.
        fault: why its newest reading could not be used.
        fields: native fields as last read.
        values: canonical values of *fields*.
        accepted: clean holds a row of it.
        held: columns whose newest value stands in quarantine and must not be overwritten.
    """

    record_id: str
    remote_id: str | None
    person_id: str | None = None
    deleted_by: str | None = None
    fault: str | None = None
    fields: Values = field(default_factory=dict)
    values: Values = field(default_factory=dict)
    cells: Mapping[Key, Cell] = field(default_factory=dict)
    accepted: bool = True
    held: frozenset[str] = frozenset()

    @property
    def live(self) -> bool:
        """Whether the platform still has it."""
        return self.deleted_by is None

    def claim(self, column: str) -> str | None:
        """What the record says of consent: ``granted``, ``withdrawn`` or nothing."""
        cell = self.cells.get((column, None))
        return cell.claim if cell is not None else None


@dataclass(frozen=True, slots=True)
class Side:
    """The platform as we know it.

    Attributes:
        records: by record_id, dead ones and those of nobody included.
        owners: record to person, after joins (see `owners`).
        base: what was last agreed, by record_id.
        behind: records whose newest raw row golden has not weighed; their people wait.
        holders: column and folded value (or element key) of a unique column, to the live records
            of the whole platform that hold it.
    """

    records: Mapping[str, KnownRecord]
    owners: Mapping[str, str]
    base: Mapping[str, Base] = field(default_factory=dict)
    behind: frozenset[str] = frozenset()
    holders: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms is planned.

    Attributes:
        plan_no: a number that no earlier plan of the platform had; with it again, an operation
            would be taken for one that has its receipt.
        covered: columns with which every platform that maps them was completely read.
        status: claim column and address to ``granted``, ``withdrawn`` or None.
        hashed: keyed hash for ids.
        existing: audience ``existing``: only people with a record there, no creates.
        delivery: ``off``, ``approve`` or ``auto``.
        direction: ``in``, ``out`` or ``both``.
    """

    plan_no: int
    covered: frozenset[str]
    status: Callable[[ClaimColumn, str], str | None]
    hashed: Hash
    existing: bool = True
    delivery: str = "approve"
    direction: str = "both"


def owners(
    records: Iterable[KnownRecord], links: Mapping[str, str], aliases: Mapping[str, str]
) -> dict[str, str]:
    """Whose each record is, after joins; a record we made is its person's before it is linked.

    Args:
        links: record to person, as first linked.
        aliases: person to the person it was joined into.
    """
    found: dict[str, str] = {}
    for record in records:
        person = links.get(record.record_id) or record.person_id
        if person is None:
            continue
        while person in aliases:
            person = aliases[person]
        found[record.record_id] = person
    return found
