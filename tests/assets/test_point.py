"""What whoever looks on is told."""

from __future__ import annotations

import pytest

from concord.assets.point import Point, around

POINT = Point("commit", "golden/contacts", "snapshot", 3)


def test_both_sides_are_told() -> None:
    told: list[object] = []
    with around(told.append, POINT):
        told.append("done")
    assert told == [POINT, "done", Point("commit", "golden/contacts", "snapshot", 3, "after")]


def test_what_was_not_done_has_no_far_side() -> None:
    told: list[Point] = []
    with pytest.raises(ValueError, match="no"), around(told.append, POINT):
        raise ValueError("no")
    assert told == [POINT]
