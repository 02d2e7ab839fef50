"""When a platform may be written to, also on the nights when clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from concord.platforms.window import Window, is_open, opening

VIENNA = ZoneInfo("Europe/Vienna")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SPRING, AUTUMN = datetime(2027, 3, 28), datetime(2026, 10, 25)  # 2:00 becomes 3:00; 3:00 2:00


def window(start: str, to: str, *days: str) -> Window:
    return Window.model_validate({"from": start, "to": to, **({"days": days} if days else {})})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(one: Window, day: datetime, zone: ZoneInfo = VIENNA) -> list[str]:
    """When it opens and closes, in UTC, within the 24 hours after noon of the day before."""
    at = (day - timedelta(hours=12)).replace(tzinfo=UTC)
    end, found = at + timedelta(hours=24), []
    while True:
        changes_at = opening([one], zone, at).changes_at
        if changes_at is None or changes_at > end:
            return found
        at = changes_at
        found.append(f"{at:%H:%M}")


def test_without_a_window_a_platform_is_always_open():
    assert opening([], VIENNA, utc("2026-11-25T12:00")).changes_at is None
    assert is_open([], VIENNA, utc("2026-11-25T12:00"))


def test_a_window_is_open_from_its_start_to_just_before_its_end():
    night = [window("22:00", "06:00")]
    for text, expected in {
        "2026-11-25T20:59": False,
        "2026-11-25T21:00": True,
        "2026-11-26T04:59": True,
        "2026-11-26T05:00": False,
    }.items():
        assert is_open(night, VIENNA, utc(text)) is expected, text


def test_a_closed_window_tells_when_it_opens_and_an_open_one_when_it_closes():
    night = [window("22:00", "06:00")]
    assert opening(night, VIENNA, utc("2026-11-25T12:00:30")).changes_at == utc("2026-11-25T21:00")
    assert opening(night, VIENNA, utc("2026-11-25T23:00:30")).changes_at == utc("2026-11-26T05:00")


def test_days_are_those_on_which_it_opens():
    friday = [window("22:00", "06:00", "fri")]
    assert is_open(friday, VIENNA, utc("2026-11-28T04:00"))  # Saturday's early morning
    assert not is_open(friday, VIENNA, utc("2026-11-27T04:00"))  # Friday's
    assert opening(friday, VIENNA, utc("2026-11-28T12:00")).changes_at == utc("2026-12-04T21:00")


def test_a_whole_day_runs_to_midnight():
    weekend = [window("00:00", "24:00", "sat", "sun")]
    assert opening(weekend, VIENNA, utc("2026-11-28T12:00")).changes_at == utc("2026-11-29T23:00")


def test_windows_that_leave_no_gap_never_close():
    day = [window("00:00", "12:00"), window("12:00", "00:00")]
    assert opening(day, VIENNA, utc("2026-11-28T12:00")).changes_at is None


@pytest.mark.parametrize(
    ("start", "to", "expected"),
    [
        ("02:30", "04:00", ["01:00", "02:00"]),  # opens when the clock has passed 02:30, at 03:00
        ("01:00", "02:30", ["00:00", "01:00"]),  # closes at once with the change
        ("02:00", "03:00", []),  # the hour that does not come
        ("22:00", "06:00", ["21:00", "04:00"]),  # an hour shorter
    ],
)
def test_where_the_clock_is_put_forward(start, to, expected):
    assert spans(window(start, to), SPRING) == expected


@pytest.mark.parametrize(
    ("start", "to", "expected"),
    [
        ("02:30", "04:00", ["00:30", "01:00", "01:30", "03:00"]),  # at 03:00 it is 02:00 again
        ("01:00", "02:30", ["23:00", "00:30", "01:00", "01:30"]),
        ("02:00", "03:00", ["00:00", "02:00"]),  # the hour that comes twice
        ("22:00", "06:00", ["20:00", "05:00"]),  # an hour longer
    ],
)
def test_where_the_clock_is_put_back(start, to, expected):
    assert spans(window(start, to), AUTUMN) == expected


def test_a_zone_without_summer_time_knows_no_change():
    kolkata = ZoneInfo("Asia/Kolkata")
    assert spans(window("02:30", "04:00"), SPRING, kolkata) == ["21:00", "22:30"]


clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    lambda times, days: window(*times, *days),
    st.tuples(clocks, clocks).filter(lambda times: times[0] != times[1]),
    st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
)
zones = st.sampled_from(
    ["Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]
).map(ZoneInfo)
changes = st.sampled_from([SPRING, AUTUMN, datetime(2026, 4, 5), datetime(2026, 3, 8)])
instants = st.builds(
    lambda day, seconds: day.replace(tzinfo=UTC) + timedelta(seconds=seconds),
    changes,
    st.integers(-3 * 86400, 3 * 86400),
)


@given(several=st.lists(windows, min_size=1, max_size=3), zone=zones, now=instants)
def test_what_changes_changes_later_and_then_is_the_other_way(several, zone, now):
    found = opening(several, zone, now)
    assert found.open == is_open(several, zone, now)
    if found.changes_at is None:
        return
    assert found.changes_at > now
    assert is_open(several, zone, found.changes_at) != found.open
    assert is_open(several, zone, found.changes_at - timedelta(seconds=1)) == found.open


@given(one=windows, zone=zones, now=instants)
def test_one_window_never_stays_closed_for_longer_than_a_fortnight(one, zone, now):
    found = opening([one], zone, now)
    assert found.changes_at is not None
    assert found.changes_at - now < timedelta(days=15)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"from": "22:00", "to": "22:00"}, "opens and closes at one time"),
        ({"from": "25:00", "to": "06:00"}, "is no time of a day"),
        ({"from": "24:00", "to": "06:00"}, "opens at 24:00"),
        ({"from": "22:00", "to": "06:00", "days": ["someday"]}, "days"),
        ({"from": "22:00", "to": "06:00", "days": []}, "days"),
        ({"from": "22:00"}, "to"),
    ],
)
def test_a_window_that_cannot_be_kept_is_refused(data: dict[str, Any], said: str):
    with pytest.raises(ValidationError, match=said):
        Window.model_validate(data)
