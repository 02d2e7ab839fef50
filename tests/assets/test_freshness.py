"""A dataset is as true as what it is made from, and late when that is too long ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from concord.assets.freshness import Known, Truth, lates, true_until

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)


def hours(number: float) -> datetime:
    return NOW - timedelta(hours=number)


def source(read_at: datetime | None) -> Known:
    return Known(LONG_AGO, read_at)


def made(**unseen: datetime | None) -> Known:
    return Known(LONG_AGO, unseen=unseen)


def test_a_source_is_true_until_it_was_last_read_though_nothing_changed():
    assert true_until("raw", {"raw": source(hours(1))}) == Truth(hours(1), "raw")


def test_a_source_that_nobody_ever_read_is_as_old_as_its_table():
    assert true_until("raw", {"raw": source(None)}) == Truth(LONG_AGO, "raw")


def test_a_dataset_is_as_true_as_its_oldest_source():
    known = {"a": source(hours(1)), "b": source(hours(5)), "golden": made(a=None, b=None)}
    assert true_until("golden", known) == Truth(hours(5), "b")


def test_a_dataset_that_has_not_taken_a_snapshot_in_is_true_until_that_was_made():
    known = {"a": source(hours(1)), "clean": made(a=hours(3)), "golden": made(clean=None)}
    assert true_until("golden", known) == Truth(hours(3), "clean")


def test_only_what_is_older_than_its_contract_allows_is_late():
    known = {"a": source(hours(5)), "clean": made(a=None)}
    six, four = timedelta(hours=6), timedelta(hours=4)
    assert list(lates(known, {"clean": six}, NOW)) == []
    (late,) = lates(known, {"clean": four}, NOW)
    assert (late.dataset, late.truth, late.allowed) == ("clean", Truth(hours(5), "a"), four)


ages = st.integers(0, 24 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
chains = st.lists(st.tuples(ages, st.none() | ages), min_size=1, max_size=4)


@given(chains, ages)
def test_nothing_is_truer_than_what_it_is_made_from_and_a_reading_never_makes_it_older(
    chain, again
):
    known = {
        name: node
        for number, (read_at, unseen) in enumerate(chain)
        for name, node in (
            (f"raw{number}", source(read_at)),
            (f"clean{number}", made(**{f"raw{number}": unseen})),
        )
    }
    known["golden"] = made(**{f"clean{number}": None for number in range(len(chain))})
    before = true_until("golden", known)
    assert before.at == min(true_until(name, known).at for name in known if name != "golden")
    read = max(again, chain[0][0])
    after = true_until("golden", {**known, "raw0": source(read)})
    assert after.at >= before.at
