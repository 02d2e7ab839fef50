"""The state machine of `tests/sync`, with the shipped steps and real tables under it.

What people and platforms do, and what must hold of it, is the same; only the engine is the real
one: contracts and gate, normalising, matching, survivorship, Delta commits, settling.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import rule
from simulated_platform import Down
from steps_world import StepsWorld
from test_sync_machine import ON, Sync, search

UNSHRUNK = [
    Phase.generate
]  # a run takes a second: making a trace short takes longer than reading it


class Steps(Sync):
    """Adds what only real steps can meet, and looks at the end whether all is well."""

    world: StepsWorld
    lag = None  # no shipped kind shows an older state than it showed before

    @rule(step=st.sampled_from(["plan", "deliver", "acknowledge"]))
    def people_act_before(self, step: str) -> None:
        self.world.lake.midway_at = step

    @rule(on=ON, batches=st.integers(1, 3))
    def deliver_dies_and_is_tried_again(self, on: str, batches: int) -> None:
        if not self.world.run(doubt_after=batches):
            with contextlib.suppress(Down):
                self.world.lake.step("deliver", on, try_number=2)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        if sys.exc_info()[0] is None:
            self.quiesce()
        self.world.lake.remove()


@pytest.fixture
def machine(make_world: Callable[..., Any]) -> type[Steps]:
    return type("Steps", (Steps,), {"furnished": make_world})


def test_whatever_happens_the_steps_lose_double_and_missend_nothing(machine: type[Steps]) -> None:
    search(2, 8, machine, phases=UNSHRUNK)


@pytest.mark.deep
def test_a_long_search_over_the_steps_finds_nothing_either(machine: type[Steps]) -> None:
    search(int(os.environ.get("CONCORD_STEPS_EXAMPLES", "200")), 20, machine, phases=UNSHRUNK)
