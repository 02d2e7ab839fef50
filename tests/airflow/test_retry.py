"""The error's class decides whether a task is tried again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from hypothesis import given
from hypothesis import strategies as st

from concord.airflow.retry import SyncPolicy, backoff_s
from concord.errors import (
    ContractBroken,
    LostRace,
    PlatformDown,
    PlatformRefused,
    StepFailed,
    Throttled,
)

POLICY = SyncPolicy(first_delay_s=2, max_delay_s=60)
delays = st.floats(min_value=0, max_value=1e5)


@pytest.mark.parametrize(
    "error",
    [
        PlatformRefused("crm", "no rights", "403"),
        ContractBroken("clean/crm", 9, 10, {"emails.required": 9}, 0.1),
        StepFailed("clean.crm", "KeyError", "concord/steps/clean.py:1"),
    ],
)
def test_a_terminal_error_fails_at_once(error):
    assert POLICY.evaluate(error, 1, 3).action is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [
        PlatformDown("crm", "no answer"),
        LostRace("raw/crm", 5),
        StepFailed("clean.crm", "ConnectionError", "place", transient=True),
        SystemExit(1),
    ],
)
def test_what_may_pass_is_tried_again(error):
    decision = POLICY.evaluate(error, 1, 3)
    assert decision.action is RetryAction.RETRY
    assert 1 <= decision.retry_delay.total_seconds() <= 2


def test_a_throttling_platform_is_given_the_time_it_names():
    decision = POLICY.evaluate(Throttled("crm", 117), 1, 3)
    assert decision.retry_delay.total_seconds() == 117


@given(st.integers(min_value=1, max_value=10_000), delays, delays)
def test_a_wait_is_never_longer_than_the_longest(tries, first, longest):
    assert 0 <= backoff_s(tries, first, longest) <= longest


@given(st.integers(min_value=1, max_value=20), delays)
def test_the_wait_doubles(tries, first):
    def most(low: float, high: float) -> float:
        return high

    whole = [backoff_s(number, first, 1e12, most) for number in (tries, tries + 1)]
    assert whole[1] == 2 * whole[0]


def test_the_policy_survives_serialisation():
    assert vars(SyncPolicy.deserialize(POLICY.serialize())) == vars(POLICY)


@pytest.mark.parametrize("stated", [1e7, 1e300, float("inf")])
def test_no_platform_makes_a_task_wait_longer_than_a_day(stated):
    assert POLICY.evaluate(Throttled("crm", stated), 1, 3).retry_delay == timedelta(days=1)
