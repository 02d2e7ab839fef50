"""Rules as Polars expressions: true where a row is fine, and true where nobody can tell."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import polars as pl

from concord.contracts.declared import Rule
from concord.contracts.document import Column, Contract
from concord.contracts.lifting import lift, lift_element
from concord.contracts.patterns import rust_pattern

__all__ = ["UNREADABLE", "bound", "expression", "row_rules"]

UNREADABLE = "_unreadable"
_WHOLE = frozenset({"unique", "row_count"})
_COMPARE = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_Check = Callable[[pl.Expr, Any, Column], pl.Expr]


@functools.lru_cache(maxsize=64)
def row_rules(contract: Contract) -> tuple[tuple[Rule, pl.Expr], ...]:
    """The rules that one row alone decides, each with its expression, but for ``readable``."""
    return tuple(
        (rule, expression(rule, contract))
        for rule in contract.rules
        if rule.kind not in _WHOLE and rule.kind != "readable"
    )


def expression(rule: Rule, contract: Contract) -> pl.Expr:
    """One boolean a row, never null.

    Args:
        rule: any but ``row_count``, which is no question about rows.
    """
    if rule.kind == "row":
        return (~lift(rule.argument)).fill_null(True)
    if rule.kind == "elements":
        return _elements(rule)
    assert rule.column is not None
    value = pl.col(rule.column)
    if rule.kind == "readable":
        return ~pl.col(UNREADABLE).list.contains(rule.column).fill_null(False)
    if rule.kind == "unique":
        return value.is_unique() | value.is_null()
    column = contract.column(rule.column)
    check = _CHECKS[rule.kind]
    if rule.leaf is None:
        return check(value, rule.argument, column).fill_null(True)
    leaf = next(one for one in column.items if one.name == rule.leaf)
    element = pl.element().struct.field(rule.leaf)
    each = value.list.eval(check(element, rule.argument, leaf).fill_null(True))
    return each.list.all().fill_null(True)


def _elements(rule: Rule) -> pl.Expr:
    """How many elements meet a predicate; a list that is null passes."""
    asked = rule.argument
    met = lift_element(asked["predicate"], asked["element"]).fill_null(False)
    counted = pl.col(asked["column"]).list.eval(met).list.sum()
    violated: pl.Expr = getattr(counted, _COMPARE[asked["operator"]])(asked["count"])
    return (~violated).fill_null(True)


def _among(value: pl.Expr, values: Any, column: Column) -> pl.Expr:
    distinct = list(dict.fromkeys(values))
    if column.type != "string":
        return value.is_in(distinct)
    # two to three times as fast as is_in
    return value.cast(pl.Enum(distinct), strict=False).is_not_null() | value.is_null()


def _not_among(value: pl.Expr, values: Any, column: Column) -> pl.Expr:
    """`missingValues`: what stands for "no value"; null is one only where it is listed."""
    fine = ~_among(value, [one for one in values if one is not None], column)
    return value.is_not_null() & fine if None in values else fine | value.is_null()


_CHECKS: dict[str, _Check] = {
    "required": lambda value, _argument, _column: value.is_not_null(),
    "finite": lambda value, _argument, _column: value.is_finite(),
    "pattern": lambda value, argument, _column: value.str.contains(rust_pattern(argument)),
    "min_length": lambda value, argument, _column: value.str.len_chars() >= argument,
    "max_length": lambda value, argument, _column: value.str.len_chars() <= argument,
    "minimum": lambda value, argument, column: value >= bound(argument, column),
    "maximum": lambda value, argument, column: value <= bound(argument, column),
    "exclusive_minimum": lambda value, argument, column: value > bound(argument, column),
    "exclusive_maximum": lambda value, argument, column: value < bound(argument, column),
    "multiple_of": lambda value, argument, _column: value % argument == 0,
    "enum": _among,
    "not_among": _not_among,
    "min_items": lambda value, argument, _column: value.list.len() >= argument,
    "max_items": lambda value, argument, _column: value.list.len() <= argument,
    "unique_items": lambda value, _argument, _column: value.list.n_unique() == value.list.len(),
}


def bound(argument: Any, column: Column) -> Any:
    """A declared bound as a value of the column's type."""
    if column.type == "date":
        return date.fromisoformat(argument)
    if column.type == "timestamp":
        return datetime.fromisoformat(argument)
    return argument
