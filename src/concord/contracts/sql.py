"""The part of SQL that a row rule may use: lifted out of a standard count query.

``SELECT COUNT(*) FROM ${table} WHERE <violation>`` with ``mustBe: 0`` can be run by every tool that
reads ODCS. Here only the predicate is kept. Column names, literals and the words below are allowed;
so there is no clock, no sub-query, no aggregate, no window, nothing that reads a file. Left out
because tools disagree: regular expressions (a pattern says it), ``IS TRUE``, ``TRIM``, ``/``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

__all__ = ["lifted", "sql_faults"]

_COUNT = re.compile(
    r"\s*select\s+count\(\s*\*\s*\)\s+from\s+\$\{(?:table|object)\}\s+where\s+(.+?)\s*;?\s*",
    re.I | re.S,
)
_ELEMENTS = re.compile(
    r"len\(\s*list_filter\(\s*(\w+)\s*,\s*lambda\s+(\w+)\s*:\s*(.+)\)\s*\)"
    r"\s*(=|<>|!=|<=|>=|<|>)\s*(\d+)",
    re.I | re.S,
)
_WORDS = frozenset(
    (
        *("and", "or", "not", "is", "null", "in", "between", "like", "true", "false"),
        *("case", "when", "then", "else", "end", "date", "timestamptz"),
        *("length", "lower", "upper", "starts_with", "coalesce", "nullif", "array_length", "abs"),
    )
)
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|\w+\.\w+|[^\W\d]\w*|\d+(?:\.\d+)?|<>|!=|<=|>=|--|\s+|.", re.S
)
_PUNCTUATION = frozenset(("=", "<", ">", "<>", "!=", "<=", ">=", "+", "-", "*", "%", "(", ")", ","))
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def lifted(query: str, column: str | None = None) -> tuple[str, Any]:
    """What a query counts: ``("row", predicate)`` or ``("elements", {...})``.

    Args:
        column: the property the query stands on, for ``${column}``.

    Raises:
        ValueError: the query is no count of violations over ``${table}``.
    """
    match = _COUNT.fullmatch(query)
    if match is None:
        raise ValueError("write SELECT COUNT(*) FROM ${table} WHERE <what must not be>")
    predicate = _in_one_line(match.group(1))
    if column is not None:
        predicate = re.sub(r"\$\{(?:column|property)\}", column, predicate)
    elements = _ELEMENTS.fullmatch(predicate)
    if elements is None:
        return "row", predicate
    name, element, inner, operator, count = elements.groups()
    return "elements", {
        "column": name,
        "element": element,
        "predicate": inner.strip(),
        "operator": "<>" if operator == "!=" else operator,
        "count": int(count),
    }


def _in_one_line(predicate: str) -> str:
    """Blanks between words made single; those inside quotes are left alone."""
    tokens = _TOKEN.findall(predicate)
    return "".join(" " if token.isspace() else token for token in tokens).strip()


def sql_faults(predicate: str, names: Collection[str]) -> Iterator[str]:
    """What may not stand in *predicate*, in sentences; nothing when it can be lifted.

    Args:
        names: what may be named: columns, or ``x.field`` in the predicate of a lambda.
    """
    tokens = [token for token in _TOKEN.findall(predicate) if not token.isspace()]
    for position, token in enumerate(tokens):
        before = tokens[position - 1].lower() if position else ""
        if token in names or token.strip('"') in names:
            continue
        if len(token) > 1 and token.startswith("'"):
            yield from _literal_faults(before, token[1:-1])
        elif token.lower() in ("true", "false") and before in ("is", "not"):
            yield "`IS [NOT] TRUE` means different things in different tools; name the column alone"
        elif not _is_allowed(token):
            yield f"`{token}` is no column and no word that a row rule may use"


def _is_allowed(token: str) -> bool:
    return token.lower() in _WORDS or token in _PUNCTUATION or _NUMBER.fullmatch(token) is not None


def _literal_faults(before: str, text: str) -> Iterator[str]:
    try:
        if before == "date":
            date.fromisoformat(text)
        elif before == "timestamptz" and datetime.fromisoformat(text).tzinfo is None:
            yield "a TIMESTAMPTZ literal without time zone: write '2026-01-31 00:00:00+00'"
    except ValueError:
        yield f"a {before.upper()} literal is no date"
