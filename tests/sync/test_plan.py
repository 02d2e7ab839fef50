"""What is written to one platform, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_values import COLUMNS, MARKETING, at, edit, elements, mapping, person, record, side, terms

from concord.sync.base import Base
from concord.sync.cells import Cell
from concord.sync.operations import PlannedOperation
from concord.sync.plan import in_order, plan_platform, unmoved
from concord.sync.values import alike
from concord.sync.view import KnownRecord, Person, owners

ANN = {"given_name": "ann", "phone": "1"}


def plan(*people: Person, on: Any, under: Any = None, **facts: Any) -> list[PlannedOperation]:
    mapped = facts.pop("mapped", mapping())
    named = {one.person_id: one for one in people}
    return plan_platform(named, on, under or terms(), mapped, **facts)


def sent(ops: list[PlannedOperation]) -> list[PlannedOperation]:
    """Without what merely turned out equal."""
    return [op for op in ops if op.kind != "agree"]


def kinds(ops: list[PlannedOperation]) -> list[str]:
    return [op.kind for op in ops]


def claimed(state: str) -> dict[Any, Cell]:
    cell = Cell(MARKETING, None, False, "found", at(1), None, "book", at(1), False, state)
    return {cell.key: cell}


def agreed(name: str = "r1", **pairs: str) -> dict[str, Base]:
    return {name: Base(name, {column: (f'"{v}"', f'"{v}"') for column, v in pairs.items()})}


# fields
def test_a_difference_is_sent_with_what_the_platform_showed_and_golden_s_stamp() -> None:
    stamps = {("phone", None): edit(7)}
    ann = person(given_name="ann", phone="2", stamps=stamps)
    [agree, update] = plan(ann, on=side(record(**ANN)))[::-1]
    assert update.payload == {"phone": "2"}
    assert update.expect == {"PHONE": "1"}
    assert update.stamps == stamps
    assert update.pairs == {"phone": '"2"'}
    assert (update.remote_id, update.person_id, update.position) == ("remote-r1", "p", 0)
    assert (agree.kind, agree.pairs, agree.payload) == ("agree", {"given_name": ['"ann"'] * 2}, {})


def test_a_clear_is_sent_as_null() -> None:
    [op] = plan(person(), on=side(record(phone="1")))
    assert op.payload == {"phone": None}


def test_what_both_sides_agreed_on_is_left_alone() -> None:
    base = {"r1": Base("r1", {"given_name": ('"annabel"', '"ann"')})}
    assert not plan(person(given_name="annabel"), on=side(record(given_name="ann"), base=base))


def test_a_platform_that_leaves_the_agreed_pair_is_written_again() -> None:
    base = {"r1": Base("r1", {"given_name": ('"annabel"', '"ann"')})}
    on = side(record(given_name="anna"), base=base)
    assert [op.payload for op in plan(person(given_name="annabel"), on=on)] == [
        {"given_name": "annabel"}
    ]


def test_a_list_that_the_platform_cannot_hold_whole_is_sent_once() -> None:
    base = {"r1": Base("r1", {"emails": ('["a","b"]', '["a"]')})}
    on = side(record(emails=elements("a")), base=base)
    assert not plan(person(emails=elements("a", "b")), on=on)


def test_case_and_blanks_are_no_difference() -> None:
    [op] = plan(person(given_name="Ann "), on=side(record(given_name="ann")))
    assert op.kind == "agree"


@pytest.mark.parametrize("held", [{"phone"}, {"emails"}])
def test_a_column_in_quarantine_is_never_overwritten(held: set[str]) -> None:
    ann = person(phone="2", emails=elements("a"))
    ops = plan(ann, on=side(record(phone="1", held=frozenset(held))))
    assert {column for op in ops for column in op.payload} == {"phone", "emails"} - held


@pytest.mark.parametrize("facts", [{"accepted": False}, {"fault": "record.damaged"}])
def test_a_record_that_never_passed_or_cannot_be_read_is_not_written(facts: Any) -> None:
    assert not plan(person(phone="2"), on=side(record(phone="1", **facts)))


def test_a_column_that_not_every_platform_was_read_with_waits() -> None:
    ann = person(given_name="x", phone="2")
    ops = plan(ann, on=side(record(phone="1")), under=terms(covered=frozenset({"given_name"})))
    assert [op.payload for op in ops] == [{"given_name": "x"}]


def test_a_column_that_is_only_read_is_neither_sent_nor_agreed() -> None:
    mapped = replace(mapping(), writable=frozenset({"phone"}))
    ops = plan(person(given_name="x", phone="1"), on=side(record(phone="1")), mapped=mapped)
    assert [op.pairs for op in ops] == [{"phone": ['"1"', '"1"']}]


def test_a_column_that_the_record_was_not_read_with_waits() -> None:
    known = replace(record(), fields={"PHONE": None, "EMAIL": None})
    assert not plan(person(given_name="ann"), on=side(known))


# lists
def test_a_list_is_sent_as_a_patch() -> None:
    ann = person(emails=elements("a", "c", preferred="a"), stamps={("emails", "b"): edit(5)})
    [op] = plan(ann, on=side(record(emails=elements("a", "b"))))
    assert op.payload == {"emails": {"add": elements("c"), "remove": ["b"]}}
    assert op.stamps == {("emails", "b"): edit(5)}
    assert op.pairs == {"emails": '["a","c"]'}


def test_a_record_keeps_its_own_preferred_element() -> None:
    ann = person(emails=elements("b", "a", preferred="b"))
    [op] = plan(ann, on=side(record(emails=elements("a", preferred="a"))))
    assert op.payload["emails"]["add"] == elements("b")


@pytest.mark.parametrize(
    ("golden", "there", "patch"),
    [
        ("ab", "b", None),
        ("ab", "c", {"add": elements("a"), "remove": ["c"]}),
        ("ab", "", {"add": elements("a"), "remove": []}),
        ("", "c", {"add": [], "remove": ["c"]}),
    ],
)
def test_one_slot_keeps_an_element_that_golden_has_and_else_gets_the_first(
    golden: str, there: str, patch: Any
) -> None:
    ops = plan(
        person(emails=elements(*golden)),
        on=side(record(emails=elements(*there))),
        mapped=mapping(room=1),
    )
    assert [op.payload["emails"] for op in sent(ops)] == ([] if patch is None else [patch])


@pytest.mark.parametrize(
    ("room", "there", "agreed"), [(None, "ba", '["a","b"]'), (1, "b", '["b"]')]
)
def test_a_list_that_needs_no_patch_is_agreed_once(
    room: int | None, there: str, agreed: str
) -> None:
    ann, known, mapped = (
        person(emails=elements("a", "b")),
        record(emails=elements(*there)),
        mapping(room=room),
    )
    [op] = plan(ann, on=side(known), mapped=mapped)
    assert (op.kind, op.pairs) == ("agree", {"emails": ['["a","b"]', agreed]})
    base = {"r1": Base("r1", {"emails": ('["a","b"]', agreed)})}
    assert not plan(ann, on=side(known, base=base), mapped=mapped)


def test_free_slots_are_filled_in_golden_s_order() -> None:
    ann, there = person(emails=elements("a", "b", "c")), record(emails=elements("c", "x"))
    [op] = plan(ann, on=side(there), mapped=mapping(room=2))
    assert op.payload["emails"] == {"add": elements("a"), "remove": ["x"]}


# life
def test_somebody_without_a_record_gets_one() -> None:
    ann = person(flag=True, emails=elements("a", "b"), **ANN)
    [op] = plan(ann, on=side(), mapped=mapping(room=1))
    assert (op.kind, op.record_id, op.remote_id) == ("create", "new:p", None)
    assert op.payload == {**ANN, "emails": elements("a"), MARKETING: "granted"}


def test_nothing_is_made_of_somebody_of_whom_nothing_is_known_there() -> None:
    assert not plan(person(flag=True), on=side())


@pytest.mark.parametrize(
    ("by", "copy", "made"), [("them", None, 0), ("them", "p", 0), ("us", "p", 1)]
)
def test_a_record_that_people_deleted_is_not_made_again(by: str, copy: Any, made: int) -> None:
    gone = record(deleted_by=by, person_id=copy)
    assert len(plan(person(**ANN), on=side(gone))) == made


def test_the_audience_existing_creates_nothing_and_writes_to_those_it_has() -> None:
    existing = terms(existing=True)
    assert not plan(person(**ANN), on=side(), under=existing)
    assert kinds(plan(person(phone="2"), on=side(record(phone="1")), under=existing)) == ["update"]


def test_outside_the_audience_nothing_is_made_or_changed_or_deleted() -> None:
    outside = person(allowed=False, **ANN)
    assert not plan(outside, on=side())
    assert not plan(outside, on=side(record(phone="2", person_id="p")))


def test_copies_of_the_dead_are_deleted_and_originals_never() -> None:
    dead = Person("p", alive=False)
    ops = plan(dead, on=side(record("r1"), record("r2", person_id="p")))
    assert [(op.kind, op.record_id) for op in ops] == [("delete", "r2")]


def test_a_person_without_golden_row_is_left_alone() -> None:
    assert not plan(on=side(record(person_id="p", phone="1")))


def test_a_person_whose_record_golden_has_not_weighed_waits() -> None:
    on = side(record(phone="1"), behind=frozenset({"r1"}))
    assert not plan(person(phone="2"), on=on)
    assert not plan(
        Person("p", alive=False), on=side(record(person_id="p"), behind=frozenset({"r1"}))
    )


@pytest.mark.parametrize(
    ("base", "copies", "lead"),
    [({}, set(), "r1"), ({}, {"r1"}, "r2"), (agreed("r2", phone="9"), {"r2"}, "r2")],
)
def test_of_several_records_one_leads(base: Any, copies: set[str], lead: str) -> None:
    records = [record(n, person_id="p" if n in copies else None) for n in ("r1", "r2")]
    ops = plan(person(phone="2"), on=side(*records, base=base))
    assert [op.record_id for op in ops] == [lead]


def test_records_follow_a_joined_person_and_our_copy_its_own_before_it_is_linked() -> None:
    records = [record("r1"), record("r2", person_id="p3")]
    found = owners(records, {"r1": "p2"}, {"p3": "p2", "p2": "p1"})
    assert found == {"r1": "p1", "r2": "p1"}


# consent
def test_a_withdrawal_goes_to_every_record_linked_or_not() -> None:
    told = record("r1", emails=elements("a"), cells=claimed("withdrawn"))
    unlinked, outside = (record(n, emails=elements("a")) for n in ("r2", "r3"))
    on = side(told, unlinked, outside, owner={"r1": "p", "r3": "q"})
    under = terms(statuses={"a": "withdrawn"}, delivery="approve")
    ops = plan(person("q", allowed=False), on=on, under=under)
    assert [(op.kind, op.record_id, op.state) for op in ops] == [
        ("withdraw", "r2", "auto"),
        ("withdraw", "r3", "auto"),
    ]
    assert all(op.payload == {MARKETING: "withdrawn"} and not op.expect for op in ops)


def test_a_person_s_withdrawal_reaches_a_record_with_another_address() -> None:
    on = side(record(emails=elements("b"), held=frozenset({"emails"})))
    ops = plan(person(flag=False, emails=elements("a")), on=on)
    assert kinds(ops) == ["withdraw"]


def test_an_address_that_this_plan_takes_away_needs_no_withdrawal() -> None:
    ann, on = person(emails=elements("b")), side(record(emails=elements("a")))
    statuses = {"a": "withdrawn"}
    assert kinds(plan(ann, on=on, under=terms(statuses=statuses))) == ["update"]
    waiting = terms(statuses=statuses, delivery="approve")
    assert kinds(plan(ann, on=on, under=waiting)) == ["withdraw", "update"]


def test_a_grant_goes_to_the_lead_inside_the_audience_that_holds_a_granted_address() -> None:
    lead, other = (record(n, emails=elements("a")) for n in ("r1", "r2"))
    under = terms(statuses={"a": "granted"})
    ann = person(flag=True, emails=elements("a"))
    [op] = sent(plan(ann, on=side(lead, other), under=under))
    assert (op.kind, op.record_id, op.expect) == ("grant", "r1", {"OPT": None})
    assert not sent(plan(replace(ann, allowed=False), on=side(lead), under=under))
    known = replace(lead, cells=claimed("granted"))
    assert not sent(plan(ann, on=side(known), under=under))


def test_a_grant_does_not_go_to_a_slot_that_holds_another_address() -> None:
    ann = person(flag=True, emails=elements("a", "b"))
    under = terms(statuses={"a": "granted"})
    on = side(record(emails=elements("b")))
    assert not sent(plan(ann, on=on, under=under, mapped=mapping(room=1)))


# release
@pytest.mark.parametrize(
    ("delivery", "approved", "state"),
    [("auto", False, "auto"), ("approve", False, "pending"), ("approve", True, "approved")],
)
def test_who_releases_an_operation(delivery: str, approved: bool, state: str) -> None:
    ann, on = person(phone="2"), side(record(phone="1"))
    [op] = plan(ann, on=on)
    contents = frozenset({op.content_id}) if approved else frozenset()
    [op] = plan(ann, on=on, under=terms(delivery=delivery), approved=contents)
    assert op.state == state
    assert op.released == (state != "pending")


@pytest.mark.parametrize("facts", [{"delivery": "off"}, {"direction": "in"}])
def test_a_platform_that_is_off_or_only_read_gets_nothing(facts: Any) -> None:
    on = side(record(phone="1", emails=elements("a")))
    under = terms(statuses={"a": "withdrawn"}, **facts)
    assert not plan(person(phone="2"), on=on, under=under)


def test_a_platform_that_is_only_written_keeps_its_own_edits_until_golden_moves() -> None:
    on, out = side(record(phone="7"), base=agreed(phone="1")), terms(direction="out")
    assert not plan(person(phone="1"), on=on, under=out)
    assert kinds(plan(person(phone="2"), on=on, under=out)) == ["update"]


def test_what_a_platform_refused_for_good_is_planned_again_only_with_other_values() -> None:
    ann, there = person(phone="2"), record(phone="1")
    [op] = plan(ann, on=side(there))
    refused = {"r1": Base("r1", {}, {"update": op.content_id})}
    assert not plan(ann, on=side(there, base=refused))
    assert kinds(plan(person(phone="3"), on=side(there, base=refused))) == ["update"]


def test_the_same_decision_keeps_its_id_and_another_plan_gives_a_new_one() -> None:
    ann, on = person(phone="2"), side(record(phone="1"))
    first = plan(ann, on=on)
    assert plan(ann, on=on, under=terms(plan_no=2), old=first) == first
    assert plan(ann, on=on, under=terms(plan_no=2))[0].op_id != first[0].op_id


def test_withdrawals_come_first_and_agreements_last() -> None:
    records = [
        record("r1", given_name="x", phone="1", emails=elements("w")),
        record("r2", person_id="q"),
        record("r3", phone="1", emails=elements("g")),
    ]
    on = side(*records, owner={"r1": "p", "r2": "q", "r3": "s"})
    people = [
        person("p", given_name="x", phone="2", emails=elements("w"), flag=False),
        Person("q", alive=False),
        person("s", phone="1", emails=elements("g"), flag=True),
        person("t", phone="3"),
    ]
    ops = plan(*people, on=on, under=terms(statuses={"g": "granted"}))
    order = ["withdraw", "delete", "update", "grant", "create", "agree", "agree"]
    assert kinds(ops) == order
    assert [op.position for op in ops] == list(range(len(order)))


def test_what_rests_on_a_row_that_moved_is_not_sent() -> None:
    [update] = plan(person(phone="2"), on=side(record(phone="1")))
    [create] = plan(person("q", phone="2"), on=side())
    assert unmoved([update, create], set()) == [update, create]
    assert unmoved([update, create], {"r1"}) == []
    assert unmoved([update, create], {"r9"}) == [update]


# laws
TEXTS = st.sampled_from(["1", "2", "Ann", "ann ", None])
LISTS = st.lists(st.sampled_from("abcd"), unique=True).map(lambda keys: elements(*keys))
VALUES = st.fixed_dictionaries({"given_name": TEXTS, "phone": TEXTS, "emails": LISTS})


def delivered(there: KnownRecord | None, ops: list[PlannedOperation]) -> dict[str, Any]:
    values = dict(there.values) if there else dict.fromkeys((*COLUMNS, "emails"))
    for op in ops:
        for column, sent in op.payload.items():
            if isinstance(sent, dict):
                kept = [e for e in values[column] or () if e["value"] not in sent["remove"]]
                sent = [*kept, *sent["add"]] or None
            values[column] = sent
    return values


def keys(value: Any) -> set[str]:
    return {one["value"] for one in value or ()}


@given(VALUES, VALUES | st.none(), st.sampled_from([None, 1, 2]))
def test_delivering_the_plan_reaches_what_was_wanted(
    golden: dict[str, Any], there: dict[str, Any] | None, room: int | None
) -> None:
    if there and there["emails"]:
        there = {**there, "emails": there["emails"][:room]}
    known, mapped = (record(**there) if there else None), mapping(room=room)
    on = side(*([known] if known else []))
    after = delivered(known, plan(person(**golden), on=on, mapped=mapped))
    assert all(alike(after[column], golden[column]) for column in COLUMNS)
    if room is None:
        assert keys(after["emails"]) == keys(golden["emails"])
    assert keys(after["emails"]) <= keys(golden["emails"])
    assert len(keys(after["emails"])) == min(room or 9, len(keys(golden["emails"])))
    again = plan(person(**golden), on=side(record(**after)), mapped=mapped)
    assert not [op for op in again if op.kind != "agree"]


@given(st.dictionaries(st.sampled_from("pqrs"), st.tuples(VALUES, VALUES | st.none()), max_size=4))
def test_people_may_be_planned_apart(everybody: dict[str, Any]) -> None:
    def of(names: Any) -> list[PlannedOperation]:
        records = {n: record(f"r{n}", **everybody[n][1]) for n in names if everybody[n][1]}
        on = side(*records.values(), owner={one.record_id: n for n, one in records.items()})
        return plan(*(person(n, **everybody[n][0]) for n in names), on=on)

    assert of(everybody) == in_order(op for name in everybody for op in of([name]))
