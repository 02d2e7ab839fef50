"""The people, platforms and end states of the scenarios, for a deployment to work on."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concord.demo.postgres import Postgres

HERE = Path(__file__).parent
SCENARIOS = HERE.parent / "scenarios"
sys.path += [str(HERE), str(SCENARIOS)]

_spec = importlib.util.spec_from_file_location("scenarios", SCENARIOS / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
scenarios = importlib.util.module_from_spec(_spec)
sys.modules["scenarios"] = scenarios
_spec.loader.exec_module(scenarios)

radicale, template = scenarios.radicale, scenarios.template
sixty, undisturbed = scenarios.sixty, scenarios.undisturbed


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One server for the CRM and for Airflow."""
    with Postgres(tmp_path_factory.mktemp("pg"), {"max_connections": "100"}) as server:
        yield server
