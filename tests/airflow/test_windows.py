"""A platform's Dag is started inside its window, on every night of two years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from concord.platforms.window import Window, opening, opening_crons

BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)


def starts(crons: tuple[str, ...], zone: str) -> list[datetime]:
    """When Airflow would start a Dag."""
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.timetables.trigger import MultipleCronTriggerTimetable

    timetable = MultipleCronTriggerTimetable(*crons, timezone=zone)
    last: Any = DataInterval.exact(BEGINS)
    found = []
    while last.end < ENDS:
        following = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=TimeRestriction(None, None, True)
        )
        assert following is not None
        last = following.data_interval
        found.append(datetime.fromtimestamp(last.end.timestamp(), UTC))
    return found


def spans(window: Window, zone: str) -> list[tuple[datetime, datetime]]:
    """From when until when it is open."""
    found, at, since = [], BEGINS, None
    while at < ENDS:
        state = opening([window], ZoneInfo(zone), at)
        assert state.changes_at is not None
        since, at = (at if state.open else None), state.changes_at
        if since is not None:
            found.append((since, at))
    return found


@pytest.mark.parametrize(
    ("zone", "start", "to", "days"),
    [
        ("Europe/Vienna", "22:00", "06:00", ["mon", "tue", "wed", "thu", "fri"]),
        ("Europe/Vienna", "02:30", "05:00", ["sun"]),
        ("Europe/Vienna", "01:00", "02:30", ["sun"]),
        ("America/New_York", "02:30", "03:30", ["sat", "sun"]),
        ("Australia/Lord_Howe", "02:15", "04:00", ["sun"]),
        ("Africa/Cairo", "00:00", "03:00", ["fri"]),
    ],
)
def test_no_opening_passes_without_a_start(zone: str, start: str, to: str, days: list[str]):
    window = Window.model_validate({"from": start, "to": to, "days": days})
    started = starts(opening_crons([window]), zone)
    # What opens a second time for a part of an hour, since the clock was put back, may be passed.
    nights = [(a, b) for a, b in spans(window, zone)[1:] if b - a >= timedelta(hours=1)]
    assert len(nights) > 95
    missed = [a for a, b in nights if not any(a <= at < b for at in started)]
    assert missed == []


def test_the_first_start_is_at_the_opening_itself():
    window = Window.model_validate({"from": "22:00", "to": "06:00"})
    zone = "Europe/Vienna"
    started = set(starts(opening_crons([window]), zone))
    assert [a for a, _ in spans(window, zone)[1:] if a not in started] == []
