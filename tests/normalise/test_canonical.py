"""Frames of native fields to frames of canonical columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from concord.contracts.document import Column, Contract
from concord.contracts.schema import frame_schema
from concord.normalise.canonical import UNREADABLE, canonical
from concord.normalise.elements import elements, native_elements
from concord.normalise.emails import email
from concord.normalise.mapping import FieldMap, mapping_of
from concord.platforms.declaration import PlatformDeclaration

FIELDS = {
    "given_name": ["first", "rufname"],
    "emails": ["EMAIL", {"from": "mail", "type": "Work", "preferred": True}],
    "phones": {"from": "tel", "type": "cell"},
    "country": "land",
    "birth_date": "born",
    "created_at": "made",
}


@pytest.fixture(scope="module")
def mapping(contract: Contract) -> FieldMap:
    return mapping_of(declared(FIELDS), contract, frozenset({"EMAIL"}), "AT")


def declared(fields: dict[str, Any]) -> PlatformDeclaration:
    return PlatformDeclaration.model_validate(
        {"kind": "any", "connection": "x", "purpose": "care", "fields": fields}
    )


def frame(*rows: Any) -> pl.DataFrame:
    texts = [
        row if row is None or isinstance(row, str) else orjson.dumps(row).decode() for row in rows
    ]
    ids = [f"r{n}" for n in range(len(rows))]
    return pl.DataFrame(
        {"record_id": ids, "remote_id": ids, "fields": texts},
        schema={"record_id": pl.String, "remote_id": pl.String, "fields": pl.String},
    )


def one(row: Any, mapping: FieldMap, contract: Contract) -> dict[str, Any]:
    return canonical(frame(row), mapping, contract).to_dicts()[0]


def test_a_row_is_read_through_its_mapping(contract: Contract, mapping: FieldMap) -> None:
    row = {
        "first": " Ann ",
        "EMAIL": [{"value": "B@x.at", "type": "HOME", "preferred": False}],
        "mail": "A@x.at",
        "tel": "0664 1234567",
        "land": "\u00d6sterreich",
        "born": "3.2.1980",
        "made": "2026-01-01T10:00:00Z",
        "unmapped": "?",
    }
    found = one(row, mapping, contract)
    assert {name: value for name, value in found.items() if value is not None} == {
        "record_id": "r0",
        "remote_id": "r0",
        "given_name": "Ann",
        "emails": [
            {"value": "a@x.at", "type": "work", "preferred": True},
            {"value": "b@x.at", "type": "home", "preferred": False},
        ],
        "phones": [{"value": "+436641234567", "type": "cell", "preferred": False}],
        "country": "AT",
        "birth_date": date(1980, 2, 3),
        "created_at": datetime(2026, 1, 1, 10, tzinfo=UTC),
        "_unreadable": [],
    }


def test_the_first_native_field_that_holds_something_decides(
    contract: Contract, mapping: FieldMap
) -> None:
    assert one({"first": " ", "rufname": "Bo"}, mapping, contract)["given_name"] == "Bo"
    assert one({"first": "A", "rufname": "Bo"}, mapping, contract)["given_name"] == "A"


def test_elements_of_one_value_are_one_element(contract: Contract, mapping: FieldMap) -> None:
    row = {"EMAIL": [{"value": "A@x.at"}, {"value": " "}, None, "b@x.at"], "mail": "a@x.at"}
    assert one(row, mapping, contract)["emails"] == [
        {"value": "a@x.at", "type": "work", "preferred": True},
        {"value": "b@x.at", "type": None, "preferred": False},
    ]


def test_two_preferred_elements_stay_for_the_contract_to_name(
    contract: Contract, mapping: FieldMap
) -> None:
    row = {"EMAIL": [{"value": "b@x.at", "preferred": True}], "mail": "a@x.at"}
    assert [e["preferred"] for e in one(row, mapping, contract)["emails"]] == [True, True]


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"born": "--0203"}, []),
        ({"born": "--1332"}, ["birth_date"]),
        ({"made": "2026-01-01T10:00:00"}, ["created_at"]),
        ({"born": "x", "made": "x", "first": "Ann"}, ["birth_date", "created_at"]),
        ({"first": ["Ann"]}, ["given_name"]),
        ({"EMAIL": {"value": "a@x.at"}}, ["emails"]),
        ({"EMAIL": [{"value": "a@x.at"}, ["b@x.at"]], "mail": "c@x.at"}, ["emails"]),
        ({"mail": []}, ["emails"]),
        ({"born": " "}, []),
        ({"mail": "no address", "tel": "none", "land": "Atlantis"}, []),
    ],
)
def test_a_value_that_cannot_be_read_is_null_and_named(
    contract: Contract, mapping: FieldMap, row: Any, columns: list[str]
) -> None:
    found = one(row, mapping, contract)
    assert found[UNREADABLE] == columns
    assert all(found[column] is None for column in columns)


@pytest.mark.parametrize(
    "damaged", ["", "{", "[]", "7", '"x"', '{"first":NaN}', '{"first":"\\ud800"}', "{}{}"]
)
def test_a_damaged_row_is_unreadable_and_its_neighbours_are_not(
    contract: Contract, mapping: FieldMap, damaged: str
) -> None:
    found = canonical(frame({"first": "A"}, damaged, {"first": "B"}), mapping, contract)
    assert found["given_name"].to_list() == ["A", None, "B"]
    assert found[UNREADABLE].to_list() == [[], list(mapping.columns), []]


def test_a_row_without_fields_is_empty_and_readable(contract: Contract, mapping: FieldMap) -> None:
    found = canonical(frame(None, "null", {}), mapping, contract)
    assert found["emails"].to_list() == [None, None, None]
    assert found[UNREADABLE].to_list() == [[], [], []]


def test_the_schema_is_the_contracts_whatever_the_rows(
    contract: Contract, mapping: FieldMap
) -> None:
    wanted = frame_schema(contract) | {UNREADABLE: pl.List(pl.String)}
    for rows in (frame(), frame({}), frame({"first": "A", "mail": "a@x.at", "born": "x"})):
        assert dict(canonical(rows, mapping, contract).schema) == wanted


def test_a_custom_column_travels_by_declaration_alone(contract: Contract) -> None:
    columns = (
        Column("t", "loyalty_tier", "string"),
        Column("s", "staff", "boolean"),
        Column("p", "points", "integer"),
    )
    wider = replace(contract, columns=(*contract.columns, *columns))
    fields = {"loyalty_tier": "X-TIER", "staff": "X-STAFF", "points": "X-POINTS"}
    mapping = mapping_of(declared(fields), wider)
    found = one({"X-TIER": " gold ", "X-STAFF": True, "X-POINTS": 7}, mapping, wider)
    assert (found["loyalty_tier"], found["staff"], found["points"]) == ("gold", True, 7)
    assert one({"X-POINTS": "7,5"}, mapping, wider)[UNREADABLE] == ["points"]


def test_true_and_one_are_told_apart(contract: Contract) -> None:
    mapping = mapping_of(declared({"given_name": "first"}), contract)
    found = canonical(frame({"first": 1}, {"first": True}, {"first": 1.5}), mapping, contract)
    assert found["given_name"].to_list() == ["1", "true", "1.5"]


texts = st.one_of(
    st.none(),
    st.sampled_from(["a@x.at", " A@X.at", "b@x.at", "1980-02-03", "x", "", "0664 1234567", "AT"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
)
element = st.one_of(
    texts,
    st.fixed_dictionaries(
        {"value": texts},
        optional={"type": texts, "preferred": st.sampled_from([True, False, None])},
    ),
)
odd = st.one_of(st.integers(-9, 9), st.booleans(), st.just(["x"]), st.just({"value": "x"}))
records = st.one_of(
    st.none(),
    st.just("{"),
    st.fixed_dictionaries(
        {},
        optional={
            "first": st.one_of(texts, odd),
            "rufname": texts,
            "EMAIL": st.one_of(st.lists(element, max_size=4), odd, texts),
            "mail": st.one_of(texts, odd),
            "tel": texts,
            "born": st.one_of(texts, odd),
            "made": texts,
        },
    ),
)


@given(st.lists(records, max_size=8), st.integers(0, 8))
def test_splitting_the_rows_changes_nothing(
    contract: Contract, mapping: FieldMap, rows: list[Any], at: int
) -> None:
    whole = frame(*rows)
    parts = [canonical(part, mapping, contract) for part in (whole[:at], whole[at:])]
    assert_frame_equal(pl.concat(parts), canonical(whole, mapping, contract))


@given(st.lists(st.lists(element, max_size=5), max_size=5))
def test_lists_are_joined_in_frames_as_they_are_joined_one_by_one(
    contract: Contract, mapping: FieldMap, lists: list[Any]
) -> None:
    found = canonical(frame(*({"EMAIL": one} for one in lists)), mapping, contract)
    wanted = [
        elements([(email(each.get("value") or ""), each) for each in native_elements(one)]) or None
        for one in lists
    ]
    assert found["emails"].to_list() == wanted


@given(st.lists(records, max_size=4))
def test_what_cannot_be_read_never_reaches_an_error(
    contract: Contract, mapping: FieldMap, rows: list[Any]
) -> None:
    assert canonical(frame(*rows), mapping, contract).height == len(rows)
