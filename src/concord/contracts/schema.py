"""A contract as column types, and as a Pandera schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from concord.contracts.document import Column, Contract, Rule
from concord.contracts.rules import expression

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema, PolarsData

__all__ = ["column_type", "frame_schema", "pandera_schema"]

_TYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


def column_type(column: Column) -> pl.DataType:
    """The Polars type of one column."""
    if column.type == "array":
        return pl.List(pl.Struct({leaf.name: column_type(leaf) for leaf in column.items}))
    return _TYPES[column.type]


def frame_schema(contract: Contract) -> dict[str, pl.DataType]:
    """Name and type of every declared column, in the contract's order."""
    return {column.name: column_type(column) for column in contract.columns}


def pandera_schema(contract: Contract) -> DataFrameSchema:
    """An ordinary Pandera schema: a named check for every rule that Pandera can ask."""
    import pandera.polars as pa

    checks: dict[str | None, list[pa.Check]] = {}
    for rule in contract.rules:
        if rule.kind not in ("required", "readable", "row_count"):
            checks.setdefault(rule.column, []).append(_check(rule, contract))
    columns = {
        column.name: pa.Column(
            column_type(column),
            nullable=not column.required,
            checks=checks.get(column.name, []),
            title=column.name,
            description=column.description,
            metadata={"classification": column.classification, "role": column.role},
        )
        for column in contract.columns
    }
    return pa.DataFrameSchema(
        columns,
        checks=checks.get(None, []),
        name=contract.name,
        metadata={"contract": contract.id, "version": contract.version},
        strict=False,
    )


def _check(rule: Rule, contract: Contract) -> object:
    import pandera.polars as pa

    def holds(data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(expression(rule, contract))

    return pa.Check(
        holds, name=rule.id, error=rule.sentence, raise_warning=rule.severity == "warning"
    )
