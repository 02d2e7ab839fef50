"""SQL predicates as Polars expressions, let through by an allow-list of expression nodes.

`concord.contracts.sql` has looked at the words; this looks at what Polars made of them, because
``pl.sql_expr`` accepts aggregates, windows and sub-queries, and folds the clock into a literal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl

__all__ = ["lift", "lift_element"]

_FUNCTIONS = frozenset(
    (
        "Abs",
        "Boolean.IsIn",
        "Boolean.IsNotNull",
        "Boolean.IsNull",
        "Boolean.Not",
        "Coalesce",
        "ListExpr.Length",
        "Sql.Binary",
        "Sql.IsIn",
        "StringExpr.Contains",
        "StringExpr.EndsWith",
        "StringExpr.LenChars",
        "StringExpr.Lowercase",
        "StringExpr.StartsWith",
        "StringExpr.Uppercase",
        "StructExpr.FieldByName",
    )
)


def lift(predicate: str) -> pl.Expr:
    """The predicate on a row's columns; null where nobody can tell.

    Raises:
        ValueError: it holds something a row rule may not use; the message names it.
    """
    expression = pl.sql_expr(predicate)
    for refused in _refused(_tree(expression)):
        raise ValueError(f"{refused} may not be used in a row rule")
    return expression


def lift_element(predicate: str, element: str) -> pl.Expr:
    """The predicate of a lambda, for use inside ``list.eval``.

    Args:
        element: the lambda's parameter, whose fields the predicate names.
    """
    bare = re.sub(rf"('(?:[^']|'')*')|\b{element}\.(\w+)", _field, predicate)
    tree = _on_element(_tree(lift(bare)))
    return pl.Expr.deserialize(json.dumps(tree).encode(), format="json")


def _field(match: re.Match[str]) -> str:
    return match.group(1) or f'"{match.group(2)}"'


def _tree(expression: pl.Expr) -> Any:
    return json.loads(expression.meta.serialize(format="json"))


def _on_element(node: Any) -> Any:
    """The tree with every column in the place of that field of the element."""
    if isinstance(node, list):
        return [_on_element(one) for one in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"Column"}:
        function = {"StructExpr": {"FieldByName": node["Column"]}}
        return {"Function": {"input": ["Element"], "function": function}}
    return {key: value if key == "Literal" else _on_element(value) for key, value in node.items()}


_PARTS = {
    "BinaryExpr": ("left", "right"),
    "Ternary": ("predicate", "truthy", "falsy"),
    "Column": (),
    "Literal": (),
}


def _refused(node: Any) -> Iterator[str]:
    """Names of the nodes that are not on the list, outermost first."""
    if not isinstance(node, dict) or len(node) != 1:
        yield str(node) if isinstance(node, str) else "something"
        return
    ((name, body),) = node.items()
    if name == "Function":
        function = _function(body["function"])
        if function not in _FUNCTIONS:
            yield function
        parts = body["input"]
    elif name == "Cast" and body["dtype"] == {"Literal": "Boolean"}:
        parts = [body["expr"]]
    elif name in _PARTS:
        parts = [body[part] for part in _PARTS[name]]
    else:
        yield name
        return
    for part in parts:
        yield from _refused(part)


def _function(function: Any) -> str:
    if isinstance(function, str):
        return function
    ((family, member),) = function.items()
    return f"{family}.{member if isinstance(member, str) else next(iter(member))}"
