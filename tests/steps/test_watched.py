"""Every call of a platform is a point."""

from __future__ import annotations

import inspect
from typing import Any

from concord.assets.point import Point, unwatched
from concord.platforms.base import Page, Sink, Source
from concord.platforms.effort import Effort
from concord.steps.watched import Watched


class Silent:
    """Answers every call with nothing, a reading with two pages."""

    capabilities = "what it can do"

    def __getattr__(self, name: str) -> Any:
        pages = iter([Page([], None, full=True), Page([], "end", full=True)])
        return lambda *_: pages if name in ("listing", "changes") else []


def calls_of(*protocols: type) -> dict[str, int]:
    """Each call that they have, with how many arguments it takes."""
    found = [item for one in protocols for item in inspect.getmembers(one, inspect.isfunction)]
    return {
        name: len(inspect.signature(call).parameters) - 1
        for name, call in found
        if not name.startswith("_")
    }


def test_every_call_of_source_and_sink_is_told_before_and_after() -> None:
    told: list[Point] = []
    watched: Any = Watched(Silent(), "crm", told.append)  # type: ignore[arg-type]
    assert watched.capabilities == "what it can do"
    calls = calls_of(Source, Sink)
    assert set(calls) >= {"check", "changes", "listing", "read", "find", "write"}
    for name, arguments in calls.items():
        told.clear()
        answer = getattr(watched, name)(*[["a", "b"]] * arguments)
        pages = len(list(answer)) + 1 if name in ("listing", "changes") else 1
        assert [(one.of, one.what, one.when) for one in told] == [
            ("crm", name, when) for _ in range(pages) for when in ("before", "after")
        ]
        sized = {one.size for one in told}
        assert sized == {2 if name in ("read", "find", "write") else 0}


class Counting(Silent):
    """Counts for itself."""

    def __init__(self) -> None:
        self.effort = Effort(calls=40, retries=2, throttled_s=1.5)


def test_what_a_connector_counts_is_taken_and_of_one_that_does_not_the_calls() -> None:
    silent: Any = Watched(Silent(), "crm", unwatched)  # type: ignore[arg-type]
    silent.read(["a"])
    silent.write([])
    assert (silent.effort.calls, silent.effort.retries) == (2, 0)
    assert silent.effort.batch_s > 0
    counting: Any = Watched(Counting(), "crm", unwatched)  # type: ignore[arg-type]
    counting.read(["a"])
    assert (counting.effort.calls, counting.effort.throttled_s) == (40, 1.5)
    assert counting.effort.batch_s > 0


def test_efforts_add_up() -> None:
    total = Effort(1, 2, 3.0, 4.0, 5)
    total.add(Effort(10, 20, 30.0, 40.0, 50))
    assert total == Effort(11, 22, 33.0, 44.0, 55)
