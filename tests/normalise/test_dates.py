from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.normalise.dates import calendar_date, instant, read_date, read_instant

zones = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@pytest.mark.parametrize(
    "written",
    [
        "1980-02-03",
        "1980/2/3",
        "1980.02.03",
        "19800203",
        "3.2.1980",
        "03. 02. 1980",
        "1980-02-03T00:00:00Z",
        "19800203T000000Z",
        "1980-02-03 00:00:00",
        "1980-02-03T00:00:00.000",
    ],
)
def test_a_date_is_read_when_it_says_one_thing(written: str) -> None:
    assert read_date(f" {written} ") == date(1980, 2, 3)


@pytest.mark.parametrize(
    "written",
    [
        "03/02/1980",
        "1980-02",
        "1980",
        "03.02.80",
        "1980-02-30",
        "0000-01-01",
        "1980203",
        "1980-02-03T23:00:00Z",
        "3 Feb 1980",
        "unknown",
        "\u0661\u0669\u0668\u0660-02-03",
    ],
)
def test_a_date_that_is_partial_ambiguous_or_impossible_is_not_guessed(written: str) -> None:
    assert read_date(written) is None
    assert calendar_date(f" {written} ") == written


@pytest.mark.parametrize("written", ["--0203", "--02-03", "--1231"])
def test_a_birthday_without_its_year_is_no_date_and_no_fault(written: str) -> None:
    assert read_date(written) is None
    assert calendar_date(f" {written} ") is None


def test_a_slashed_date_is_read_only_when_day_and_month_cannot_be_confused() -> None:
    assert read_date("25/12/1980") == date(1980, 12, 25)
    assert read_date("12/25/1980") == date(1980, 12, 25)
    assert read_date("05/05/1980") == date(1980, 5, 5)
    assert read_date("05/06/1980") is None


@given(st.dates())
def test_every_date_is_read_back(day: date) -> None:
    assert read_date(day.isoformat()) == day
    assert read_date(f"{day:%d}.{day:%m}.{day.year:04}") == day


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones))
def test_every_instant_is_read_back_in_utc(moment: datetime) -> None:
    found = read_instant(moment.isoformat())
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01T10:00:00Z",
        "2026-01-01 11:00:00+01",
        "20260101T100000Z",
        "2026-01-01 10:00 UTC",
        "1767261600",
        "1767261600000",
        "2026-01-01T05:00:00.000000-0500",
    ],
)
def test_an_instant_is_read_in_its_usual_spellings(written: str) -> None:
    assert read_instant(written) == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert instant(written) == "2026-01-01T10:00:00+00:00"


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01T10:00:00",
        "2026-01-01",
        "10:00",
        "2026-01-01T25:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "2026-01-01T10:00:00+99:00",
        "20260101",
    ],
)
def test_a_time_without_a_zone_or_place_in_time_is_no_instant(written: str) -> None:
    assert read_instant(written) is None
    assert instant(written) == written
