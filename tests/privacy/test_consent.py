"""Consent is a join: it never loses a withdrawal, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.privacy.consent import Claim, fold_claims

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def claim(state: str, at: int | None, *, since: int = 0, **facts: Any) -> Claim:
    made = Claim(
        record_id="r1",
        platform="crm",
        channel="email",
        purpose="marketing",
        claim=state,
        claimed_at=None if at is None else day(at),
        since=day(since),
        address="anna@example.org",
        address_since=day(0),
        address_removed=False,
    )
    return replace(made, **facts)


def folded(claims: Sequence[Claim], known: dict[str, Any] | None = None) -> dict[str, Any]:
    rows, _ = fold_claims(claims, known or {}, now=NOW, consent_id=lambda *parts: "/".join(parts))
    return {**(known or {}), **rows}


def status(claims: Sequence[Claim]) -> str | None:
    rows = folded(claims)
    return next(iter(rows.values()))["status"] if rows else None


def test_a_later_grant_reopens_and_an_earlier_one_does_not() -> None:
    assert status([claim("withdrawn", 5), claim("granted", 6, record_id="r2")]) == "granted"
    assert status([claim("withdrawn", 5), claim("granted", 4, record_id="r2")]) == "withdrawn"


def test_a_tie_is_withdrawn() -> None:
    assert status([claim("granted", 5), claim("withdrawn", 5, record_id="r2")]) == "withdrawn"


def test_a_withdrawal_without_a_date_counts_from_when_it_was_first_seen() -> None:
    undated = claim("withdrawn", None, since=5)
    assert status([undated, claim("granted", 4, record_id="r2")]) == "withdrawn"
    assert status([undated, claim("granted", 6, record_id="r2")]) == "granted"


@pytest.mark.parametrize(
    ("at", "rule"), [(None, "consent.at.required"), (9_999, "consent.at.plausible")]
)
def test_a_grant_without_a_date_or_dated_ahead_is_refused(at: int | None, rule: str) -> None:
    rows, refused = fold_claims(
        [claim("granted", at)], {}, now=NOW, consent_id=lambda *parts: "/".join(parts)
    )
    assert rows == {}
    assert [one.rule for one in refused] == [rule]


def test_a_withdrawal_dated_ahead_counts_from_when_it_was_seen() -> None:
    ahead = claim("withdrawn", 9_999, since=5)
    assert status([ahead]) == "withdrawn"
    assert status([ahead, claim("granted", 6, record_id="r2")]) == "granted"


def test_a_grant_does_not_move_to_an_address_that_came_later() -> None:
    assert status([claim("granted", 5, since=5, address_since=day(6))]) is None
    assert status([claim("granted", 5, since=5, address_since=day(5))]) == "granted"


def test_a_withdrawal_reaches_an_address_that_was_removed_in_the_same_reading() -> None:
    gone = claim("withdrawn", 5, since=5, address_removed=True, address_since=day(5))
    assert status([gone]) == "withdrawn"
    assert status([replace(gone, address_since=day(4))]) is None


def test_the_latest_claim_of_each_record_is_kept_as_evidence() -> None:
    rows = folded([claim("granted", 1), claim("withdrawn", 2), claim("granted", 3, record_id="r2")])
    (row,) = rows.values()
    assert [(one["record_id"], one["state"]) for one in row["claims"]] == [
        ("r1", "withdrawn"),
        ("r2", "granted"),
    ]


claims = st.lists(
    st.builds(
        claim,
        st.sampled_from(["granted", "withdrawn"]),
        st.one_of(st.none(), st.integers(0, 5)),
        since=st.integers(0, 5),
        record_id=st.sampled_from(["r1", "r2", "r3"]),
        address=st.sampled_from(["a@x.org", "b@x.org"]),
    ),
    max_size=8,
)


def facts(rows: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    names = ("granted_at", "withdrawn_at", "status", "claims")
    return {n: tuple(row[name] for name in names) for n, row in rows.items()}


@given(some=claims, cut=st.integers(0, 8), order=st.randoms(use_true_random=False))
def test_any_order_and_any_batching_of_claims_gives_the_same(
    some: list[Claim], cut: int, order: Any
) -> None:
    shuffled = list(some)
    order.shuffle(shuffled)
    batched = folded(shuffled[cut:], folded(shuffled[:cut]))
    assert facts(batched) == facts(folded(some))


@given(some=claims)
def test_folding_claims_again_changes_nothing(some: list[Claim]) -> None:
    once = folded(some)
    again, _ = fold_claims(some, once, now=NOW, consent_id=lambda *parts: "/".join(parts))
    assert facts({**once, **again}) == facts(once)


@given(some=claims, more=claims)
def test_a_withdrawal_is_never_forgotten(some: list[Claim], more: list[Claim]) -> None:
    before = folded(some)
    after = folded(more, before)
    for name, row in before.items():
        if row["withdrawn_at"] is not None:
            assert after[name]["withdrawn_at"] >= row["withdrawn_at"]
            if after[name]["status"] == "granted":
                assert after[name]["granted_at"] > row["withdrawn_at"]
