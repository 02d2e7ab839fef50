"""How often a platform is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from concord.platforms.connection import Connection


def test_a_thousand_and_one_new_records_are_eleven_calls_of_a_hundred_and_none_again(
    make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from steps_lake import StepsLake

    calls: list[str] = []

    def connection(lake: StepsLake, name: str) -> Connection:
        extra = {
            "platform": lake.platforms[name],
            "sending": lambda _op: None,
            "sent": lambda: calls.append(name),
        }
        return Connection(name, extra=extra)

    monkeypatch.setattr(StepsLake, "_connection", connection)
    world = make_world(C={"audience": "existing"})
    for platform in world.platforms.values():
        platform.batch = 100
    for number in range(1001):
        world.platforms["A"].insert({"name": f"Ann {number}"}, [f"p{number}@x.example"], None)
    world.lake.run()
    assert calls == ["B"] * 11
    assert len(world.platforms["B"].records) == 1001
    calls.clear()
    world.lake.run()
    assert calls == []
