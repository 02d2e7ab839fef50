"""A contract as column types, and as a Pandera schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from concord.contracts.declared import Rule
from concord.contracts.document import Column, Contract
from concord.contracts.patterns import rust_pattern
from concord.contracts.rules import bound, expression

if TYPE_CHECKING:
    from pandera.polars import Check, DataFrameSchema, PolarsData

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
    """An ordinary Pandera schema: a check, named after it, for every rule that Pandera can ask.

    What Pandera can ask in its own words it asks in its own words. Left out are ``readable`` and
    ``row_count``. Columns the contract does not name are let through: technical ones are among
    them. Rules over several columns stand on the key: as checks of the frame their report would
    hold whole rows, and Polars panics where Pandera 0.35 builds it from lists of nulls. Its errors
    quote values all the same: use `concord.contracts.gate` where a message may be kept.
    """
    import pandera.polars as pa

    checks: dict[str, list[Check]] = {}
    for rule in contract.rules:
        if rule.kind not in ("readable", "row_count") and not _is_null_check(rule):
            checks.setdefault(rule.column or contract.key, []).append(_check(rule, contract))
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
        name=contract.name,
        metadata={"contract": contract.id, "version": contract.version},
        strict=False,
    )


def _is_null_check(rule: Rule) -> bool:
    """Whether Pandera asks it by ``nullable``."""
    return rule.kind == "required" and rule.leaf is None and rule.id == f"{rule.column}.required"


def _check(rule: Rule, contract: Contract) -> Check:
    import pandera.polars as pa

    named: dict[str, Any] = {
        "name": rule.id,
        "description": rule.sentence,
        "raise_warning": rule.severity == "warning",
    }
    if rule.column is not None and rule.leaf is None:
        argument, column = rule.argument, contract.column(rule.column)
        match rule.kind:
            case "pattern":
                return pa.Check.str_contains(rust_pattern(argument), **named)
            case "min_length":
                return pa.Check.str_length(min_value=argument, **named)
            case "max_length":
                return pa.Check.str_length(max_value=argument, **named)
            case "minimum":
                return pa.Check.ge(bound(argument, column), **named)
            case "maximum":
                return pa.Check.le(bound(argument, column), **named)
            case "exclusive_minimum":
                return pa.Check.gt(bound(argument, column), **named)
            case "exclusive_maximum":
                return pa.Check.lt(bound(argument, column), **named)
            case "enum":
                return pa.Check.isin(argument, **named)
    return _own_check(rule, contract, named)


def _own_check(rule: Rule, contract: Contract, named: dict[str, Any]) -> Check:
    import pandera.polars as pa

    fine = expression(rule, contract)

    def holds(data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(fine)

    return pa.Check(holds, ignore_na=False, **named)
