"""Lets the tests of this folder share its proxy, and ask no platform twice."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def once() -> Iterator[None]:
    with stamina.set_testing(True):
        yield
