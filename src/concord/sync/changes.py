"""What one record must be sent, field by field: golden, the record's own value, the base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from concord.sync.base import Base, compared
from concord.sync.cells import Key, Stamp
from concord.sync.mapped import Mapped
from concord.sync.values import Json, Values, alike, dump
from concord.sync.view import KnownRecord, Person, Terms

__all__ = ["Changes", "creation", "update"]


@dataclass(slots=True)
class Changes:
    """What to send, and what merely turned out equal.

    Attributes:
        payload: canonical values, as an operation carries them.
        expect: native fields as they stand.
        stamps: of what is sent.
        pairs: golden's value of every column sent, as text (`compared`).
        agreed: column to golden's and the platform's value, as text: equal, and the base does not
            say so yet.
    """

    payload: dict[str, Json] = field(default_factory=dict)
    expect: dict[str, Json] = field(default_factory=dict)
    stamps: dict[Key, Stamp] = field(default_factory=dict)
    pairs: dict[str, Json] = field(default_factory=dict)
    agreed: dict[str, Json] = field(default_factory=dict)

    def stamp(self, person: Person, *keys: Key) -> None:
        """Take over golden's stamps of *keys*, as far as it has them."""
        self.stamps.update({key: person.stamps[key] for key in keys if key in person.stamps})


def _columns(mapped: Mapped, terms: Terms) -> Iterator[str]:
    return (
        column
        for column in sorted(mapped.natives)
        if column in mapped.writable and column in terms.covered
    )


def creation(person: Person, mapped: Mapped, terms: Terms) -> Changes:
    """What a new record for *person* is made of; consent is not in it."""
    changes = Changes()
    for column in _columns(mapped, terms):
        value = person.values.get(column)
        if value is None or value == []:
            continue
        keys: list[Key] = [(column, None)]
        if column in mapped.lists:
            elements = mapped.elements(column, value)
            chosen = list(elements)[: mapped.lists[column]]
            value, keys = [elements[key] for key in chosen], [(column, key) for key in chosen]
        changes.payload[column] = value
        changes.pairs[column] = compared(mapped, column, person.values[column])
        changes.stamp(person, *keys)
    return changes


def update(
    person: Person, record: KnownRecord, base: Base | None, mapped: Mapped, terms: Terms
) -> Changes:
    """What *record* must be sent so that it agrees with *person*."""
    changes = Changes()
    for column in _columns(mapped, terms):
        natives = mapped.natives[column]
        if not all(native in record.fields for native in natives):
            continue
        pair = base.pairs.get(column) if base is not None else None
        golden = compared(mapped, column, person.values.get(column))
        current = compared(mapped, column, record.values.get(column))
        if pair == (golden, current):
            continue
        left_alone = column in record.held or (
            terms.direction == "out" and pair is not None and pair[0] == golden
        )
        if column in mapped.lists:
            sent = not left_alone and _patch(changes, column, person, record, mapped)
            if not (sent or left_alone) and (pair is not None or person.values.get(column)):
                changes.agreed[column] = [golden, current]
        else:
            sent = _scalar(changes, column, person, record, left_alone, agreed=pair is not None)
        if sent:
            changes.pairs[column] = golden
            changes.expect.update({native: record.fields[native] for native in natives})
    return changes


def _scalar(
    changes: Changes,
    column: str,
    person: Person,
    record: KnownRecord,
    left_alone: bool,
    *,
    agreed: bool,
) -> bool:
    want, current = person.values.get(column), record.values.get(column)
    if alike(want, current):
        if agreed or want is not None:
            changes.agreed[column] = [dump(want), dump(current)]
        return False
    if left_alone:
        return False
    changes.payload[column] = want
    changes.stamp(person, (column, None))
    return True


def _patch(
    changes: Changes, column: str, person: Person, record: KnownRecord, mapped: Mapped
) -> bool:
    golden = mapped.elements(column, person.values.get(column))
    current = mapped.elements(column, record.values.get(column))
    kept = [element for key, element in current.items() if key in golden]
    removed = sorted(key for key in current if key not in golden)
    added = [key for key in golden if key not in current]
    room = mapped.lists[column]
    if room is not None:
        added = added[: max(room - len(kept), 0)]
    if not added and not removed:
        return False
    changes.payload[column] = {
        "add": _beside(kept, [golden[key] for key in added]),
        "remove": removed,
    }
    changes.stamp(person, *((column, key) for key in (*added, *removed)))
    return True


def _beside(kept: Sequence[Values], added: Sequence[Values]) -> list[Json]:
    """Elements to add; a record that keeps a preferred element gets no second one."""
    taken = any(element.get("preferred") for element in kept)
    return [
        {**element, "preferred": bool(element.get("preferred")) and not taken} for element in added
    ]
