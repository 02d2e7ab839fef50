"""One reading, folded into what is known of a record."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sync_values import MARKETING, at, edit, elements, mapping, natives, read

from concord.sync.cells import Cell, Claim, Stamp, cells_of
from concord.sync.observe import Reading, Row, Sent, observe, same_row

WORDS = st.sampled_from(["ann", "Ann", "bob", " x", None])
VALUES = st.fixed_dictionaries(
    {
        "given_name": WORDS,
        "phone": WORDS,
        "emails": st.lists(st.sampled_from("abc"), unique=True).map(lambda keys: elements(*keys)),
    }
)


def row_of(second: int = 1, /, **values: Any) -> Row:
    row = observe(None, read(values, second), mapping())
    assert row is not None
    return row


def then(
    row: Row | None,
    second: int = 9,
    /,
    *,
    ops: tuple[Sent, ...] = (),
    facts: Any = None,
    **values: Any,
) -> Row:
    """The row after another reading; what is not said stays as it was."""
    fields = json.loads(row["fields"]) if row else {}
    before = {column: fields.get(native) for column, native in _NATIVES.items()}
    new = observe(
        row, read({**before, **values}, second, before=before, **(facts or {})), mapping(), ops=ops
    )
    assert new is not None
    return new


_NATIVES = {"given_name": "GIVEN_NAME", "phone": "PHONE", "emails": "EMAIL"}


def cell(row: Row, column: str, element: str | None = None) -> Cell:
    return cells_of(row["cells"])[column, element]


def update(sure: bool = False, /, *, stamp: Stamp | None = None, **payload: Any) -> Sent:
    stamps = {}
    if stamp is not None:
        for column, value in payload.items():
            keys = [(column, None)]
            if isinstance(value, dict):
                keys = [
                    (column, k) for k in (*(e["value"] for e in value["add"]), *value["remove"])
                ]
            stamps |= dict.fromkeys(keys, stamp)
    return Sent("update", "p", payload, stamps, sure)


def create(sure: bool = False, /, **payload: Any) -> Sent:
    return Sent("create", "p", payload, {}, sure)


# scalars
def test_a_record_never_read_before_is_found_not_edited() -> None:
    found = cell(row_of(3, phone="1"), "phone")
    assert (found.kind, found.at, found.source, found.ours) == ("found", at(3), "book", False)


def test_a_found_value_keeps_the_date_of_its_first_reading() -> None:
    first = observe(None, read({"phone": "1"}, 5, modified_at=at(2)), mapping())
    later = then(first, 9, facts={"modified_at": at(8)}, given_name="ann")
    assert cell(later, "phone").dated_at == at(2)


def test_a_record_dated_ahead_is_dated_now() -> None:
    row = observe(None, read({"phone": "1"}, 5, modified_at=at(500)), mapping())
    assert row is not None
    assert cell(row, "phone").dated_at == at(5)


def test_a_changed_value_is_an_edit_seen_now() -> None:
    changed = cell(then(row_of(phone="1"), 9, phone="2"), "phone")
    assert (changed.kind, changed.at, changed.dated_at) == ("edit", at(9), None)


def test_a_clear_is_an_edit() -> None:
    assert cell(then(row_of(phone="1"), phone=None), "phone").kind == "edit"


def test_a_value_as_before_keeps_its_cell_though_a_normaliser_changed() -> None:
    row = row_of(phone="1")
    fields = json.loads(row["fields"])
    reading = Reading("r1", "remote", at(9), fields=fields, values={"phone": "+431"}, before={})
    new = observe(row, reading, mapping())
    assert new is not None
    assert cell(new, "phone") == cell(row, "phone")


def test_another_spelling_of_the_same_canonical_value_is_no_edit() -> None:
    row = row_of(phone="1")
    spelt = {**natives({}), "PHONE": "0 0 1"}
    reading = Reading(
        "r1", "remote", at(9), fields=spelt, values={"phone": "1"}, before={"phone": "1"}
    )
    new = observe(row, reading, mapping())
    assert new is not None
    assert cell(new, "phone") == cell(row, "phone")


def test_a_value_that_could_not_be_read_and_changes_is_an_edit() -> None:
    row = row_of(phone="?")
    other = {**natives({}), "PHONE": "??"}
    reading = Reading(
        "r1", "remote", at(9), fields=other, values={"phone": None}, before={"phone": None}
    )
    new = observe(row, reading, mapping())
    assert new is not None
    assert cell(new, "phone").kind == "edit"


def test_a_field_that_is_newly_mapped_is_found() -> None:
    old = observe(None, read({"phone": "1"}), mapping(columns=("phone",)))
    assert old is not None
    old["fields"] = json.dumps({"PHONE": "1", "EMAIL": None})
    new = observe(old, read({"phone": "1", "given_name": "ann"}, 9), mapping())
    assert new is not None
    assert cell(new, "given_name").kind == "found"


def test_what_we_wrote_is_ours_and_inherits_the_stamp_of_its_original() -> None:
    written = update(phone="2", stamp=edit(4, "crm"))
    ours = cell(then(row_of(phone="1"), 9, ops=(written,), phone=" 2"), "phone")
    assert (ours.ours, ours.stamp, ours.since) == (True, edit(4, "crm"), at(9))


def test_after_an_ok_whatever_is_stored_is_ours() -> None:
    row = then(row_of(), ops=(update(True, given_name="annabel"),), given_name="ann")
    assert cell(row, "given_name").ours


def test_in_doubt_another_value_than_we_sent_is_an_edit() -> None:
    row = then(row_of(), ops=(update(given_name="annabel"),), given_name="ann")
    assert (cell(row, "given_name").kind, cell(row, "given_name").ours) == ("edit", False)


def test_a_field_that_we_did_not_send_is_observed_too() -> None:
    row = then(
        row_of(phone="1"), ops=(update(True, given_name="ann"),), given_name="ann", phone="7"
    )
    assert (cell(row, "phone").kind, cell(row, "phone").ours) == ("edit", False)


def test_a_create_in_doubt_that_shows_another_value_was_edited() -> None:
    row = observe(
        None, read({"phone": "7", "given_name": "ann"}), mapping(), ops=[create(phone="1")]
    )
    assert row is not None
    assert cell(row, "phone").kind == "edit"
    assert cell(row, "given_name").kind == "found"
    assert row["person_id"] == "p"


# lists
def test_elements_are_found_added_and_removed_one_by_one() -> None:
    row = row_of(emails=elements("a", "b"))
    new = then(row, 9, emails=elements("b", "c"))
    assert cell(new, "emails", "b") == cell(row, "emails", "b")
    added, gone = cell(new, "emails", "c"), cell(new, "emails", "a")
    assert (added.kind, added.removed) == ("edit", False)
    assert (gone.kind, gone.removed, gone.at) == ("edit", True, at(9))


def test_elements_that_we_added_and_removed_are_ours() -> None:
    patch = {"add": elements("c"), "remove": ["a"]}
    sent = update(emails=patch, stamp=edit(4))
    new = then(row_of(emails=elements("a")), ops=(sent,), emails=elements("c"))
    for key, removed in (("c", False), ("a", True)):
        found = cell(new, "emails", key)
        assert (found.ours, found.removed, found.stamp) == (True, removed, edit(4))


def test_an_element_that_comes_back_is_an_edit() -> None:
    row = then(row_of(emails=elements("a")), 5, emails=None)
    back = cell(then(row, 9, emails=elements("a")), "emails", "a")
    assert (back.kind, back.at, back.removed) == ("edit", at(9), False)


def test_an_element_taken_off_a_create_in_doubt_is_a_removal() -> None:
    made = create(emails=elements("a", "b"))
    row = observe(None, read({"emails": elements("a")}), mapping(), ops=[made])
    assert row is not None
    assert cell(row, "emails", "a").ours
    assert (cell(row, "emails", "b").kind, cell(row, "emails", "b").removed) == ("edit", True)


def test_an_element_that_the_platform_did_not_keep_is_no_removal() -> None:
    made = create(True, emails=elements("a", "b"))
    row = observe(None, read({"emails": elements("a")}), mapping(), ops=[made])
    assert row is not None
    assert ("emails", "b") not in cells_of(row["cells"])


def test_an_element_that_only_the_mapping_lost_leaves_no_trace() -> None:
    row = row_of(emails=elements("a", "b"))
    fields = natives({"emails": elements("a")})
    reading = read({"emails": elements("a")}, 9, before={"emails": elements("a")}, fields=fields)
    new = observe(row, reading, mapping())
    assert new is not None
    assert ("emails", "b") not in cells_of(new["cells"])


# the record
def test_a_tombstone_keeps_the_id_the_person_and_who_deleted_it() -> None:
    row = {**row_of(phone="1"), "person_id": "p"}
    dead = observe(row, Reading("r1", "remote", at(9)), mapping())
    assert dead is not None
    assert {name: value for name, value in dead.items() if value and name != "modified_at"} == {
        "record_id": "r1",
        "person_id": "p",
        "deleted_at": at(9),
        "deleted_by": "them",
        "fields": "{}",
    }


def test_a_record_that_we_deleted_stays_deleted_by_us() -> None:
    ours = Sent("delete", "p", {}, {}, sure=True)
    dead = observe(row_of(), Reading("r1", "remote", at(5)), mapping(), ops=[ours])
    again = observe(dead, Reading("r1", "remote", at(9)), mapping())
    assert again is not None
    assert (again["deleted_by"], again["deleted_at"]) == ("us", at(5))


def test_a_tombstone_of_a_record_never_seen_is_nothing() -> None:
    assert observe(None, Reading("r1", "remote", at(1)), mapping()) is None


def test_a_record_that_returns_is_found_anew() -> None:
    dead = observe(row_of(phone="1"), Reading("r1", "remote", at(5)), mapping())
    back = then(dead, 9, phone="2")
    assert back["deleted_at"] is None
    assert cell(back, "phone").kind == "found"


def test_nothing_is_concluded_from_a_damaged_reading() -> None:
    row = row_of(phone="1", emails=elements("a"))
    damaged = observe(
        row, Reading("r1", "remote", at(5), fields={}, fault="record.damaged"), mapping()
    )
    assert damaged is not None
    assert damaged["fault"] == "record.damaged"
    assert (damaged["fields"], damaged["cells"]) == (row["fields"], row["cells"])
    healed = then(damaged, 9)
    assert same_row(healed, row)


def test_a_record_first_read_damaged_is_found_when_it_is_sound() -> None:
    damaged = observe(None, Reading("r1", "remote", at(1), fault="record.damaged"), mapping())
    assert cell(then(damaged, 9, phone="1", emails=elements("a")), "phone").kind == "found"
    assert cell(then(damaged, 9, emails=elements("a")), "emails", "a").kind == "found"


# consent
def test_a_claim_counts_from_when_it_was_first_seen() -> None:
    withdrawn = {"claims": {MARKETING: Claim("withdrawn")}}
    row = then(row_of(), 3, facts=withdrawn)
    again = then(row, 9, facts=withdrawn, phone="7")
    assert cell(again, MARKETING).since == at(3)
    assert not cell(again, MARKETING).ours


def test_our_claim_is_ours_whatever_date_the_platform_gives_it() -> None:
    grant = Sent("grant", "p", {MARKETING: "granted"}, {})
    stamped = {"claims": {MARKETING: Claim("granted", at(1000))}}
    assert cell(then(row_of(), ops=(grant,), facts=stamped), MARKETING).ours
    refused = {"claims": {MARKETING: Claim("withdrawn", at(1000))}}
    assert not cell(then(row_of(), ops=(grant,), facts=refused), MARKETING).ours


def test_a_claim_that_is_taken_back_leaves_no_cell() -> None:
    row = then(row_of(), 3, facts={"claims": {MARKETING: Claim("granted", at(2))}})
    assert (MARKETING, None) not in cells_of(then(row, 9)["cells"])


# laws
@given(VALUES, VALUES)
def test_the_same_reading_twice_changes_nothing(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    row = then(row_of(**first), 5, **second)
    assert same_row(then(row, 9, **second), row)


@given(VALUES, VALUES)
def test_every_mapped_value_has_exactly_one_cell(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    cells = cells_of(then(row_of(**first), 5, **second)["cells"])
    assert {key for key in cells if key[1] is None} == {("given_name", None), ("phone", None)}
    living = {key[1] for key, one in cells.items() if key[1] is not None and not one.removed}
    assert living == {one["value"] for one in second["emails"] or ()}


@given(VALUES, VALUES)
def test_what_all_our_operations_wrote_together_is_never_an_edit(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    was, now = ({one["value"] for one in values["emails"] or ()} for values in (first, second))
    patch = {"add": elements(*sorted(now - was)) or [], "remove": sorted(was - now)}
    ops = tuple(
        update(True, **{column: value}) for column, value in {**second, "emails": patch}.items()
    )
    cells = cells_of(then(row_of(**first), 9, ops=ops, **second)["cells"])
    assert all(one.kind == "found" for one in cells.values())


def test_a_new_version_alone_is_not_worth_a_row() -> None:
    row = row_of(phone="1")
    touched = then(row, facts={"version": '"7"', "modified_at": at(99)})
    assert same_row(row, touched)
    assert not same_row(row, then(row, phone="2"))
    assert not same_row(row, None)
