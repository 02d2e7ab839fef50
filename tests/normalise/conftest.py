"""The reference contract, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.contracts.document import Contract, read_contract
from concord.yaml_text import load_text


@pytest.fixture(scope="session")
def contract() -> Contract:
    path = Path(__file__).parents[2] / "contracts" / "clean.odcs.yaml"
    data, _ = load_text(path.read_text(encoding="utf-8"), path=path.name)
    return read_contract(data, source=path.name)
