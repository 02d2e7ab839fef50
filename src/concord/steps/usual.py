"""What is usual for a step, from its last runs, and what is far from it.

A run is compared with the median of the last ones and with their median absolute deviation, times
1.4826 to be a standard deviation where values are normal: half of the runs may be odd before
either moves (Leys et al. 2013, https://doi.org/10.1016/j.jesp.2013.03.013, who advise 2.5 to 3
deviations for research; an alarm at night is worth 5). A step that always does the same has no
deviation, so there is also a least distance, as a share of the median and in plain numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from concord.settings import Alerts

__all__ = ["REMEMBERED", "Measures", "Odd", "is_far", "oddities"]

REMEMBERED = 15
"""Runs of a step that the next one is compared with."""

_NORMAL = 1.4826


@dataclass(frozen=True, slots=True)
class Measures:
    """What one run of a step came to.

    Attributes:
        rows: live rows of what it published; None where that does not tell of a platform's volume.
        changed: of those, rows that the run wrote or deleted.
        wall_s: seconds by the clock.
    """

    wall_s: float
    rows: int | None = None
    changed: int | None = None

    def to_json(self) -> list[Any]:
        """As a commit record carries it."""
        return [round(self.wall_s, 1), self.rows, self.changed]

    @classmethod
    def from_json(cls, said: Sequence[Any]) -> Measures:
        """Read what `to_json` made."""
        return cls(*said)


@dataclass(frozen=True, slots=True)
class Odd:
    """One measure that is far from the usual: kind of incident, and a clause with the numbers."""

    kind: str
    message: str


def oddities(now: Measures, past: Sequence[Measures], alerts: Alerts) -> Iterator[Odd]:
    """What is odd about *now*; nothing, as long as there are too few runs to compare with."""
    if len(past) < alerts.least_runs:
        return
    seconds = [one.wall_s for one in past]
    usual = median(seconds)
    least = max(alerts.slow_s, usual)
    if now.wall_s > usual and is_far(now.wall_s, seconds, alerts.deviations, least):
        yield Odd("slow", f"it took {now.wall_s:.0f} s, usually {usual:.0f} s")
    yield from _volume(now, past, alerts)


def _volume(now: Measures, past: Sequence[Measures], alerts: Alerts) -> Iterator[Odd]:
    rows = [one.rows for one in past if one.rows is not None]
    changed = [one.changed for one in past if one.changed is not None]
    if now.rows is None or now.changed is None or len(rows) < alerts.least_runs:
        return
    usual = median(rows)
    least = max(alerts.volume_rows, alerts.volume_share * usual)
    if is_far(now.rows, rows, alerts.deviations, least):
        yield Odd("volume", f"it holds {now.rows} rows, usually {usual:.0f}")
    elif is_far(now.changed, changed, alerts.deviations, least) and now.changed > median(changed):
        yield Odd("volume", f"{now.changed} rows changed at once, usually {median(changed):.0f}")


def is_far(value: float, past: Sequence[float], deviations: float, least: float) -> bool:
    """Whether *value* is away from the median of *past* by more than both distances.

    Args:
        deviations: one distance, in robust standard deviations of *past*.
        least: the other, in plain numbers.
    """
    return abs(value - median(past)) > max(deviations * _deviation(past), least)


def _deviation(past: Sequence[float]) -> float:
    middle = median(past)
    return _NORMAL * median(abs(one - middle) for one in past)
