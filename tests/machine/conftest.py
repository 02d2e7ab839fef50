"""Lets the tests of this folder share the simulation of `tests/sync`, and installs its platforms.

The kind of platform is a distribution with an entry point, as any other package would bring it.
"""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from steps_world import StepsWorld

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path += [str(HERE.parent / "sync"), str(HERE), str(HERE / "kind")]


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., StepsWorld]:
    """Makes a world of platforms with the given options, and an empty lake deployed for them."""
    from simulated_platform import Options
    from steps_lake import declared
    from steps_world import StepsWorld

    from concord.assets.commit import RunId
    from concord.assets.table import Lake
    from concord.platforms.connection import Connection
    from concord.project import load
    from concord.steps.context import Context
    from concord.steps.deploy import deploy

    folder = tmp_path_factory.mktemp("machine")
    shutil.copytree(HERE / "project", folder / "project")
    for name in ("consents", "crosswalk"):
        shutil.copy(ROOT / "contracts" / f"{name}.odcs.yaml", folder / "project" / "contracts")
    platforms = {name: Options() for name in "ABC"}
    template = Context(
        project=load(folder / "project"),
        run=RunId("deploy", "deploy"),
        lake=Lake(str(folder / "lake")),
        record_key=b"k" * 32,
        connect=Connection,
        now=lambda: datetime.now(UTC),
        tell=lambda _: None,
    )
    project = declared(template.project, platforms, ("name", "phone", "tier"))
    deploy(replace(template, project=project), resolved=False)
    return functools.partial(StepsWorld, template, folder)
