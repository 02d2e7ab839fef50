"""A contract tried out: rules that Polars cannot carry out, found before an edit is in force."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from concord.contracts.declared import Rule
from concord.contracts.document import Column, Contract
from concord.contracts.rules import UNREADABLE, expression
from concord.contracts.schema import frame_schema
from concord.errors import Fault

__all__ = ["lift_faults"]

LineOf = Callable[[tuple[Any, ...]], int]
_POOLS: dict[str, list[Any]] = {
    "string": ["", "x", None, "NO", "12", "true", "1900-01-01"],
    "boolean": [True, None, False],
    "integer": [0, None, -5, 7],
    "number": [0.0, None, -0.5, 1e300, 2.0],
    "date": [date(1899, 12, 31), None, date(2026, 1, 31)],
    "timestamp": [datetime(1969, 12, 31, tzinfo=UTC), None, datetime(2026, 1, 31, tzinfo=UTC)],
}
_ROWS = 11  # prime to the length of every pool, so that rows combine values


def lift_faults(contract: Contract, *, path: str, line_of: LineOf | None = None) -> list[Fault]:
    """Every rule that cannot be carried out on rows of this contract, one by one.

    Args:
        contract: one that `lint.faults` found no fault in.
        path: its file, relative to the project.
        line_of: path of keys and positions to line.
    """
    probe = _probe(contract)
    found = []
    for rule in contract.rules:
        if rule.kind == "row_count":
            continue
        for reason in _reasons(rule, contract, probe):
            line = line_of(rule.place) if line_of else 0
            found.append(Fault(path, line, f"rule {rule.id} cannot be carried out: {reason}"))
    return found


def _reasons(rule: Rule, contract: Contract, probe: pl.DataFrame) -> Iterator[str]:
    try:
        fine = _answers(rule, contract, probe)
        alone = [_answers(rule, contract, row) for row in probe.iter_slices(1)]
    except ValueError as error:
        yield str(error)
    except pl.exceptions.PolarsError as error:
        yield f"Polars says {type(error).__name__}; dates are written DATE '2026-01-31'"
    else:
        if fine.dtype != pl.Boolean or len(fine) != probe.height:
            yield "it is no condition on one row"
        elif rule.kind != "unique" and not fine.equals(pl.concat(alone)):
            yield "it looks at other rows"


def _answers(rule: Rule, contract: Contract, rows: pl.DataFrame) -> pl.Series:
    return rows.select(expression(rule, contract).alias("fine"))["fine"]


def _probe(contract: Contract) -> pl.DataFrame:
    columns = {column.name: _values(column) for column in contract.columns}
    unreadable: list[list[str] | None] = [[], None, [contract.key]]
    columns[UNREADABLE] = [unreadable[row % 3] for row in range(_ROWS)]
    schema = {**frame_schema(contract), UNREADABLE: pl.List(pl.String())}
    return pl.DataFrame(columns, schema=schema)


def _values(column: Column) -> list[Any]:
    if column.type != "array":
        pool = _POOLS[column.type]
        return [pool[row % len(pool)] for row in range(_ROWS)]
    fields = {leaf.name: _values(leaf) for leaf in column.items}
    elements = [{name: values[row] for name, values in fields.items()} for row in range(_ROWS)]
    lists: list[Any] = [elements[:1], None, [], elements[:3], [None], elements[3:5]]
    return [lists[row % len(lists)] for row in range(_ROWS)]
