"""Whoever is sent nothing has a reason, and whoever has a reason is sent nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_values import mapping, person, record, side, terms

from concord.sync.base import Base
from concord.sync.plan import plan_platform
from concord.sync.view import KnownRecord, Person, Side, Terms
from concord.sync.why import OUTSIDE, why_nothing

NAMES = st.sampled_from([None, "ann", "bea"])
RECORDS = st.builds(
    record,
    st.sampled_from(["r1", "r2"]),
    given_name=NAMES,
    phone=st.sampled_from([None, "1"]),
    person_id=st.sampled_from([None, "p"]),
    deleted_by=st.sampled_from([None, None, "us", "them"]),
    fault=st.sampled_from([None, None, "record.damaged"]),
    accepted=st.booleans(),
    held=st.sampled_from([frozenset(), frozenset({"given_name"})]),
)
TERMS = st.builds(
    terms,
    existing=st.booleans(),
    delivery=st.sampled_from(["auto", "approve", "off"]),
    direction=st.sampled_from(["both", "out", "in"]),
)
PAIRS = st.sampled_from([{}, {"r1": Base("r1", {"given_name": ('"ann"', '"bea"')})}])


def sides(*records: KnownRecord, behind: bool, base: dict[str, Base]) -> Side:
    waiting = frozenset(one.record_id for one in records[:1]) if behind else frozenset()
    return side(*records, behind=waiting, base=base)


@given(
    st.builds(person, given_name=NAMES, allowed=st.booleans()),
    st.booleans(),
    st.builds(sides, RECORDS, RECORDS, behind=st.booleans(), base=PAIRS) | st.just(side()),
    TERMS,
)
def test_there_is_a_reason_exactly_where_no_value_is_sent(
    whom: Person, alive: bool, on: Side, under: Terms
) -> None:
    whom = replace(whom, alive=alive)
    ops = plan_platform({"p": whom}, on, under, mapping())
    sent = [op for op in ops if op.kind in ("create", "update", "delete")]
    assert bool(list(why_nothing(whom, on, under, mapping()))) == (not sent)


@pytest.mark.parametrize(
    ("whom", "on", "under", "reason"),
    [
        (person(given_name="a"), side(), terms(direction="in"), "only read"),
        (person(given_name="a"), side(), terms(delivery="off"), "delivery is off"),
        (person(given_name="a"), side(), terms(existing=True), "audience: existing"),
        (person(allowed=False), side(), terms(), OUTSIDE),
        (person(), side(), terms(), "no value in a column"),
        (person(given_name="a"), side(record(deleted_by="them")), terms(), "deleted the person's"),
        (person(given_name="a"), side(record(fault="x")), terms(), r"read whole \(x\)"),
        (person(given_name="a"), side(record(accepted=False)), terms(), "no accepted row"),
        (
            person(given_name="a"),
            side(record(given_name="b", held=frozenset({"given_name"}))),
            terms(),
            "newer value of given_name there is in quarantine",
        ),
        (person(given_name="a"), side(record(given_name="a")), terms(), "nothing that is written"),
    ],
)
def test_the_reason_is_named(whom: Person, on: Side, under: Any, reason: str) -> None:
    (said,) = why_nothing(whom, on, under, mapping())
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(said)


def test_what_was_refused_for_good_is_not_taken_for_something_to_send() -> None:
    refused = {"r1": Base("r1", rejects={"update": "content"})}
    (said,) = why_nothing(
        person(given_name="a"), side(record(given_name="b"), base=refused), terms(), mapping()
    )
    assert "refused the last update for good" in said
