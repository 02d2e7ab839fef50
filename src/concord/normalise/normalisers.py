"""Normalisers by name: which one a column's role brings, and how to call one.

A normaliser turns text into canonical text, None for a blank. It never fails, it never destroys
(what it cannot read comes back trimmed, for the contract to name), and what is canonical stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "NORMALISERS",
    "VERSION",
    "Normaliser",
    "normaliser",
    "normaliser_of",
    "plain",
    "reader",
]

Normaliser = Callable[[str], str | None]

VERSION = 1
"""Raised when a normaliser gives another result than before, so that stored rows are redone."""

NORMALISERS = ("country", "date", "email", "instant", "language", "line", "name", "phone", "text")
"""Names that a field's ``normalise:`` may say."""

_BY_ROLE = {
    "email": "email",
    "phone": "phone",
    "country": "country",
    "language": "language",
    "given_name": "name",
    "family_name": "name",
    "full_name": "name",
    "organisation": "name",
}
_BY_TYPE = {"date": "date", "timestamp": "instant", "string": "text", "array": "text"}


def normaliser_of(role: str | None, logical_type: str) -> str:
    """The name of the normaliser that a column has by its role, else by its type."""
    if logical_type in ("string", "array") and role in _BY_ROLE:
        return _BY_ROLE[role]
    return _BY_TYPE.get(logical_type, "line")


def normaliser(name: str, region: str | None = None) -> Normaliser:
    """The normaliser called *name*, from `NORMALISERS`.

    Args:
        region: ISO country that national phone numbers belong to.
    """
    from concord.normalise import countries, dates, emails, languages, names, phones, text

    if name == "phone":
        return lambda value: phones.phone(value, region)
    return {
        "country": countries.country,
        "date": dates.calendar_date,
        "email": emails.email,
        "instant": dates.instant,
        "language": languages.language,
        "line": text.line,
        "name": names.name,
        "text": text.text,
    }[name]


def reader(logical_type: str) -> Callable[[str], Any]:
    """How text is read as a value of an ODCS type; None means that it cannot be read."""
    from concord.normalise import dates, numbers

    readers: dict[str, Callable[[str], Any]] = {
        "date": dates.read_date,
        "timestamp": dates.read_instant,
        "integer": numbers.read_integer,
        "number": numbers.read_number,
        "boolean": numbers.read_boolean,
    }
    return readers.get(logical_type, str)


def plain(value: Any) -> str | None:
    """A JSON scalar as text, as a platform would show it; None stays None.

    Raises:
        TypeError: *value* is a list or an object.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    raise TypeError("a list or an object is not one value")
