"""Canonical values to native fields and back."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.contracts.document import Contract
from concord.normalise.canonical import canonical
from concord.normalise.elements import keys_of, same
from concord.normalise.mapping import FieldMap, mapping_of
from concord.normalise.native import native, seen
from concord.platforms.base import ListPatch
from concord.platforms.declaration import PlatformDeclaration

ONE_SLOT = {"emails": {"from": "mail", "type": "work", "preferred": True}}
TYPED_SLOTS = {"emails": [{"from": "work", "type": "work"}, {"from": "home", "type": "home"}]}
LIST = {"emails": "EMAIL"}
READ_ONLY = {
    "emails": {"from": "mail", "write": False},
    "given_name": {"from": "first", "write": False},
}


def mapped(contract: Contract, fields: dict[str, Any]) -> FieldMap:
    declaration = PlatformDeclaration.model_validate(
        {"kind": "any", "connection": "x", "purpose": "care", "fields": fields}
    )
    return mapping_of(declaration, contract, frozenset({"EMAIL"}), "AT")


def mail(name: str, kind: str | None = None, preferred: bool = False) -> dict[str, Any]:
    return {"value": f"{name}@x.at", "type": kind, "preferred": preferred}


def read(natives: dict[str, Any], mapping: FieldMap, contract: Contract) -> dict[str, Any]:
    rows = pl.DataFrame({"record_id": ["r"], "fields": [orjson.dumps(natives).decode()]})
    return canonical(rows, mapping, contract).to_dicts()[0]


def test_scalars_become_text_and_none_clears(contract: Contract) -> None:
    mapping = mapped(contract, {"birth_date": "BDAY", "given_name": ["first", "rufname"]})
    values = {"birth_date": "1980-02-03", "given_name": None, "country": "AT"}
    written = native(values, mapping, current={})
    assert written == {"BDAY": "1980-02-03", "first": None, "rufname": None}


def test_a_value_goes_to_the_first_field_that_is_written(contract: Contract) -> None:
    mapping = mapped(contract, {"given_name": [{"from": "first", "write": False}, "rufname"]})
    assert native({"given_name": "Ann"}, mapping, current=None) == {"rufname": "Ann"}


def test_what_is_never_written_is_left_out(contract: Contract) -> None:
    values = {"given_name": "Ann", "emails": [mail("a")]}
    assert native(values, mapped(contract, READ_ONLY), current={"mail": "b@x.at"}) == {}


def test_one_slot_takes_the_first_element_of_a_new_record(contract: Contract) -> None:
    mapping = mapped(contract, ONE_SLOT)
    preferred = {"emails": [mail("b", "work"), mail("a", "home", True)]}
    assert native(preferred, mapping, current=None) == {"mail": "a@x.at"}
    neither = {"emails": [mail("b", "home"), mail("a", "other")]}
    assert native(neither, mapping, current=None) == {"mail": "b@x.at"}


def test_a_slot_of_the_type_is_better_than_a_preferred_one(contract: Contract) -> None:
    slots = [{"from": "main", "type": "work", "preferred": True}, {"from": "other", "type": "home"}]
    values = {"emails": [mail("a", "home", True), mail("b", "work")]}
    written = native(values, mapped(contract, {"emails": slots}), current=None)
    assert written == {"main": "b@x.at", "other": "a@x.at"}


def test_one_slot_keeps_its_element_while_it_is_wanted(contract: Contract) -> None:
    values = {"emails": [mail("b", preferred=True), mail("a")]}
    assert native(values, mapped(contract, ONE_SLOT), current={"mail": " A@X.AT"}) == {}
    assert native(values, mapped(contract, ONE_SLOT), current={"mail": "c@x.at"}) == {
        "mail": "b@x.at"
    }


def test_a_slot_whose_element_goes_is_cleared(contract: Contract) -> None:
    mapping = mapped(contract, ONE_SLOT)
    assert native({"emails": None}, mapping, current={"mail": "a@x.at"}) == {"mail": None}
    patch = {"add": [], "remove": ["a@x.at"]}
    assert native({"emails": patch}, mapping, current={"mail": "A@x.at"}) == {"mail": None}
    assert native({"emails": patch}, mapping, current={"mail": "b@x.at"}) == {}


def test_elements_go_to_the_slots_of_their_type(contract: Contract) -> None:
    mapping = mapped(contract, TYPED_SLOTS)
    values = {"emails": [mail("a", "home"), mail("b", "work"), mail("c", "work")]}
    assert native(values, mapping, current=None) == {"home": "a@x.at", "work": "b@x.at"}


def test_an_element_is_left_out_only_when_no_slot_is_free(contract: Contract) -> None:
    mapping = mapped(contract, TYPED_SLOTS)
    patch = {"add": [mail("a", "home"), mail("b", "home"), mail("c", "home")], "remove": []}
    written = native({"emails": patch}, mapping, current={"work": None, "home": None})
    assert written == {"home": "a@x.at", "work": "b@x.at"}


def test_an_element_of_a_type_without_a_slot_takes_a_free_one(contract: Contract) -> None:
    mapping = mapped(contract, TYPED_SLOTS)
    values = {"emails": [mail("a", "other"), mail("b", "home")]}
    assert native(values, mapping, current=None) == {"work": "a@x.at", "home": "b@x.at"}


def test_a_patch_of_slots_replaces_what_it_removes(contract: Contract) -> None:
    mapping = mapped(contract, TYPED_SLOTS)
    patch = {"add": [mail("c", "home")], "remove": ["b@x.at"]}
    current = {"work": "a@x.at", "home": "b@x.at"}
    assert native({"emails": patch}, mapping, current=current) == {"home": "c@x.at"}


def test_a_new_record_gets_the_whole_list(contract: Contract) -> None:
    values = {"emails": [mail("a", "home", True), mail("b")]}
    written = native(values, mapped(contract, LIST), current=None)
    assert written == {"EMAIL": values["emails"]}


def test_a_list_is_patched_with_values_as_the_platform_stores_them(contract: Contract) -> None:
    current: dict[str, Any] = {"EMAIL": [{"value": "A@X.at "}, {"value": "mailto:b@x.at"}]}
    patch = {"add": [mail("c"), mail("b")], "remove": ["a@x.at"]}
    written = native({"emails": patch}, mapped(contract, LIST), current=current)
    assert written == {"EMAIL": ListPatch([mail("c")], ["A@X.at "])}


def test_an_element_can_be_replaced_by_itself_with_another_type(contract: Contract) -> None:
    current: dict[str, Any] = {"EMAIL": [{"value": "a@x.at", "type": "home"}]}
    patch = {"add": [mail("a", "work")], "remove": ["a@x.at"]}
    written = native({"emails": patch}, mapped(contract, LIST), current=current)
    assert written == {"EMAIL": ListPatch([mail("a", "work")], ["a@x.at"])}


def test_a_whole_list_patches_a_record_that_stands(contract: Contract) -> None:
    current: dict[str, Any] = {"EMAIL": [{"value": "a@x.at"}, {"value": "b@x.at"}]}
    written = native({"emails": [mail("b"), mail("c")]}, mapped(contract, LIST), current=current)
    assert written == {"EMAIL": ListPatch([mail("c")], ["a@x.at"])}
    assert native({"emails": [mail("b"), mail("a")]}, mapped(contract, LIST), current=current) == {}


def test_a_current_value_of_an_odd_shape_counts_as_empty(contract: Contract) -> None:
    current: Any = {"mail": {"odd": 1}}
    assert native({"emails": [mail("a")]}, mapped(contract, ONE_SLOT), current=current) == {
        "mail": "a@x.at"
    }


def test_a_platform_shows_only_what_it_can_hold(contract: Contract) -> None:
    values = {"emails": [mail("a", "home"), mail("b", "home")], "country": "AT"}
    shown = seen(values, mapped(contract, ONE_SLOT), current=None)
    assert shown == {"emails": [{"value": "a@x.at", "type": "work", "preferred": True}]}


def test_what_is_never_written_is_seen_as_it_stands(contract: Contract) -> None:
    current = {"mail": "B@x.at", "first": " Ann "}
    values = {"emails": [mail("a")], "given_name": "Bob"}
    shown = seen(values, mapped(contract, READ_ONLY), current=current)
    assert keys_of(shown["emails"]) == ("b@x.at",)
    assert shown["given_name"] == "Ann"


names = st.sampled_from("abcd")
kinds = st.sampled_from([None, "work", "home", "other"])
wanted = st.lists(
    st.builds(mail, names, kinds, st.booleans()), max_size=4, unique_by=lambda e: e["value"]
)
spelt = st.one_of(st.none(), names.map(lambda n: f" {n.upper()}@x.AT"))
currents = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "mail": spelt,
            "work": spelt,
            "home": spelt,
            "EMAIL": st.lists(names.map(lambda n: {"value": f"{n.upper()}@x.at"}), max_size=3),
        }
    ),
)


@pytest.mark.parametrize("fields", [ONE_SLOT, TYPED_SLOTS, LIST, READ_ONLY])
@given(wanted=wanted, current=currents)
def test_a_second_write_of_the_same_values_writes_nothing(
    contract: Contract, fields: dict[str, Any], wanted: list[dict[str, Any]], current: Any
) -> None:
    mapping = mapped(contract, fields)
    after = {**dict.fromkeys(mapping.natives), **(current or {})}
    for name, value in native({"emails": wanted}, mapping, current=current).items():
        after[name] = stored(after[name], value)
    assert native({"emails": wanted}, mapping, current=after) in ({}, blank_slots(mapping, after))


@pytest.mark.parametrize("fields", [ONE_SLOT, TYPED_SLOTS, LIST, READ_ONLY])
@given(wanted=wanted, current=currents)
def test_what_is_seen_is_what_reading_the_platform_gives_after_the_write(
    contract: Contract, fields: dict[str, Any], wanted: list[dict[str, Any]], current: Any
) -> None:
    mapping = mapped(contract, fields)
    after = dict(current or {})
    for name, value in native({"emails": wanted}, mapping, current=current).items():
        after[name] = stored(after.get(name), value)
    shown = seen({"emails": wanted}, mapping, current=current)
    assert shown["emails"] == read(after, mapping, contract)["emails"]


@given(wanted=wanted, current=currents)
def test_a_list_field_shows_exactly_what_was_wanted(
    contract: Contract, wanted: list[dict[str, Any]], current: Any
) -> None:
    shown = seen({"emails": wanted}, mapped(contract, LIST), current=current)
    assert same(contract.column("emails"), shown["emails"], wanted)


def stored(value: Any, written: Any) -> Any:
    if not isinstance(written, ListPatch):
        return written
    kept = [one for one in value or () if one["value"] not in set(written.remove)]
    return kept + list(written.add)


def blank_slots(mapping: FieldMap, after: dict[str, Any]) -> dict[str, None]:
    fields = [field for field in mapping.fields if field.kind == "slot" and field.write]
    return {field.native: None for field in fields if after[field.native] is None}
