"""Dates and instants: read when they say one thing only, never guessed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from concord.normalise.text import line

__all__ = ["calendar_date", "instant", "read_date", "read_instant"]

_MIDNIGHT = r"(?:[T ]00:?00(?::?00(?:\.0+)?)?(?:Z|[+-]00:?(?:00)?)?)?"
_YEAR_FIRST = re.compile(
    r"(?P<y>[0-9]{4})(?P<sep>[-./]?)(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2})" + _MIDNIGHT
)
_DAY_FIRST = re.compile(r"(?P<d>[0-9]{1,2})\. ?(?P<m>[0-9]{1,2})\. ?(?P<y>[0-9]{4})")
_YEARLESS = re.compile(r"--(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12][0-9]|3[01])")
_SLASHED = re.compile(r"(?P<a>[0-9]{1,2})/(?P<b>[0-9]{1,2})/(?P<y>[0-9]{4})")
_INSTANT = re.compile(
    r"(?P<y>[0-9]{4})(?P<dash>-?)(?P<mo>[0-9]{2})(?P=dash)(?P<d>[0-9]{2})[Tt ]"
    r"(?P<h>[0-9]{2})(?P<colon>:?)(?P<mi>[0-9]{2})(?:(?P=colon)(?P<s>[0-9]{2})"
    r"(?:[.,](?P<f>[0-9]{1,9}))?)? ?"
    r"(?:(?P<utc>[Zz]|UTC|GMT)|(?P<sign>[+-])(?P<zh>[0-9]{2}):?(?P<zm>[0-9]{2})?)"
)
_EPOCH = re.compile(r"[0-9]{10}(?:[0-9]{3})?(?:\.[0-9]{1,6})?")
_START = datetime(1970, 1, 1, tzinfo=UTC)


def calendar_date(value: str) -> str | None:
    """The date as ``YYYY-MM-DD``, or the text trimmed when it is not exactly one date.

    None for a birthday without its year (vCard ``--0203``): nobody knows the date, and the platform
    keeps the day.
    """
    found = read_date(value)
    if _YEARLESS.fullmatch(line(value) or ""):
        return None
    return line(value) if found is None else found.isoformat()


def instant(value: str) -> str | None:
    """The instant as ISO 8601 in UTC, or the text trimmed when it is not exactly one instant."""
    found = read_instant(value)
    return line(value) if found is None else found.isoformat()


def read_date(value: str) -> date | None:
    """The date that *value* states; None when it states none, or could mean two.

    Read are: year first (``1980-02-03``, ``1980/2/3``, ``19800203``; midnight after it is dropped),
    dotted with the day first (``3.2.1980``), and slashed only where day and month cannot be taken
    for each other. Not read: years of two digits, dates without a year (vCard ``--0203``) or a day.
    """
    trimmed = line(value) or ""
    found = _YEAR_FIRST.fullmatch(trimmed)
    if found and not found["sep"] and len(found["m"]) + len(found["d"]) < 4:
        return None
    found = found or _DAY_FIRST.fullmatch(trimmed)
    if found:
        return _date(found["y"], found["m"], found["d"])
    slashed = _SLASHED.fullmatch(trimmed)
    return _unambiguous(slashed["y"], slashed["a"], slashed["b"]) if slashed else None


def read_instant(value: str) -> datetime | None:
    """The instant that *value* states, in UTC; None when it states none.

    Read are ISO 8601 (and PostgreSQL's blank for the T) with a zone, and seconds or milliseconds
    since 1970 (10 or 13 digits). A time without a zone is not an instant and is not read.
    """
    trimmed = line(value) or ""
    if _EPOCH.fullmatch(trimmed):
        return _since_1970(trimmed)
    found = _INSTANT.fullmatch(trimmed)
    return _datetime(found) if found else None


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _unambiguous(year: str, one: str, other: str) -> date | None:
    readings = {_date(year, one, other), _date(year, other, one)} - {None}
    return readings.pop() if len(readings) == 1 else None


def _since_1970(digits: str) -> datetime:
    whole, _, fraction = digits.partition(".")
    per_s = 1000 if len(whole) == 13 else 1
    micros = int(whole) * (1_000_000 // per_s) + int(fraction.ljust(6, "0") or 0) // per_s
    return _START + timedelta(microseconds=micros)


def _datetime(found: re.Match[str]) -> datetime | None:
    micros = int((found["f"] or "")[:6].ljust(6, "0"))
    away = timedelta(hours=int(found["zh"] or 0), minutes=int(found["zm"] or 0))
    if away >= timedelta(days=1):
        return None
    try:
        local = datetime(
            int(found["y"]), int(found["mo"]), int(found["d"]),
            int(found["h"]), int(found["mi"]), int(found["s"] or 0), micros, UTC,
        )  # fmt: skip
        return local + away if found["sign"] == "-" else local - away
    except (ValueError, OverflowError):
        return None
