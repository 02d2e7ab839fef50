"""When a platform may be written to: declared windows, read off a clock on its wall.

A platform is open while that clock shows a time of one of its windows. So nothing is special about
the nights on which it is put forward or back: a time that is left out never comes, what opens at
one opens when the clock has passed it, and an hour that comes twice is open, or closed, twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["Opening", "Window", "is_open", "opening", "opening_crons"]

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Day, ...] = get_args(Day)
_MINUTE = timedelta(minutes=1)
_HOUR, _DAY = 60, 24 * 60
_HORIZON = 15 * _DAY  # a weekly window may be left out once, by a clock that is put forward
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d|24:00")


class Window(BaseModel):
    """A span of every day, or of some days; it may cross midnight.

    Attributes:
        start: ``HH:MM`` at which it opens (`from:` in the file).
        to: ``HH:MM`` at which it closes, itself outside; ``24:00`` is midnight.
        days: those on which it opens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: str = Field(alias="from")
    to: str
    days: tuple[Day, ...] = Field(default=_WEEK, min_length=1)

    @field_validator("start", "to")
    @classmethod
    def _a_clock_shows_it(cls, clock: str) -> str:
        if not _CLOCK.fullmatch(clock):
            raise ValueError("is no time of a day; write it as 06:00")
        return clock

    @field_validator("days", mode="before")
    @classmethod
    def _a_day_is_a_list_too(cls, days: Any) -> Any:
        return [days] if isinstance(days, str) else days

    @model_validator(mode="after")
    def _opens_and_closes(self) -> Window:
        if _minute(self.start) % _DAY == _minute(self.to) % _DAY and self.to != "24:00":
            raise ValueError("opens and closes at one time; for a whole day write 00:00 to 24:00")
        if self.start == "24:00":
            raise ValueError("opens at 24:00; write 00:00, and the day after")
        return self

    def holds(self, wall: datetime) -> bool:
        """Whether the time that a clock on the wall shows lies inside."""
        minute = wall.hour * _HOUR + wall.minute
        start, to = _minute(self.start), _minute(self.to)
        today, yesterday = (_WEEK[(wall.weekday() - back) % 7] in self.days for back in (0, 1))
        if start < to:
            return today and start <= minute < to
        return (today and minute >= start) or (yesterday and minute < to)


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a platform may be written to.

    Attributes:
        changes_at: when it closes, or opens, next; aware UTC; None when it never does.
    """

    open: bool
    changes_at: datetime | None


def is_open(windows: Sequence[Window], zone: tzinfo, now: datetime) -> bool:
    """Whether a platform may be written to; without windows it always may.

    Args:
        zone: where the clock hangs.
        now: aware.
    """
    wall = now.astimezone(zone)
    return not windows or any(one.holds(wall) for one in windows)


def opening(windows: Sequence[Window], zone: tzinfo, now: datetime) -> Opening:
    """How things are *now*, and until when; for the arguments see `is_open`."""
    if not windows:
        return Opening(True, None)
    found = is_open(windows, zone, now)
    minute = now.astimezone(UTC).replace(second=0, microsecond=0)
    later = (minute + number * _MINUTE for number in range(1, _HORIZON))
    changed = (at for at in later if is_open(windows, zone, at) != found)
    return Opening(found, next(changed, None))


def opening_crons(windows: Sequence[Window]) -> tuple[str, ...]:
    """Cron expressions of every opening, and of an hour later.

    The hour later is for the night on which the clock is put forward past the opening, and for a
    run that failed.
    """
    return tuple(sorted({cron for one in windows for cron in _crons(one)}))


def _crons(window: Window) -> Iterator[str]:
    for late in (0, _HOUR):
        days, minute = divmod(_minute(window.start) + late, _DAY)
        # cron counts from Sunday
        numbers = sorted((_WEEK.index(day) + 1 + days) % 7 for day in window.days)
        every = "*" if len(set(numbers)) == 7 else ",".join(map(str, numbers))
        yield f"{minute % _HOUR} {minute // _HOUR} * * {every}"


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * _HOUR + int(minute)
