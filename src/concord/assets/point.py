"""Points: where a run touches the world. Whoever runs a step may look on at each of them.

Between two points nothing outside changes, so a process that dies anywhere dies as if at a point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["At", "Point", "around", "unwatched"]


@dataclass(frozen=True, slots=True)
class Point:
    """Just before or just after a commit or a platform call; no personal data.

    Attributes:
        of: the dataset, or the platform.
        what: the commit's kind (``snapshot``, ``heartbeat``), or the call's name (``write``).
        size: rows written and deleted; operations or ids of a call; 0 where nobody knows yet.
    """

    kind: Literal["commit", "call"]
    of: str
    what: str
    size: int = 0
    when: Literal["before", "after"] = "before"


At = Callable[[Point], None]
"""Called at every point; must be quick and must not raise."""


def unwatched(_: Point) -> None:
    """Nobody looks on."""


@contextmanager
def around(at: At, point: Point) -> Iterator[None]:
    """Tell of both sides of what the block does; of the far side only if it did not raise."""
    at(point)
    yield
    at(replace(point, when="after"))
