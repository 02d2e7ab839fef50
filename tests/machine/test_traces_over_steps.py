"""The most telling pinned traces once more, over the shipped steps and real tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import test_traces

TRACES = {name: one for name, one in vars(test_traces).items() if name.startswith("test_")}
QUICK = ("04", "17", "37")
LAGGING = ("42",)  # no shipped kind shows an older state than it showed before
TELLING = {name: one for name, one in TRACES.items() if name.split("_")[1] in QUICK}
OTHERS = {
    name: one
    for name, one in TRACES.items()
    if name not in TELLING and name.split("_")[1] not in LAGGING
}


@pytest.fixture(autouse=True)
def _over_steps(make_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_traces, "World", make_world)


@pytest.mark.parametrize("trace", TELLING.values(), ids=TELLING)
def test_the_trace_holds(trace: Callable[[], None]) -> None:
    trace()


@pytest.mark.deep
@pytest.mark.parametrize("trace", OTHERS.values(), ids=OTHERS)
def test_every_other_trace_holds_too(trace: Callable[[], None]) -> None:
    trace()
