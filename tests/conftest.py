"""Profiles and lanes shared by all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

LONGEST_FIRST = ("docs/test_stories", "deployment", "scenarios", "airflow", "demo", "machine")
"""Where the tests are that take minutes; begun last, one of them would keep a worker waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests come first, so that workers end together."""

    def place(item: pytest.Item) -> int:
        named = (n for n, part in enumerate(LONGEST_FIRST) if f"tests/{part}" in item.nodeid)
        return next(named, len(LONGEST_FIRST))

    items.sort(key=place)
