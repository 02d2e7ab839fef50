"""Values of whole columns as the text that pairs hold: what `concord.sync.base.compared` gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

__all__ = ["PairText", "encoded", "pair_text"]


@dataclass(frozen=True, slots=True)
class PairText:
    """How a column's value is written.

    Attributes:
        of: a column to its texts; None where only Python can tell.
        nothing: the text of no value.
    """

    of: Callable[[pl.Expr], pl.Expr] | None
    nothing: str


def pair_text(kind: pl.DataType, *, is_list: bool) -> PairText:
    """How a golden column is written.

    Args:
        is_list: the platform maps it as a list of elements.
    """
    if is_list:
        fits = isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct)
        return PairText(_list_text if fits else None, "[]")
    for plain, work in _SCALAR_TEXTS:
        if kind == plain:
            return PairText(work, "null")
    return PairText(None, "null")


def encoded(value: pl.Expr) -> pl.Expr:
    """JSON of a text, or of a list of texts."""
    whole = pl.struct(value.alias("x")).struct.json_encode()
    return whole.str.strip_prefix('{"x":').str.strip_suffix("}")


def _list_text(value: pl.Expr) -> pl.Expr:
    keys = value.list.eval(pl.element().struct.field("value").unique().sort())
    return pl.when(value.list.len().fill_null(0) == 0).then(pl.lit("[]")).otherwise(encoded(keys))


def _date_text(value: pl.Expr) -> pl.Expr:
    return pl.concat_str(pl.lit('"'), value.dt.to_string("%Y-%m-%d"), pl.lit('"')).fill_null("null")


def _plain_text(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String).fill_null("null")


_SCALAR_TEXTS: Sequence[tuple[pl.DataType, Callable[[pl.Expr], pl.Expr]]] = (
    (pl.String(), encoded),
    (pl.Date(), _date_text),
    (pl.Boolean(), _plain_text),
    (pl.Int64(), _plain_text),
)
