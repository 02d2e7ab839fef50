"""An Airflow of the tests' own, and a throwaway project for its scheduler."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from concord.airflow.front import RunReport, run_in_front
from concord.airflow.messages import Order
from concord.project import write_resolved

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="concord-airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

THROWAWAY = Path(__file__).with_name("throwaway")
REFERENCE = Path(__file__).parents[2]


@pytest.fixture(scope="class")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh throwaway project, in a folder with a blank and an umlaut."""
    root = tmp_path_factory.mktemp("throwaway") / "ein Projekt für alle"
    shutil.copytree(THROWAWAY / "dags", root / "dags")
    (root / "source.json").write_text(json.dumps({"a": 1, "b": 1, "c": 1}))
    return root


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the reference project's own files, resolved as deploy does it."""
    root = tmp_path_factory.mktemp("reference") / "project"
    root.mkdir()
    for name in ("contracts", "assets", "lineage", "dags"):
        shutil.copytree(REFERENCE / name, root / name)
    shutil.copy(REFERENCE / "concord.yaml", root)
    write_resolved(root)
    return root


@pytest.fixture(scope="session")
def worker() -> list[str]:
    """The command that works on a throwaway project."""
    return [sys.executable, str(THROWAWAY / "throwaway_worker.py")]


@pytest.fixture(scope="session")
def run(worker: list[str]) -> Callable[..., RunReport]:
    """Run a throwaway project to its end."""

    def to_the_end(root: Path, order: Order | None = None, **more: str) -> RunReport:
        return run_in_front(
            root,
            root / ".concord" / "airflow",
            order=order,
            extra={"PYTHONPATH": str(THROWAWAY), **more},
            console=Console(file=io.StringIO()),
            command=worker,
        )

    return to_the_end
