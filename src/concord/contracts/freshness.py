"""How old a dataset may be: ODCS slaProperties ``frequency`` and ``latency``, as one duration."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from concord.errors import Fault

__all__ = ["freshness_faults", "max_age_of"]

LineOf = Callable[[tuple[Any, ...]], int]

_COUNTED = ("frequency", "latency")
_MOST = 10_000
_UNITS = {
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("min", "minute", "minutes"), timedelta(minutes=1)),
}


def max_age_of(data: Mapping[str, Any]) -> timedelta | None:
    """How long ago the dataset may last have been brought up to date; None where it is not said.

    It is looked at every *frequency*, and is there *latency* later; of two of a kind the shorter
    counts.

    Args:
        data: a contract that `freshness_faults` found no fault in.
    """
    shortest: dict[str, timedelta] = {}
    for one in data.get("slaProperties") or ():
        name = one.get("property")
        if name in _COUNTED:
            said = float(one["value"]) * _UNITS[one["unit"]]
            shortest[name] = min(said, shortest.get(name, said))
    return sum(shortest.values(), timedelta(0)) if shortest else None


def freshness_faults(data: Mapping[str, Any], path: str, line_of: LineOf) -> Iterator[Fault]:
    """Values and units that cannot be counted."""
    for number, one in enumerate(data.get("slaProperties") or ()):
        if not isinstance(one, dict) or one.get("property") not in _COUNTED:
            continue
        name, place = one["property"], ("slaProperties", number)
        if not _counts(one.get("value")):
            line = line_of((*place, "value"))
            yield Fault(path, line, f"the value of `{name}` is no positive number", "value: 6")
        if one.get("unit") not in _UNITS:
            line = line_of((*place, "unit") if "unit" in one else place)
            yield Fault(path, line, f"the unit of `{name}` is none to count in", "d, h or min")


def _counts(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 < value < _MOST
