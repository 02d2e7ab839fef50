from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.document import Column, Contract
from concord.normalise.elements import element_key, elements, keys_of, native_elements, same

found = st.lists(
    st.fixed_dictionaries(
        {
            "value": st.sampled_from(["a", "b", "c"]),
            "type": st.sampled_from([None, "", "Home", " work "]),
            "preferred": st.booleans(),
        }
    ),
    max_size=6,
)


def joined(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return elements([(one["value"], one) for one in values])


@given(found)
def test_each_element_is_there_once(values: list[dict[str, Any]]) -> None:
    keys = keys_of(joined(values))
    assert sorted(keys) == sorted({one["value"] for one in values})


@given(found)
def test_joining_twice_is_joining_once(values: list[dict[str, Any]]) -> None:
    assert joined(joined(values)) == joined(values)


@given(found)
def test_preferred_elements_come_first_and_stay_preferred(values: list[dict[str, Any]]) -> None:
    flags = [one["preferred"] for one in joined(values)]
    assert flags == sorted(flags, reverse=True)
    wanted = {one["value"] for one in values if one["preferred"]}
    assert sum(flags) == len(wanted)


def test_an_element_keeps_its_first_type_and_blanks_are_dropped() -> None:
    values = [(None, {}), ("a", {"type": " "}), ("a", {"type": "Home"}), ("a", {"type": "work"})]
    assert elements(values) == [{"value": "a", "type": "home", "preferred": False}]


def test_the_key_is_the_canonical_value() -> None:
    assert element_key("email", " Ann@Example.com ") == "ann@example.com"
    assert element_key("phone", "0664 1234567", "AT") == "+436641234567"
    assert element_key("phone", "+436641234567") == "+436641234567"
    assert element_key(None, " Red  Cross ") == "Red Cross"
    assert element_key("email", " ") == ""


def test_lists_are_the_same_when_they_hold_the_same_elements(contract: Contract) -> None:
    emails = contract.column("emails")
    one = [{"value": "a@x.at", "type": "home", "preferred": True}, {"value": "b@x.at"}]
    other = [{"value": "B@X.at"}, {"value": "a@x.at", "type": "work"}]
    assert same(emails, one, other)
    assert same(emails, None, [])
    assert not same(emails, one, other[:1])


@pytest.mark.parametrize(
    ("logical", "one", "other"),
    [
        ("string", " Ann  B ", "Ann B"),
        ("string", None, " "),
        ("date", "1980-02-03", "3.2.1980"),
        ("timestamp", "2026-01-01T10:00:00Z", "2026-01-01T11:00:00+01:00"),
        ("integer", 7, "7.0"),
        ("boolean", True, "yes"),
    ],
)
def test_values_are_the_same_when_they_are_read_the_same(
    logical: str, one: Any, other: Any
) -> None:
    column = Column("c", "c", logical)
    assert same(column, one, other)
    assert not same(column, one or "x", None)


def test_case_tells_names_apart() -> None:
    assert not same(Column("c", "c", "string", role="given_name"), "ann", "Ann")


def test_native_elements_may_be_plain_text() -> None:
    assert native_elements("a") == [{"value": "a"}]
    assert native_elements(["a", None, {"value": 7}]) == [{"value": "a"}, {"value": "7"}]  # type: ignore[list-item]


@pytest.mark.parametrize("odd", [{"value": "a"}, [["a"]], [{"value": ["a"]}]])
def test_a_native_list_of_another_shape_is_refused_without_its_value(odd: Any) -> None:
    with pytest.raises(TypeError, match="a list or an object is not one value"):
        native_elements(odd)
