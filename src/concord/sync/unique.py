"""Values that a platform refuses to hold twice: only one of two records is sent such a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from concord.sync.mapped import Mapped
from concord.sync.operations import PlannedOperation
from concord.sync.values import Values, dump, folded
from concord.sync.view import KnownRecord

__all__ = ["hold_doubles", "holders_of", "values_held"]

Holders = Mapping[tuple[str, str], frozenset[str]]


def holders_of(
    records: Iterable[KnownRecord], mapped: Mapped
) -> dict[tuple[str, str], frozenset[str]]:
    """Which live records hold each value of a unique column."""
    found: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if record.live:
            for key in values_held([record.values], mapped):
                found.setdefault(key, set()).add(record.record_id)
    return {key: frozenset(ids) for key, ids in found.items()}


def values_held(rows: Iterable[Values], mapped: Mapped) -> set[tuple[str, str]]:
    """Column and folded value, or element key, of everything unique that *rows* hold."""
    return {
        (column, key)
        for values in rows
        for column in mapped.unique
        for key in _keys(column, values.get(column), mapped)
    }


def hold_doubles(
    ops: Iterable[PlannedOperation], holders: Holders, mapped: Mapped
) -> list[PlannedOperation]:
    """Hold what would give a second record a value that another one holds or is sent first.

    An existing record is served before a new one. Only the unique columns of an update are held;
    the rest of it goes. The value is tried again at the next plan.
    """
    taken: dict[tuple[str, str], str] = {}
    result: list[PlannedOperation] = []
    for op in sorted(ops, key=lambda op: (op.kind == "create", op.record_id)):
        doubled = set()
        for column, key in _claimed(op, mapped):
            others = holders.get((column, key), frozenset()) - {op.record_id}
            if others or taken.setdefault((column, key), op.record_id) != op.record_id:
                doubled.add(column)
        result.extend(_held(op, doubled, mapped) if doubled else (op,))
    return result


def _claimed(op: PlannedOperation, mapped: Mapped) -> Iterator[tuple[str, str]]:
    for column in sorted(mapped.unique & set(op.payload)):
        value = op.payload[column]
        sent = value["add"] if isinstance(value, Mapping) else value
        yield from ((column, key) for key in _keys(column, sent, mapped))


def _keys(column: str, value: object, mapped: Mapped) -> list[str]:
    if column in mapped.lists:
        return list(mapped.elements(column, value))
    return [] if value is None else [dump(folded(value))]


def _held(op: PlannedOperation, doubled: set[str], mapped: Mapped) -> Iterator[PlannedOperation]:
    columns = ", ".join(sorted(doubled))
    reason = f"another record of the platform has the same {columns}, which must be unique"
    if op.kind == "create" or doubled >= set(op.payload):
        yield replace(op, state="held", reason=reason)
        return
    yield _part(op, set(op.payload) - doubled, mapped)
    yield replace(_part(op, doubled, mapped), state="held", reason=reason)


def _part(op: PlannedOperation, columns: set[str], mapped: Mapped) -> PlannedOperation:
    natives = {native for column in columns for native in mapped.natives[column]}
    return replace(
        op,
        payload={column: op.payload[column] for column in op.payload if column in columns},
        pairs={column: op.pairs[column] for column in op.pairs if column in columns},
        stamps={key: stamp for key, stamp in op.stamps.items() if key[0] in columns},
        expect={native: op.expect[native] for native in op.expect if native in natives},
    )
