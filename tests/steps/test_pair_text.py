"""Pairs told from whole columns are written as those told one by one."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from concord.steps.pair_text import pair_text
from concord.steps.raw_rows import jsonable
from concord.sync.base import compared
from concord.sync.mapped import Mapped

ELEMENTS = pl.List(pl.Struct({"value": pl.String, "type": pl.String, "preferred": pl.Boolean}))
MAPPED = Mapped("crm", {}, {"emails": None}, frozenset(), lambda _column, value: value)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
elements = st.lists(
    st.fixed_dictionaries({"value": texts, "type": st.none(), "preferred": st.booleans()}),
    max_size=3,
)


def written(kind: pl.DataType, values: list[Any], *, is_list: bool = False) -> list[str]:
    text = pair_text(kind, is_list=is_list)
    assert text.of is not None
    frame = pl.DataFrame({"column": pl.Series(values, dtype=kind)})
    return frame.select(text.of(pl.col("column"))).to_series().to_list()


def one_by_one(column: str, values: list[Any]) -> list[str]:
    return [compared(MAPPED, column, jsonable(value)) for value in values]


@given(st.lists(st.none() | texts, min_size=1, max_size=8))
def test_texts(values: list[str | None]) -> None:
    assert written(pl.String(), values) == one_by_one("name", values)


@given(st.lists(st.none() | st.dates(), min_size=1, max_size=8))
def test_dates(values: list[date | None]) -> None:
    assert written(pl.Date(), values) == one_by_one("born", values)


@given(st.lists(st.none() | st.booleans(), min_size=1, max_size=4))
def test_truth_values(values: list[bool | None]) -> None:
    assert written(pl.Boolean(), values) == one_by_one("flag", values)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4))
def test_whole_numbers(values: list[int | None]) -> None:
    assert written(pl.Int64(), values) == one_by_one("count", values)


@given(st.lists(st.none() | elements, min_size=1, max_size=8))
def test_lists_of_elements(values: list[Any]) -> None:
    assert written(ELEMENTS, values, is_list=True) == one_by_one("emails", values)


def test_what_only_python_can_write_is_left_to_it() -> None:
    assert pair_text(pl.Float64(), is_list=False).of is None
    assert pair_text(pl.List(pl.String), is_list=True).of is None
    assert pair_text(pl.Null(), is_list=False).of is None
