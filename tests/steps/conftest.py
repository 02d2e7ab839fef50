"""A deployed lake that tests copy."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.project import load
from concord.steps.context import Context
from concord.steps.deploy import deploy

sys.path.append(str(Path(__file__).parent))  # what the tests of this folder share

from house import ROOT, START, nowhere


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Context:
    root = tmp_path_factory.mktemp("scope")
    ctx = Context(
        project=load(ROOT, "demo"),
        run=RunId("run", "job"),
        lake=Lake(str(root / "lake")),
        record_key=b"k" * 32,
        connect=nowhere,
        now=lambda: START,
        tell=lambda _: None,
    )
    deploy(ctx, resolved=False)
    return ctx
