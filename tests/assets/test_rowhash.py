from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.assets.rowhash import HASH, row_hash, row_json

EMAILS = pl.List(pl.Struct({"value": pl.String, "preferred": pl.Boolean}))
SCHEMA: dict[str, pl.DataType] = {
    "name": pl.String(),
    "emails": EMAILS,
    "tags": pl.List(pl.String),
    "born": pl.Date(),
    "at": pl.Datetime("us", "UTC"),
    "n": pl.Int64(),
    "share": pl.Float64(),
    "yes": pl.Boolean(),
}
FULL: dict[str, Any] = {
    "name": 'Zoë "Z" Ünal\n☕',
    "emails": [{"value": "z@example.org", "preferred": True}, None],
    "tags": ["b", "a", ""],
    "born": date(1984, 2, 29),
    "at": datetime(2026, 11, 25, 8, 0, 0, 123456, tzinfo=UTC),
    "n": 2**62,
    "share": 0.1,
    "yes": False,
}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row")


def hashes(*rows: dict[str, Any], exclude: tuple[str, ...] = ()) -> list[int]:
    return frame(*rows).select(row_hash(SCHEMA, exclude))[HASH].to_list()


def test_a_row_reads_as_sorted_json() -> None:
    assert frame(FULL).select(row_json(SCHEMA)).item() == (
        '{"at":1795593600123456,"born":5172,"emails":[{"preferred":true,"value":"z@example.org"},'
        'null],"n":4611686018427387904,"name":"Zoë \\"Z\\" Ünal\\n☕","share":100000,'
        '"tags":["b","a",""],"yes":false}'
    )


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (FULL, 6936535704805505748),
        ({}, 2678721811833611791),
        ({"name": ""}, 8289925684339428495),
        ({"emails": []}, -7566251519780042856),
        ({"emails": [None]}, -2589242498046697567),
        ({"tags": [""], "share": -1.5}, -3284341119837923535),
    ],
)
def test_the_hash_of_a_row_never_changes_between_releases(
    row: dict[str, Any], expected: int
) -> None:
    assert hashes(row) == [expected]


def test_nothing_an_empty_text_and_an_empty_list_all_differ() -> None:
    rows: list[dict[str, Any]] = [
        {},
        {"name": ""},
        {"emails": []},
        {"emails": [None]},
        {"emails": [{"value": None, "preferred": None}]},
        {"emails": [{"value": "", "preferred": None}]},
        {"tags": []},
        {"tags": [""]},
        {"tags": [None]},
    ]
    assert len(set(hashes(*rows))) == len(rows)


def test_columns_and_leaves_may_come_in_any_order() -> None:
    leaves = pl.List(pl.Struct({"preferred": pl.Boolean, "value": pl.String}))
    turned = {n: leaves if n == "emails" else SCHEMA[n] for n in reversed(SCHEMA)}
    other = pl.DataFrame([FULL], schema=turned, orient="row").select(row_hash(turned))
    assert other[HASH].to_list() == hashes(FULL)


def test_a_column_left_out_changes_nothing() -> None:
    assert hashes(FULL, {**FULL, "n": 1}, exclude=("n",)) == hashes(FULL, FULL, exclude=("n",))


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion"):
        hashes({"share": float("nan")})


texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
emails = st.fixed_dictionaries({"value": texts, "preferred": st.none() | st.booleans()})
rows = st.fixed_dictionaries(
    {
        "name": texts,
        "emails": st.none() | st.lists(st.none() | emails, max_size=3),
        "tags": st.none() | st.lists(texts, max_size=3),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "yes": st.none() | st.booleans(),
    }
)


@given(found=st.lists(rows, min_size=1, max_size=20))
def test_the_text_is_what_any_json_writer_writes(found: list[dict[str, Any]]) -> None:
    schema = {name: SCHEMA[name] for name in ("name", "emails", "tags", "n", "yes")}
    ours = pl.DataFrame(found, schema=schema, orient="row").select(row_json(schema)).to_series()
    assert ours.to_list() == [
        json.dumps(row, sort_keys=True, ensure_ascii=False, separators=(",", ":")) for row in found
    ]
