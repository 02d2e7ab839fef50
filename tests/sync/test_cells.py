"""Cells and stamps, in and out of tables."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from sync_values import at

from concord.sync.cells import CELL, Cell, Stamp, cells_of, dump_stamps, load_stamps, structs
from concord.sync.values import alike, dump, load

INSTANTS = st.integers(0, 10_000).map(at)
STAMPS = st.builds(
    Stamp,
    st.sampled_from(["found", "edit"]),
    INSTANTS,
    st.none() | INSTANTS,
    st.sampled_from(["crm", "book"]),
)
KEYS = st.tuples(st.sampled_from(["emails", "phone"]), st.none() | st.text(max_size=3))
CELLS = st.builds(
    lambda key, stamp, since, removed, ours: Cell(
        *key, removed, stamp.kind, stamp.at, stamp.dated_at, stamp.source, since, ours
    ),
    KEYS,
    STAMPS,
    INSTANTS,
    st.booleans(),
    st.booleans(),
)


@given(st.lists(CELLS, unique_by=lambda cell: cell.key))
def test_cells_come_back_from_a_frame_as_they_went_in(cells: list[Cell]) -> None:
    frame = pl.DataFrame({"cells": [structs(cells)]}, schema={"cells": pl.List(CELL)})
    assert cells_of(frame["cells"].to_list()[0]) == {cell.key: cell for cell in cells}


@given(st.lists(CELLS, unique_by=lambda cell: cell.key))
def test_the_order_in_which_cells_were_made_does_not_matter(cells: list[Cell]) -> None:
    assert structs(cells) == structs(reversed(cells))


@given(st.dictionaries(KEYS, STAMPS))
def test_stamps_come_back_from_text_as_they_went_in(
    stamps: dict[tuple[str, str | None], Stamp],
) -> None:
    assert load_stamps(dump_stamps(stamps)) == stamps


@given(st.dictionaries(st.text(), st.none() | st.text() | st.booleans() | st.integers()))
def test_equal_values_give_equal_text(values: dict[str, object]) -> None:
    turned = dict(reversed(values.items()))
    assert dump(turned) == dump(values)
    assert load(dump(values)) == values


def test_case_and_blanks_say_nothing() -> None:
    assert alike(" Ann  Lee", "ann lee")
    assert alike("", None)
    assert not alike("ann", "anna")
    assert not alike("1", 1)
