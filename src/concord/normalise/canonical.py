"""From native fields to canonical columns: one frame in, one frame out, row by row.

Row-local: canonical(A ⧺ B) = canonical(A) ⧺ canonical(B). A distinct value is normalised once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

import orjson
import polars as pl

from concord.contracts.document import Contract
from concord.contracts.schema import frame_schema
from concord.normalise.elements import elements
from concord.normalise.mapping import Field, FieldMap
from concord.normalise.native import native_elements
from concord.normalise.normalisers import normaliser, plain, reader
from concord.platforms.base import Native

__all__ = ["UNREADABLE", "canonical"]

UNREADABLE = "_unreadable"
_WRONG = object()  # stands for a value that cannot be read
_CHUNK = 20_000  # rows whose JSON is held as Python objects at one time
_Fields = Mapping[str, Native]


class _Once(dict[Any, Any]):
    """A function's results, each worked out when it is first asked for."""

    def __init__(self, work: Callable[[str], Any]) -> None:
        super().__init__({None: None, _WRONG: _WRONG})
        self._work = work

    def __missing__(self, text: str) -> Any:
        found = self[text] = self._work(text)
        return found


class _Tools:
    """The normalisers and readers of one call, with what they already worked out."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._tidy: dict[str, _Once] = {}
        self._read: dict[str, _Once] = {}
        self._slots: dict[Field, _Once] = {}

    def tidy(self, name: str) -> _Once:
        if name not in self._tidy:
            self._tidy[name] = _Once(normaliser(name, self._region))
        return self._tidy[name]

    def read(self, logical: str) -> _Once:
        if logical not in self._read:
            work = reader(logical)

            def read(text: str) -> Any:
                found = work(text)
                return _WRONG if found is None else found

            self._read[logical] = _Once(read)
        return self._read[logical]

    def slot(self, field: Field) -> _Once:
        if field not in self._slots:
            tidy = self.tidy(field.normalise)
            self._slots[field] = _Once(
                lambda text: elements([(tidy[text], native_elements(field, text)[0])]) or None
            )
        return self._slots[field]


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
    tools = _Tools(mapping.region)
    parts = [
        _chunk(rows.slice(start, _CHUNK), mapping, contract, tools)
        for start in range(0, max(rows.height, 1), _CHUNK)
    ]
    return pl.concat(parts, rechunk=True)


def _chunk(
    rows: pl.DataFrame, mapping: FieldMap, contract: Contract, tools: _Tools
) -> pl.DataFrame:
    unreadable: list[list[str]] = [[] for _ in range(rows.height)]
    decoded = [_decoded(text) for text in rows["fields"]]
    records = [{} if record is None else record for record in decoded]
    for position, record in enumerate(decoded):
        if record is None:
            unreadable[position] += mapping.columns
    columns = []
    for name, kind in frame_schema(contract).items():
        fields = mapping.of(name)
        if fields:
            values, wrong = _column(records, fields, tools)
            for position in wrong:
                unreadable[position].append(name)
            columns.append(_series(name, values, kind))
        elif name in rows.columns:
            columns.append(rows[name].cast(kind))
        else:
            columns.append(pl.Series(name, [None] * rows.height, dtype=kind))
    columns.append(pl.Series(UNREADABLE, unreadable, dtype=pl.List(pl.String)))
    return pl.DataFrame(columns)


def _decoded(text: str | None) -> _Fields | None:
    """The native fields of one row; None when the text holds none that can be read."""
    if text is None:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return {} if found is None else found if isinstance(found, dict) else None


def _column(
    records: Sequence[_Fields], fields: Sequence[Field], tools: _Tools
) -> tuple[list[Any], list[int]]:
    """Values by row, and the rows whose value cannot be read."""
    work = _scalars if fields[0].kind == "scalar" else _lists
    values = work(records, fields, tools)
    wrong = [position for position, value in enumerate(values) if value is _WRONG]
    for position in wrong:
        values[position] = None
    return values, wrong


def _scalars(records: Sequence[_Fields], fields: Sequence[Field], tools: _Tools) -> list[Any]:
    values: list[Any] = []
    for field in fields:
        tidy = tools.tidy(field.normalise)
        found = [tidy[text] for text in _texts(records, field.native)]
        values = _first(values, found) if values else found
    if fields[0].logical == "string":
        return values
    read = tools.read(fields[0].logical)
    return [read[value] for value in values]


def _first(values: list[Any], found: list[Any]) -> list[Any]:
    return [new if old is None else old for old, new in zip(values, found, strict=True)]


def _texts(records: Sequence[_Fields], native: str) -> list[Any]:
    found = [record.get(native) for record in records]
    if set(map(type, found)) <= {str, NoneType}:
        return found
    return [_text(value) for value in found]


def _text(value: Any) -> Any:
    try:
        return plain(value)
    except TypeError:
        return _WRONG


def _lists(records: Sequence[_Fields], fields: Sequence[Field], tools: _Tools) -> list[Any]:
    if len(fields) == 1 and fields[0].kind == "slot":
        slot = tools.slot(fields[0])
        return [slot[text] for text in _texts(records, fields[0].native)]
    tidied = [(field, tools.tidy(field.normalise)) for field in fields]
    return [_elements(record, tidied) for record in records]


def _elements(record: _Fields, tidied: Sequence[tuple[Field, _Once]]) -> Any:
    try:
        found = [
            (tidy[one.get("value")], one)
            for field, tidy in tidied
            for one in native_elements(field, record.get(field.native))
        ]
    except TypeError:
        return _WRONG
    return elements(found) or None


def _series(name: str, values: list[Any], kind: pl.DataType) -> pl.Series:
    if not isinstance(kind, pl.List):
        return pl.Series(name, values, dtype=kind)
    inner = kind.inner
    assert isinstance(inner, pl.Struct)
    flat = [element for value in values if value is not None for element in value]
    long = pl.DataFrame(
        {
            leaf.name: pl.Series([one.get(leaf.name) for one in flat], dtype=leaf.dtype)
            for leaf in inner.fields
        }
    )
    row = [n for n, value in enumerate(values) if value is not None for _ in value]
    packed = (
        long.select(pl.struct(pl.all()).alias(name))
        .with_columns(pl.Series("row", row, dtype=pl.UInt32))
        .group_by("row", maintain_order=True)
        .agg(name)
    )
    every = pl.DataFrame({"row": pl.Series(range(len(values)), dtype=pl.UInt32)})
    return every.join(packed, on="row", how="left", maintain_order="left")[name].cast(kind)
