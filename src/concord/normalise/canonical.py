"""From native fields to canonical columns: one frame in, one frame out, row by row.

Row-local: canonical(A ⧺ B) = canonical(A) ⧺ canonical(B). A distinct value is normalised once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema
from concord.normalise.decode import ILL_SHAPED, ListField, Natives, decode
from concord.normalise.elements import element_type
from concord.normalise.mapping import Field, FieldMap
from concord.normalise.normalisers import normaliser, reader

__all__ = ["UNREADABLE", "canonical"]

UNREADABLE = "_unreadable"
_LONG = {"row": pl.UInt32, "value": pl.String, "type": pl.String, "preferred": pl.Boolean}


class _Once(dict[Any, Any]):
    """A function's results, each worked out when it is first asked for."""

    def __init__(self, work: Callable[[str], Any]) -> None:
        super().__init__({None: None, ILL_SHAPED: ILL_SHAPED})
        self._work = work

    def __missing__(self, text: str) -> Any:
        found = self[text] = self._work(text)
        return found


class _Tools:
    """The normalisers of one call, with what they already worked out."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._known: dict[str, _Once] = {}
        self.types = _Once(element_type)

    def tidy(self, field: Field) -> _Once:
        if field.normalise not in self._known:
            self._known[field.normalise] = _Once(normaliser(field.normalise, self._region))
        return self._known[field.normalise]


def canonical(rows: pl.DataFrame, mapping: FieldMap, contract: Contract) -> pl.DataFrame:
    """One row per row of *rows*, in its order, in the contract's columns.

    Args:
        rows: ``fields`` (JSON of native fields; null for none) and any contract column that no
            native field fills (``record_id``, ``remote_id``), which is taken over.

    Returns:
        The contract's columns and ``_unreadable``: the mapped columns of the row whose native value
        is there but is no value of the column's type; they are null. Text is never unreadable:
        what a normaliser cannot read stays as it is, for the contract's rules to name. A row whose
        JSON is damaged has every mapped column unreadable. Lists without elements are null.
    """
    natives = decode(rows["fields"].to_list(), mapping)
    tools = _Tools(mapping.region)
    unreadable = [(row, column) for row in natives.damaged for column in mapping.columns]
    columns = []
    for name, kind in frame_schema(contract).items():
        fields = mapping.of(name)
        if fields:
            work = _scalar if fields[0].kind == "scalar" else _list
            column, wrong = work(natives, fields, kind, tools)
            unreadable += [(row, name) for row in wrong]
            columns.append(column.alias(name))
        elif name in rows.columns:
            columns.append(rows[name].cast(kind))
        else:
            columns.append(pl.Series(name, [None] * rows.height, dtype=kind))
    named = pl.DataFrame(unreadable, schema={"row": pl.UInt32, "item": pl.String}, orient="row")
    columns.append(_by_row(named, rows.height).fill_null([]).alias(UNREADABLE))
    return pl.DataFrame(columns)


def _scalar(
    natives: Natives, fields: Sequence[Field], kind: pl.DataType, tools: _Tools
) -> tuple[pl.Series, list[int]]:
    """The first native field that holds anything decides."""
    values = _tidied(natives, fields[0], tools)
    for field in fields[1:]:
        pairs = zip(values, _tidied(natives, field, tools), strict=True)
        values = [new if old is None else old for old, new in pairs]
    if fields[0].logical != "string":
        read = _Once(_reader(fields[0].logical))
        values = [read[value] for value in values]
    wrong = [position for position, value in enumerate(values) if value is ILL_SHAPED]
    for position in wrong:
        values[position] = None
    return pl.Series(values, dtype=kind), wrong


def _tidied(natives: Natives, field: Field, tools: _Tools) -> list[Any]:
    tidy = tools.tidy(field)
    return [tidy[text] for text in natives.texts[field.native]]


def _reader(logical: str) -> Callable[[str], Any]:
    work = reader(logical)

    def read(text: str) -> Any:
        found = work(text)
        return ILL_SHAPED if found is None else found

    return read


def _list(
    natives: Natives, fields: Sequence[Field], kind: pl.DataType, tools: _Tools
) -> tuple[pl.Series, list[int]]:
    parts, wrong = [], set[int]()
    for field in fields:
        if field.kind == "slot":
            values = _tidied(natives, field, tools)
            wrong.update(n for n, value in enumerate(values) if value is ILL_SHAPED)
            parts.append(_slot(values, field))
        else:
            found = natives.lists[field.native]
            wrong.update(found.wrong)
            parts.append(_elements(found, tools.tidy(field), tools.types))
    long = pl.concat(parts).drop_nulls("value")
    if wrong:
        long = long.filter(~pl.col("row").is_in(sorted(wrong)))
    return _packed(_joined(long), natives.height, kind), sorted(wrong)


def _slot(values: list[Any], field: Field) -> pl.DataFrame:
    held = [None if value is ILL_SHAPED else value for value in values]
    return pl.DataFrame({"value": pl.Series(held, dtype=pl.String)}).select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"),
        "value",
        pl.lit(field.type, dtype=pl.String).alias("type"),
        pl.lit(field.preferred).alias("preferred"),
    )


def _elements(found: ListField, tidy: _Once, types: _Once) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": found.rows,
            "value": [tidy[value] for value in found.values],
            "type": [types[value] for value in found.types],
            "preferred": found.preferred,
        },
        schema=_LONG,
    )


def _joined(long: pl.DataFrame) -> pl.DataFrame:
    """As `concord.normalise.elements.elements` does it, for all rows at once."""
    placed = long.with_row_index("place")
    merged = placed.unique(["row", "value"], keep="first", maintain_order=True)
    if merged.height < placed.height:
        best = placed.group_by("row", "value").agg(
            pl.col("type").drop_nulls().first(), pl.col("preferred").any()
        )
        merged = merged.select("row", "value", "place").join(best, on=["row", "value"])
    return merged.sort("row", ~pl.col("preferred"), "place")


def _packed(long: pl.DataFrame, height: int, kind: pl.DataType) -> pl.Series:
    inner = kind.inner if isinstance(kind, pl.List) else None
    leaves = inner.fields if isinstance(inner, pl.Struct) else []
    known = [
        pl.col(leaf.name) if leaf.name in _LONG else pl.lit(None).alias(leaf.name)
        for leaf in leaves
    ]
    packed = _by_row(long.select("row", pl.struct(known).alias("item")), height)
    return packed.cast(kind)


def _by_row(long: pl.DataFrame, height: int) -> pl.Series:
    """The items of each row as a list, in their order; null for a row without one."""
    packed = long.group_by("row", maintain_order=True).agg("item")
    every = pl.DataFrame({"row": pl.Series(range(height), dtype=pl.UInt32)})
    return every.join(packed, on="row", how="left", maintain_order="left")["item"]
