"""What every kind of platform must do, as tests: subclass, and give a `bench`.

A *bench* is a platform seen from its own side: what its users do there while Concord does not
look. A new kind's test is the bench and three lines::

    class TestFilesConformance(SourceSinkConformance):
        @pytest.fixture
        def bench(self, tmp_path):
            return FilesBench(tmp_path)

Only tests import this module; it needs pytest.
"""

# ruff: noqa: D102 (a test's name is its sentence)

from __future__ import annotations

import pytest

from concord.errors import ConcordError
from concord.platforms.bench import Bench, Connector, Trouble, assert_tells_nothing
from concord.platforms.conformance_kit import create_of
from concord.platforms.conformance_reading import InReading
from concord.platforms.conformance_trouble import InTrouble
from concord.platforms.conformance_writing import InWriting

__all__ = ["Bench", "Connector", "SourceSinkConformance", "Trouble", "assert_tells_nothing"]


class SourceSinkConformance(InReading, InWriting, InTrouble):
    """The suite; see the module's docstring."""

    @pytest.fixture
    def bench(self) -> Bench:
        """The platform under test, empty."""
        raise NotImplementedError

    def test_a_call_takes_as_many_operations_as_the_kind_says(self, bench: Bench) -> None:
        assert bench.connector.batch == bench.connector.capabilities.batch

    def test_the_check_tells_of_the_platform_and_shows_at_most_five_records(
        self, bench: Bench
    ) -> None:
        bench.fill(7)
        report = bench.connector.check()
        assert report.readable
        assert report.writable is not False
        assert report.server
        assert 0 < len(report.sample) <= 5

    def test_a_platform_that_is_not_there_is_an_error_of_ours_that_tells_nothing(
        self, bench: Bench
    ) -> None:
        broken = bench.broken()
        create = create_of("p1", {bench.first: "Ann Canary"})
        for call in (
            broken.check,
            lambda: list(broken.listing()),
            lambda: broken.write([create]),
        ):
            with pytest.raises(ConcordError, match=r"\w") as caught:
                call()
            assert_tells_nothing(caught.value, bench.secret, "Ann Canary")
