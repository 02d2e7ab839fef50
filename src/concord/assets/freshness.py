"""Until when a dataset tells the truth, and whether that is longer ago than its contract allows.

A dataset that nobody reads from outside is as true as what it is made from, and no truer than the
first snapshot of an input that it has not taken in. So one that did not change is fresh as long as
its sources were read, and one whose producer never ran grows old like every other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["Known", "Late", "Truth", "lates", "true_until"]


@dataclass(frozen=True, slots=True)
class Known:
    """What the lake says of one dataset.

    Attributes:
        made_at: when its table was made; as old as anything that was never done can be.
        read_at: when a source was last read to its end; None for never, or for no source.
        unseen: input to the instant of its first snapshot that is not taken in; None when all are.
    """

    made_at: datetime
    read_at: datetime | None = None
    unseen: Mapping[str, datetime | None] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Truth:
    """Until when something is true.

    Attributes:
        because: the dataset that is the reason: a source not read, or one that lies behind.
    """

    at: datetime
    because: str


@dataclass(frozen=True, slots=True)
class Late:
    """A dataset that is older than its contract allows."""

    dataset: str
    truth: Truth
    allowed: timedelta


def true_until(name: str, known: Mapping[str, Known]) -> Truth:
    """Until when *name* is true, by itself and by all that it is made from.

    Args:
        known: of the dataset and everything upstream; no ring.
    """
    here = known[name]
    if here.unseen is None:
        return Truth(here.read_at or here.made_at, name)
    found = [true_until(one, known) for one in here.unseen]
    found += [Truth(at, name) for at in here.unseen.values() if at is not None]
    return min(found, default=Truth(here.made_at, name))


def lates(
    known: Mapping[str, Known], allowed: Mapping[str, timedelta], now: datetime
) -> Iterator[Late]:
    """Datasets that are late now, in the order of *allowed*."""
    for name, age in allowed.items():
        truth = true_until(name, known)
        if now - truth.at > age:
            yield Late(name, truth, age)
