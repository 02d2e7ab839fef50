"""What one line of a vCard says: texts, parts, types and preferences, with the escapes undone.

vobject is no help in reading: it keeps the backslash of ``9\\:15``, leaves quoted-printable text
undecoded, and cannot tell an escape of vCard 2.1 from one of 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from concord.platforms.vcard_lines import Card, Line, text_of

__all__ = [
    "element_value",
    "is_preferred",
    "is_uri",
    "leading",
    "location",
    "location_of",
    "parts_of",
    "plain",
    "single_text",
]

_URIS = frozenset({"CALADRURI", "CALURI", "FBURL", "IMPP", "RELATED", "SOURCE", "UID", "URL"})
_DATES = frozenset({"ANNIVERSARY", "BDAY"})
_LOCATIONS = ("fax", "pager", "cell", "work", "home", "main", "other")
_SAME_LOCATION = {"mobile": "cell", "iphone": "cell"}
_SCHEMES = {"TEL": "tel:", "EMAIL": "mailto:"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PART = re.compile(r"((?:[^\\;]|\\.|\\$)*+)(?:;|$)", re.DOTALL)
_COMPACT_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(?!\d)")
_INSTANT = re.compile(r"\d{4}-?\d\d-?\d\dT\d\d:?\d\d:?\d\d([.,]\d+)?(Z|[+-]\d\d:?\d\d)")


def leading(lines: Iterable[Line], prop: str) -> Line | None:
    """The line that counts for a property with one value: the preferred one, else the first."""
    return min((line for line in lines if line.name == prop), key=_preference, default=None)


def single_text(line: Line, version: str) -> str:
    """The whole value as one text; dates and instants in ISO 8601, ``--MMDD`` without a year."""
    text = text_of(line)
    if is_uri(line):
        return text
    text = plain(text, version)
    if line.name in _DATES:
        text = _COMPACT_DATE.sub(r"\1-\2-\3", text, count=1)
        omitted = next(iter(line.param("X-APPLE-OMIT-YEAR")), None)
        return f"--{text[5:7]}{text[8:10]}" if omitted and text.startswith(omitted) else text
    return _iso_instant(text) if line.name == "REV" else text


def parts_of(line: Line) -> list[str]:
    """The parts between unescaped semicolons, still escaped."""
    text = text_of(line)
    pieces = [match.group(1) for match in _PART.finditer(text)]
    return pieces[: text.count(";") + 1] if text.endswith(";") else pieces[:-1] or pieces


def plain(text: str, version: str) -> str:
    """Undo the escapes of *text*; what no version escapes stays as it is."""
    breaks = "" if version == "2.1" else "nN"

    def letter(match: re.Match[str]) -> str:
        if match.group(1) in breaks:
            return "\n"
        return match.group(1) if match.group(1) in "\\;,:" else match.group()

    return _ESCAPED.sub(letter, text)


def element_value(line: Line, version: str) -> str:
    """The value of one EMAIL or TEL, without the scheme of a URI."""
    text = text_of(line) if is_uri(line) else plain(text_of(line), version)
    scheme = _SCHEMES.get(line.name, "")
    return text[len(scheme) :] if scheme and text.lower().startswith(scheme) else text


def is_preferred(line: Line) -> bool:
    """Whether the line is marked as the one to use first."""
    return "pref" in _types(line) or "1" in line.param("PREF")


def is_uri(line: Line) -> bool:
    """Whether the value is a URI, which has no escapes."""
    kinds = [kind.lower() for kind in line.param("VALUE")]
    return "uri" in kinds or (line.name in _URIS and "text" not in kinds)


def location(name: str) -> str | None:
    """A type as vCards name it, or None when *name* is no place or device."""
    lowered = name.strip().lower()
    lowered = _SAME_LOCATION.get(lowered, lowered)
    return lowered if lowered in _LOCATIONS else None


def location_of(card: Card, line: Line) -> str | None:
    """The type of an EMAIL or TEL: the most telling of its TYPEs, else Apple's label."""
    found = {location(one) for one in _types(line)}
    return next((one for one in _LOCATIONS if one in found), None) or _label(card.lines, line)


def _label(lines: Sequence[Line], line: Line) -> str | None:
    """As in ``item1.X-ABLabel:_$!<Home>!$_`` beside ``item1.TEL``."""
    for other in lines if line.group else ():
        if other.name == "X-ABLABEL" and other.group.lower() == line.group.lower():
            return location(other.value.removeprefix("_$!<").removesuffix(">!$_"))
    return None


def _types(line: Line) -> list[str]:
    return [one.strip().lower() for value in line.param("TYPE") for one in value.split(",")]


def _preference(line: Line) -> int:
    stated = next(iter(line.param("PREF")), "")
    if stated.isascii() and stated.isdigit():
        return int(stated[:3])
    return 1 if "pref" in _types(line) else 101


def _iso_instant(text: str) -> str:
    if not _INSTANT.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return text
