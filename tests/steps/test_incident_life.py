"""Decisions about incidents: one open a cause, whatever comes in whatever order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from concord.steps.incident_kinds import FAILURES, KINDS
from concord.steps.incident_life import (
    OPENED,
    RECOVERED,
    Incident,
    Sighting,
    close,
    open_by_subject,
    recover,
    sight,
    silence,
    unsilence,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(
    kind: str = "failed",
    *,
    subject: str = "deliver.crm",
    run: str = "sync_crm/r1/deliver/-1",
    error: str = "PlatformDown",
    tries: int = 4,
    hour: int = 0,
) -> Sighting:
    at = NOW + timedelta(hours=hour)
    return Sighting(kind, subject, "no answer", run, at, error=error, tries=tries)


def after(known: Sequence[Incident], changed: Iterable[Incident | None]) -> list[Incident]:
    """The rows as they are when *changed* is written."""
    rows = {one.incident_id: one for one in known}
    return list((rows | {one.incident_id: one for one in changed if one}).values())


def recovered(known: Sequence[Incident], run: str, subject: str = "deliver.crm") -> list[Incident]:
    return after(known, recover(known, subject, FAILURES, run=run, at=NOW))


def test_the_first_sighting_opens_an_incident_that_is_to_be_told() -> None:
    one = sight([], seen())
    assert one is not None
    assert (one.incident_id, one.state, one.times) == (
        "failed:deliver.crm:PlatformDown:1",
        "open",
        1,
    )
    assert (one.dag, one.task, one.untold) == ("sync_crm", "deliver", OPENED)


def test_the_same_cause_in_a_later_run_is_counted_and_not_told_again() -> None:
    known = list(silence(after([], [sight([], seen())]), NOW))
    again = sight(known, seen(run="sync_crm/r2/deliver/-1", hour=2))
    assert again is not None
    assert (again.incident_id, again.times, again.untold) == (known[0].incident_id, 2, None)
    assert (again.at, again.last_at) == (NOW, NOW + timedelta(hours=2))


def test_a_try_that_told_of_itself_was_not_killed_without_a_word() -> None:
    known = after([], [sight([], seen())])
    assert sight(known, seen("killed", error="")) is None
    assert sight(recovered(known, "sync_crm/r2/deliver/-1"), seen("killed", error="")) is None


def test_a_cleared_task_that_fails_after_somebody_closed_it_opens_the_next_incident() -> None:
    first = sight([], seen())
    assert first is not None
    again = sight([close(first, at=NOW, reason="known")], seen(tries=8))
    assert again is not None
    assert (again.incident_id, again.untold) == ("failed:deliver.crm:PlatformDown:2", OPENED)


def test_a_success_in_another_run_ends_every_failure_of_the_task() -> None:
    known = after(
        [], [sight([], seen()), sight([], seen("killed", run="d/r0/deliver/1", error=""))]
    )
    ended = recovered(known, "sync_crm/r2/deliver/0")
    assert [(one.state, one.untold) for one in ended] == [("closed", RECOVERED)] * 2


def test_a_neighbouring_chunk_or_task_says_nothing_of_a_failed_one() -> None:
    known = after([], [sight([], seen(run="sync_crm/r1/deliver/1"))])
    assert recovered(known, "sync_crm/r1/deliver/0") == known
    assert recovered(known, "sync_crm/r2/withdraw/-1") == known
    assert recovered(known, "sync_crm/r1/deliver/1") != known


def test_what_recovers_and_fails_within_one_run_was_never_over() -> None:
    known = list(silence(after([], [sight([], seen())]), NOW))
    ended = recovered(known, "sync_crm/r2/deliver/0")
    again = sight(ended, seen(run="sync_crm/r2/deliver/1"))
    assert again is not None
    assert (again.incident_id, again.state, again.times) == (known[0].incident_id, "open", 2)
    assert (again.untold, again.closed_at) == (None, None)


def test_a_lost_alert_is_told_by_the_next() -> None:
    known = after([], [sight([], seen())])
    told = list(silence(known, NOW))
    assert list(silence(told, NOW)) == []
    assert list(unsilence(told, {known[0].incident_id: OPENED})) == known


RUNS = st.builds(
    "sync_crm/r{}/{}/-1".format, st.integers(0, 4), st.sampled_from(["deliver", "plan"])
)
SUBJECTS = st.sampled_from(["deliver.crm", "plan.crm"])
SIGHTINGS = st.builds(
    seen,
    st.sampled_from(sorted(KINDS)),
    subject=SUBJECTS,
    run=RUNS,
    error=st.sampled_from(["", "PlatformDown"]),
    tries=st.integers(0, 2),
)
STEPS = st.lists(st.one_of(SIGHTINGS, st.tuples(SUBJECTS, RUNS), st.just("told")), max_size=25)


def live(steps: Sequence[object]) -> list[list[Incident]]:
    """The rows after every step."""
    rows: list[list[Incident]] = [[]]
    for one in steps:
        known = rows[-1]
        if isinstance(one, Sighting):
            rows.append(after(known, [sight(known, one)]))
        elif isinstance(one, tuple):
            ended = recover(known, one[0], KINDS, run=one[1], at=NOW)
            rows.append(after(known, ended))
        else:
            rows.append(after(known, silence(known, NOW)))
    return rows


@given(STEPS)
def test_a_cause_is_open_once_at_most(steps: list[object]) -> None:
    for rows in live(steps):
        causes = [one.cause for one in rows if one.is_open]
        assert len(causes) == len(set(causes))


@given(STEPS)
def test_an_incident_is_opened_for_an_alert_once(steps: list[object]) -> None:
    told: list[tuple[str, str | None]] = []
    for before, now in zip(live(steps), live(steps)[1:], strict=False):
        was = {one.incident_id: one for one in before}
        told += [
            (one.incident_id, one.untold)
            for one in now
            if one.untold == OPENED
            and (one.incident_id not in was or was[one.incident_id].told_at is not None)
        ]
    assert len(told) == len(set(told))


@given(STEPS)
def test_a_sighting_that_comes_twice_changes_nothing(steps: list[object]) -> None:
    rows = live(steps)
    for one, known in zip(steps, rows[1:], strict=True):
        if isinstance(one, Sighting):
            assert sight(known, one) is None


@given(STEPS)
def test_a_later_success_of_the_task_leaves_no_failure_open(steps: list[object]) -> None:
    known = live(steps)[-1]
    for task in ("deliver", "plan"):
        known = recovered(known, f"sync_crm/later/{task}/-1")
    open_now = [one for one in known if one.subject == "deliver.crm" and one.kind in FAILURES]
    assert not any(one.is_open for one in open_now)
    assert open_by_subject(known).get("deliver.crm", 0) == sum(
        one.is_open for one in known if one.subject == "deliver.crm"
    )
