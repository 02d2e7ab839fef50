"""What the machine has found, each pinned by the shortest way to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_an_empty_platform_that_was_down_at_first_keeps_nobody_waiting(
    make_world: Callable[..., Any],
) -> None:
    world = make_world()
    world.create("A")
    world.platforms["B"].down = True
    world.run()
    assert world.writes == 0
    world.platforms["B"].down = False
    world.run()
    assert world.values("B", "name") == ["ann"] == world.values("C", "name")


def test_a_new_field_does_not_wait_for_a_platform_that_is_empty(
    make_world: Callable[..., Any],
) -> None:
    world = make_world(B={"audience": "existing"})
    world.create("A", tier="t1")
    world.run()
    world.lake.mapped.append("tier")
    world.run()
    assert world.values("C", "tier") == ["t1"]
