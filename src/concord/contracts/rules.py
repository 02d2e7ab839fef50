"""Rules as Polars expressions: true where a row is fine, and true where nobody can tell."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl

from concord.contracts.document import Column, Contract, Rule
from concord.contracts.sql import unknown_words
from concord.errors import Fault

__all__ = ["UNREADABLE", "expression", "lift_faults"]

UNREADABLE = "_unreadable"
_COMPARE = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def expression(rule: Rule, contract: Contract) -> pl.Expr:
    """One boolean a row, never null."""
    if rule.kind == "row":
        return (~pl.sql_expr(rule.argument)).fill_null(True)
    if rule.kind == "elements":
        return _elements(rule, contract)
    assert rule.column is not None
    if rule.kind == "readable":
        return ~pl.col(UNREADABLE).list.contains(rule.column).fill_null(False)
    if rule.kind == "unique":
        value = pl.col(rule.column)
        return value.is_first_distinct() | value.is_null()
    if rule.leaf is None:
        return _holds(rule, pl.col(rule.column), contract.column(rule.column))
    column = contract.column(rule.column)
    leaf = next(one for one in column.items if one.name == rule.leaf)
    element = pl.element().struct.field(rule.leaf)
    each = pl.col(rule.column).list.eval(_holds(rule, element, leaf))
    return each.list.all().fill_null(True)


def _holds(rule: Rule, value: pl.Expr, column: Column) -> pl.Expr:
    argument = rule.argument
    match rule.kind:
        case "required":
            return value.is_not_null()
        case "pattern":
            holds = value.str.contains(ascii_classes(argument))
        case "min_length":
            holds = value.str.len_chars() >= argument
        case "max_length":
            holds = value.str.len_chars() <= argument
        case "minimum":
            holds = value >= _bound(argument, column)
        case "maximum":
            holds = value <= _bound(argument, column)
        case "enum":
            holds = value.cast(pl.String).is_in(list(dict.fromkeys(argument)))
        case _:
            raise ValueError(f"no expression for a rule of kind {rule.kind}")
    return holds.fill_null(True)


def ascii_classes(pattern: str) -> str:
    r"""*pattern* with ECMA's meaning of ``\d`` and ``\w``: ASCII only."""
    return pattern.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]")


def _bound(argument: Any, column: Column) -> pl.Expr:
    if column.type == "date":
        return pl.lit(date.fromisoformat(str(argument)))
    if column.type == "timestamp":
        return pl.lit(datetime.fromisoformat(str(argument))).dt.cast_time_unit("us")
    return pl.lit(argument)


def _elements(rule: Rule, contract: Contract) -> pl.Expr:
    """How many elements meet a predicate: counted on the elements' fields, laid side by side."""
    column = contract.column(rule.argument["column"])
    met = pl.sql_expr(rule.argument["predicate"])
    fields = {leaf.name: pl.element().struct.field(leaf.name) for leaf in column.items}
    element = pl.struct(**fields).struct.with_fields(_met=_on_fields(met, list(fields)))
    counted = (
        pl.col(column.name)
        .list.eval(element.struct.field("_met").cast(pl.UInt32).fill_null(0))
        .list.sum()
    )
    violated = getattr(counted, _COMPARE[rule.argument["operator"]])(rule.argument["count"])
    return (~violated).fill_null(True)


def _on_fields(met: pl.Expr, names: list[str]) -> pl.Expr:
    """*met*, whose columns are an element's fields, as an expression on those fields."""
    text = met.meta.serialize(format="json")
    for name in names:
        field = pl.field(name).meta.serialize(format="json")
        text = text.replace(f'{{"Column":"{name}"}}', field)
    return pl.Expr.deserialize(text.encode(), format="json")


def lift_faults(contract: Contract, *, path: str) -> list[Fault]:
    """Rules that Polars cannot carry out; found before a steward's edit is in force."""
    found = []
    names = {column.name for column in contract.columns}
    from concord.contracts.schema import frame_schema

    schema = {**frame_schema(contract), UNREADABLE: pl.List(pl.String())}
    empty = pl.DataFrame(schema=schema)
    for rule in contract.rules:
        if rule.kind == "row_count":
            continue
        words = unknown_words(rule.argument, names) if rule.kind == "row" else []
        if words:
            found.append(Fault(path, 0, f"rule {rule.id}: `{words[0]}` may not be used here"))
            continue
        kind = ""
        try:
            empty.select(expression(rule, contract).alias("ok"))
        except Exception as error:
            kind = type(error).__name__
        if kind:
            found.append(Fault(path, 0, f"rule {rule.id} cannot be carried out ({kind})"))
    return found
