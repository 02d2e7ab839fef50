"""One number for what a row says: canonical JSON, then xxHash64.

The hash compares an old and a new row of one key inside one table, so 64 bits are enough. It is not
keyed: it never leaves its table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl
import polars_hash  # noqa: F401  registers the expression namespace nchash

__all__ = ["row_hash", "row_json"]


def row_json(schema: Mapping[str, pl.DataType], exclude: Collection[str] = ()) -> pl.Expr:
    """The row as JSON with sorted keys; nulls, empty texts and empty lists all differ."""
    columns = [
        _canonical(pl.col(name), schema[name]).alias(name)
        for name in sorted(schema)
        if name not in exclude
    ]
    return pl.struct(columns).struct.json_encode()


def row_hash(schema: Mapping[str, pl.DataType], exclude: Collection[str] = ()) -> pl.Expr:
    """The hash of a row as Int64."""
    text = row_json(schema, exclude)
    hashed: pl.Expr = text.nchash.xxhash64().reinterpret(signed=True)  # type: ignore[attr-defined]
    return hashed


def _canonical(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.List):
        inner = _instance(kind.inner)
        return value.list.eval(_canonical(pl.element(), inner))
    if isinstance(kind, pl.Struct):
        leaves = [
            _canonical(value.struct.field(leaf.name), _instance(leaf.dtype)).alias(leaf.name)
            for leaf in sorted(kind.fields, key=lambda leaf: leaf.name)
        ]
        return pl.when(value.is_not_null()).then(pl.struct(leaves))
    if kind == pl.String or kind == pl.Boolean or kind.is_integer():
        return value
    if kind == pl.Date:
        return value.cast(pl.Int32)
    if isinstance(kind, pl.Datetime):
        return value.dt.cast_time_unit("us").to_physical()
    if kind.is_float():
        return (value * 1_000_000).round().cast(pl.Int64)
    raise TypeError(f"no canonical form for {kind}")


def _instance(kind: object) -> pl.DataType:
    return kind() if isinstance(kind, type) else kind  # type: ignore[return-value]
