"""How old a dataset may be, as its contract says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from concord.contracts.freshness import freshness_faults, max_age_of


def said(*properties: tuple[Any, Any, Any]) -> dict[str, Any]:
    names = ("property", "value", "unit")
    return {"slaProperties": [dict(zip(names, one, strict=True)) for one in properties]}


def test_frequency_and_latency_are_added_and_the_shorter_of_two_counts():
    data = said(("frequency", 1, "d"), ("latency", 6, "h"), ("latency", 90, "min"))
    assert max_age_of(data) == timedelta(days=1, minutes=90)


def test_one_of_the_two_is_enough_and_other_properties_say_nothing():
    assert max_age_of(said(("latency", 1.5, "hours"))) == timedelta(minutes=90)
    assert max_age_of(said(("retention", 3, "y"))) is None
    assert max_age_of({}) is None


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "h", "the value of `latency` is no positive number"),
        (-1, "h", "the value of `latency` is no positive number"),
        (float("inf"), "h", "the value of `latency` is no positive number"),
        ("6", "h", "the value of `latency` is no positive number"),
        (True, "h", "the value of `latency` is no positive number"),
        (6, "m", "the unit of `latency` is none to count in"),
        (6, None, "the unit of `latency` is none to count in"),
    ],
)
def test_what_cannot_be_counted_is_a_fault_with_its_line(value: Any, unit: Any, expected: str):
    lines = {("slaProperties", 1, "value"): 7, ("slaProperties", 1, "unit"): 8}
    data = said(("frequency", 1, "d"), ("latency", value, unit))
    (fault,) = freshness_faults(data, "contracts/a.odcs.yaml", lines.__getitem__)
    assert fault.what == expected
    assert fault.line in (7, 8)


def test_units_of_other_properties_are_their_own():
    assert list(freshness_faults(said(("retention", "x", "y")), "a", lambda _: 0)) == []
