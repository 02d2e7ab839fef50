"""The people and platforms of the simulation, with the shipped steps between them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from simulated_world import World
from steps_lake import StepsLake

from concord.steps.context import Context


class StepsWorld(World):
    """As `World`, over real tables."""

    runs_to_rest = 1  # of which each goes on until nothing moves
    lake: StepsLake

    def __init__(self, template: Context, folder: Path, **options: dict[str, Any]) -> None:
        self._template = template
        self._folder = folder / uuid.uuid4().hex
        super().__init__(**options)

    def furnished(self) -> StepsLake:
        return StepsLake(self._template, self._folder, self.platforms, self.clock)
