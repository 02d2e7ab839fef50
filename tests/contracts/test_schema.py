from __future__ import annotations

import warnings
from datetime import UTC, date, datetime
from typing import Any

import pandera.errors
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.gate import RULES, gate
from concord.contracts.schema import frame_schema

PROPERTIES = r"""
- {name: code, id: code, logicalType: string, required: true, unique: true,
   logicalTypeOptions: {pattern: '\d|x', minLength: 2, maxLength: 3}}
- {name: colour, id: colour, logicalType: string, enum: [{value: red}, {value: 'NO'}]}
- {name: level, id: level, logicalType: integer, enum: [{value: 1}, {value: 2}, {value: 4}],
   logicalTypeOptions: {minimum: 1, exclusiveMaximum: 5, multipleOf: 2}}
- {name: size, id: size, logicalType: number,
   logicalTypeOptions: {exclusiveMinimum: 0, maximum: 2.5}}
- {name: born, id: born, logicalType: date,
   logicalTypeOptions: {minimum: '2000-01-01', exclusiveMaximum: '2000-01-03'}}
- {name: seen, id: seen, logicalType: timestamp,
   logicalTypeOptions: {timezone: true, exclusiveMinimum: '2000-01-01T00:00:00Z',
                        maximum: '2000-01-01T02:00:00+01:00'}}
- name: flag
  id: flag
  logicalType: boolean
  quality:
  - {id: flag_known, metric: nullValues, mustBe: 0}
- name: note
  id: note
  logicalType: string
  quality:
  - {id: note_meant, metric: missingValues, mustBe: 0, arguments: {missingValues: ['', 'n/a']}}
  - {id: note_short, metric: invalidValues, mustBeLessThan: 1, arguments: {pattern: '^.{0,2}$'}}
- name: marks
  id: marks
  logicalType: array
  logicalTypeOptions: {minItems: 1, maxItems: 2, uniqueItems: true}
  items:
    logicalType: object
    properties:
    - {name: value, id: marks_value, logicalType: string, required: true,
       logicalTypeOptions: {pattern: '^[ab]'}}
    - {name: type, id: marks_type, logicalType: string, enum: [{value: 'a'}, {value: 'NO'}]}
    - {name: rank, id: marks_rank, logicalType: integer, logicalTypeOptions: {maximum: 1}}
"""
QUALITY = """
- {id: ordered, type: sql, mustBe: 0, query: 'SELECT COUNT(*) FROM ${table} WHERE size > level'}
- {id: one_first, type: sql, mustBe: 0,
   query: "SELECT COUNT(*) FROM ${table} WHERE len(list_filter(marks, lambda m: m.rank = 0)) > 1"}
"""
short = st.sampled_from(["", "x", "1", "12", "x١", "xxxx", "a", "b\n", "n/a", "red", "NO"])
mark = st.fixed_dictionaries(
    {"value": st.none() | short, "type": st.none() | short, "rank": st.none() | st.integers(0, 2)}
)
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from("abcd"),
    "code": short,
    "colour": short,
    "level": st.integers(-1, 6),
    "size": st.sampled_from([-1.0, 0.0, 0.5, 2.5, 2.6, 9.0]),
    "born": st.dates(date(1999, 12, 31), date(2000, 1, 4)),
    "seen": st.datetimes(
        datetime(1999, 12, 31, 23), datetime(2000, 1, 1, 2), timezones=st.just(UTC)
    )
    | st.just(datetime(2000, 1, 1, tzinfo=UTC)),
    "flag": st.booleans(),
    "note": short,
    "marks": st.lists(st.none() | mark, max_size=3),
}
row = st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()})


def _said_by_pandera(frame: pl.DataFrame, schema: Any) -> set[tuple[str, int]]:
    """(rule, row) for every failure that Pandera reports."""
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        found = error.schema_errors
    else:
        found = []
    said = set()
    for one in found:
        rule = f"{one.schema.name}.required" if one.check == "not_nullable" else one.check.name
        fine = one.check_output["check_output"].to_list()
        said |= {(rule, at) for at, good in enumerate(fine) if good is False}
    return said


def _said_by_gate(frame: pl.DataFrame, contract: Any) -> set[tuple[str, int]]:
    judged = gate(frame.with_row_index("_row"), contract).quarantined
    pairs = judged.select("_row", RULES).explode(RULES).rows()
    return {(rule, at) for at, rule in pairs}


@pytest.fixture(scope="module")
def contract(contract_of):
    return contract_of(PROPERTIES, QUALITY)


@given(rows=st.lists(row, max_size=8))
def test_the_gate_says_of_every_rule_and_row_what_stock_pandera_says(rows, contract):
    frame = pl.DataFrame(rows, schema=frame_schema(contract), orient="row")

    assert _said_by_gate(frame, contract) == _said_by_pandera(frame, contract.schema())


def test_every_rule_can_fail(contract):
    """So that the property above is about all of them."""
    rows = [
        {"id": None, "code": None, "size": float("inf"), "level": 6, "marks": []},
        {"id": "a", "code": "a", "level": 3, "size": 0.0, "colour": "no", "note": "n/a"},
        {"id": "a", "code": "xxxx", "born": date(1999, 1, 1), "level": 0},
        {"id": "b", "code": "xxxx", "born": date(2000, 1, 3), "size": 9.0, "level": 2},
        {"id": "c", "seen": datetime(2000, 1, 1, tzinfo=UTC), "note": "abc"},
        {"id": "d", "seen": datetime(2000, 1, 2, tzinfo=UTC)},
        {"id": "e", "marks": [{"value": None, "rank": 0}, {"value": "c", "type": "b", "rank": 0}]},
        {"id": "f", "marks": [{"value": "a", "rank": 2}] * 3},
    ]
    frame = pl.DataFrame(rows, schema=frame_schema(contract), orient="row")

    failed = {rule for rule, _ in _said_by_gate(frame, contract)}

    expected = {rule.id for rule in contract.rules if rule.kind != "readable"}
    assert failed == expected


def test_the_schema_is_an_ordinary_pandera_schema(reference):
    contract = reference["clean/*"]
    schema = contract.schema()
    frame = pl.DataFrame(
        [{"record_id": "r", "remote_id": "1", "full_name": "Ada"}],
        schema=frame_schema(contract),
        orient="row",
    )

    assert schema.validate(frame).equals(frame)
    assert schema.columns["emails"].metadata == {"classification": "restricted", "role": "email"}
    assert not any(column.unique for column in schema.columns.values())
    assert schema.metadata == {"contract": contract.id, "version": contract.version}


def test_a_rule_that_warns_is_a_warning_in_pandera_too(reference):
    contract = reference["clean/*"]
    frame = pl.DataFrame(
        [
            {
                "record_id": "r",
                "remote_id": "1",
                "full_name": "Ada",
                "created_at": datetime(2026, 2, 1, tzinfo=UTC),
                "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
        ],
        schema=frame_schema(contract),
        orient="row",
    )
    with pytest.warns(pandera.errors.SchemaWarning, match="updated_after_created"):
        contract.schema().validate(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert contract.schema().validate(frame, lazy=True).equals(frame)


def test_column_types_are_the_lakes(contract):
    assert frame_schema(contract) == {
        "id": pl.String(),
        "code": pl.String(),
        "colour": pl.String(),
        "level": pl.Int64(),
        "size": pl.Float64(),
        "born": pl.Date(),
        "seen": pl.Datetime("us", "UTC"),
        "flag": pl.Boolean(),
        "note": pl.String(),
        "marks": pl.List(
            pl.Struct({"value": pl.String(), "type": pl.String(), "rank": pl.Int64()})
        ),
    }
