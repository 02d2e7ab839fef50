"""What becomes of each operation on one file, whatever the file's format.

A format walks over its rows and asks `Batch.applied` of each, then adds what `Batch.created` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from concord.platforms.base import ListPatch, Native, Operation, Outcome, Receipt, Record, Verb

__all__ = ["Batch", "Item", "UnfitError", "Values", "not_a_text"]

Item = TypeVar("Item")
"""One row or card, as its format holds it."""

Values = Mapping[str, Native | ListPatch]


class UnfitError(Exception):
    """A value that the file cannot hold; the code says why, and nothing of the value."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Batch(Generic[Item]):
    """The receipts of one batch, in the making.

    Attributes:
        changed: whether anything was written.
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        change: Callable[[Item, Record, Values], tuple[Item, Record]],
        unfit: Callable[[Values], str],
        same: Callable[[Values, Mapping[str, Native]], bool] | None = None,
    ) -> None:
        """Take a batch.

        Args:
            change: an item with other values, and its record; the very item if it has them already;
                raises `UnfitError`.
            unfit: code of what keeps these values from being written at all; empty when nothing.
            same: whether a record has these values.
        """
        self.changed = False
        self._operations = operations
        self._change = change
        self._has = same or _has
        self._receipts: dict[int, Receipt] = {}
        self._creates: dict[str, list[int]] = {}
        self._others: dict[str, list[int]] = {}
        for place, operation in enumerate(operations):
            refused = unfit(operation.values)
            if refused:
                self._refuse(place, refused)
            elif operation.verb is Verb.CREATE:
                self._creates.setdefault(operation.person_id, []).append(place)
            else:
                self._others.setdefault(operation.remote_id or "", []).append(place)

    def applied(self, item: Item, record: Record) -> Item | None:
        """The item after the operations on it; None when it is deleted."""
        if record.remote_id is not None and record.external_id is not None:
            for place in self._creates.pop(record.external_id, ()):
                self._answer(place, Outcome.EXISTS, record)
        if record.fault == "id.duplicate":
            return item
        for place in self._others.get(record.remote_id or "", ()):
            operation = self._operations[place]
            if record.deleted:
                self._receipts[place] = self._gone(place, record.remote_id or "")
            elif record.fault or not self._may(operation, record):
                self._answer(place, Outcome.CONFLICT, record)
            elif operation.verb is Verb.DELETE:
                record = Record(record.remote_id, deleted=True, external_id=record.external_id)
                self._answer(place, Outcome.OK, record)
                self.changed = True
            else:
                item, record = self._updated(place, item, record)
        return None if record.deleted else item

    def created(self, make: Callable[[Operation], tuple[Item, Record]]) -> list[Item]:
        """The items of all creates that met no record of theirs.

        Args:
            make: a new item and its record; raises `UnfitError`.
        """
        made = []
        for first, *again in self._creates.values():
            try:
                item, record = make(self._operations[first])
            except UnfitError as error:
                for place in (first, *again):
                    self._refuse(place, error.code)
                continue
            made.append(item)
            self._answer(first, Outcome.OK, record)
            for place in again:
                self._answer(place, Outcome.EXISTS, record)
        self.changed = self.changed or bool(made)
        return made

    def receipts(self) -> list[Receipt]:
        """One receipt each, in the order of the operations."""
        for remote_id, places in self._others.items():
            for place in places:
                self._receipts.setdefault(place, self._gone(place, remote_id))
        return [self._receipts[place] for place in range(len(self._operations))]

    def _updated(self, place: int, item: Item, record: Record) -> tuple[Item, Record]:
        try:
            new, record = self._change(item, record, self._operations[place].values)
        except UnfitError as error:
            self._refuse(place, error.code)
            return item, record
        self.changed = self.changed or new is not item
        self._answer(place, Outcome.OK, record)
        return new, record

    def _may(self, operation: Operation, record: Record) -> bool:
        """Whether it stands as the plan saw it, or already as the operation wants it."""
        if operation.verb is Verb.UPDATE and self._has(operation.values, record.fields):
            return True
        return self._has(operation.expect, record.fields)

    def _answer(self, place: int, outcome: Outcome, record: Record) -> None:
        self._receipts[place] = Receipt(self._operations[place].op_id, outcome, record)

    def _refuse(self, place: int, code: str) -> None:
        self._receipts[place] = Receipt(self._operations[place].op_id, Outcome.REJECTED, None, code)

    def _gone(self, place: int, remote_id: str) -> Receipt:
        gone = Record(remote_id, deleted=True)
        return Receipt(self._operations[place].op_id, Outcome.GONE, gone)


def not_a_text(values: Values) -> str:
    """Code of the first value that is no text which a file of rows can hold; empty when all are."""
    for value in values.values():
        if value is None:
            continue
        if not isinstance(value, str):
            return "list"
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            return "text"
    return ""


def _has(wanted: Values, found: Mapping[str, Native]) -> bool:
    return all((value or None) == found.get(name) for name, value in wanted.items())
