"""One number for what a row says: canonical JSON, then xxHash64.

The hash compares an old and a new row of one key inside one table, so 64 bits are enough. It is not
keyed: it never leaves its table. Its text must stay byte-equal from release to release of Polars,
or every row would look changed; the tests pin some rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl
import polars_hash  # noqa: F401  registers the expression namespace nchash

__all__ = ["HASH", "row_hash", "row_json"]

HASH = "_row_hash"


def row_json(schema: Mapping[str, pl.DataType], exclude: Collection[str] = ()) -> pl.Expr:
    """The row as JSON with sorted keys; nulls, empty texts and empty lists all differ.

    Dates are days and instants microseconds since 1970, floats millionths. NaN and infinity raise.
    """
    columns = [
        _canonical(pl.col(name), schema[name]).alias(name)
        for name in sorted(schema)
        if name not in exclude
    ]
    return pl.struct(columns).struct.json_encode()


def row_hash(schema: Mapping[str, pl.DataType], exclude: Collection[str] = ()) -> pl.Expr:
    """The hash of a row as Int64, named ``_row_hash``; it never covers an old hash."""
    text = row_json(schema, {*exclude, HASH})
    hashed: pl.Expr = text.nchash.xxhash64()  # type: ignore[attr-defined]
    return hashed.reinterpret(signed=True).alias(HASH)


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
    return _canonical_leaf(value, kind)


def _canonical_leaf(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
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
