"""One thing that a check found: what, where, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong.

    Attributes:
        check: which check found it.
        where: file and line, package, dataset, connection.
        what: one sentence; no secret, no value.
        fix: what to do.
    """

    level: Level
    check: str
    where: str
    what: str
    fix: str
