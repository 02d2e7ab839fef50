"""The part of SQL that a row rule may use: lifted out of a standard count query.

``SELECT COUNT(*) FROM ${table} WHERE <violation>`` with ``mustBe: 0`` can be run by every tool that
reads ODCS. Here only the predicate is kept. Only the words listed below and column names are
allowed: no clock, no sub-query, no aggregate, no window, nothing that reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

__all__ = ["lifted", "unknown_words"]

_COUNT = re.compile(r"^\s*select\s+count\(\*\)\s+from\s+\$\{(?:table|object)\}\s+where\s+(.+?);?\s*$", re.I | re.S)
_ELEMENTS = re.compile(
    r"^\s*len\(\s*list_filter\(\s*(\w+)\s*,\s*lambda\s+(\w+)\s*:\s*(.+)\)\s*\)\s*(=|<>|<=|>=|<|>)\s*(\d+)\s*$",
    re.I | re.S,
)
_WORDS = frozenset(
    "and or not is null in between like true false date timestamptz length lower upper trim "
    "coalesce case when then else end regexp_like starts_with array_length".split()
)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[A-Za-z_]\w*|\d+(?:\.\d+)?|[=<>!~+\-*/%(),\s]|.", re.S)
_PUNCTUATION = re.compile(r"^(?:'.*'|\d+(?:\.\d+)?|[=<>!~+\-*/%(),\s])$", re.S)


def lifted(query: str) -> tuple[str, Any]:
    """What a query counts: ``("row", predicate)`` or ``("elements", {...})``.

    Raises:
        ValueError: the query is no count of violations over ``${table}``.
    """
    match = _COUNT.match(query)
    if match is None:
        raise ValueError("write SELECT COUNT(*) FROM ${table} WHERE <what must not be>")
    predicate = " ".join(match.group(1).split())
    elements = _ELEMENTS.match(predicate)
    if elements is None:
        return "row", predicate
    column, name, inner, operator, count = elements.groups()
    bare = re.sub(rf"\b{name}\.(\w+)", r"\1", inner)
    return "elements", {
        "column": column,
        "predicate": bare,
        "operator": operator,
        "count": int(count),
    }


def unknown_words(predicate: str, columns: Collection[str]) -> list[str]:
    """Words of *predicate* that are neither allowed nor columns, in order."""
    return [
        token
        for token in _TOKEN.findall(predicate)
        if token not in columns
        and token.strip('"') not in columns
        and token.lower() not in _WORDS
        and not _PUNCTUATION.match(token)
    ]
