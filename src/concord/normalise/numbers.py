"""Numbers and truth values, for columns that are not text."""

from __future__ import annotations

import math
import re

from concord.normalise.text import line

__all__ = ["read_boolean", "read_integer", "read_number"]

_INTEGER = re.compile(r"([+-]?[0-9]{1,19})(?:\.0+)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")
_TRUTH = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


def read_integer(value: str) -> int | None:
    """The whole number of 64 bits that *value* states; None when it states none."""
    found = _INTEGER.fullmatch(line(value) or "")
    number = int(found[1]) if found else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def read_number(value: str) -> float | None:
    """The finite number that *value* states; a comma is not read, it could mean thousands."""
    trimmed = line(value) or ""
    number = float(trimmed) if _NUMBER.fullmatch(trimmed) else math.nan
    return number if math.isfinite(number) else None


def read_boolean(value: str) -> bool | None:
    """Whether *value* says yes; None when it says neither yes nor no."""
    return _TRUTH.get((line(value) or "").casefold())
