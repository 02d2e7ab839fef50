"""A platform seen from its own side, for tests: what its users do there, and what befalls it."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from concord.platforms.base import Native, Sink, Source

__all__ = ["Bench", "Connector", "Trouble", "assert_tells_nothing"]


class Trouble(StrEnum):
    """What can befall a platform or the way to it."""

    DOWN = "down"  # nobody answers
    HANGS = "hangs"  # it takes the call and says nothing
    HALF = "half"  # it hangs up in the middle of an answer
    FAILS = "fails"  # it answers that it failed (HTTP 500)
    THROTTLES = "throttles"  # it names the time to wait (HTTP 429)
    REFUSES = "refuses"  # the login, or the place, is no longer ours to use
    BABBLES = "babbles"  # its answers are not what they should be


class Connector(Source, Sink, Protocol):
    """Source and sink in one object, as every kind of ours is; *batch* as in `registry.Kind`."""

    batch: int


class Bench(ABC):
    """One empty platform, and what its own users do there.

    Attributes:
        connector: reads and writes the platform; two single-valued text fields are mapped.
        first: native field mapped and written.
        second: another one.
        listed: native field that holds a list, or None where the kind has none.
        poison: native values that the platform refuses for good, or None where it takes all.
        secret: what no error may show (a password of the connection).
        forgotten: a cursor that the platform does not know any more, or None where the kind's
            cursors never expire.
    """

    connector: Connector
    first: str
    second: str
    listed: str | None = None
    poison: Mapping[str, Native] | None = None
    secret: str = ""
    forgotten: str | None = None

    @abstractmethod
    def add(self, fields: Mapping[str, str | None]) -> str:
        """A user makes a record; returns its remote_id."""

    @abstractmethod
    def edit(self, remote_id: str, fields: Mapping[str, str | None]) -> None:
        """A user changes mapped fields of a record."""

    @abstractmethod
    def remove(self, remote_id: str) -> None:
        """A user deletes a record."""

    @abstractmethod
    def annotate(self, remote_id: str, text: str) -> None:
        """A user writes *text* into something of the record that Concord does not map."""

    @abstractmethod
    def annotation(self, remote_id: str) -> str | None:
        """What stands there now."""

    @abstractmethod
    def broken(self) -> Connector:
        """A connector to the same kind of platform at an address where there is none."""

    @abstractmethod
    def spoil(self) -> str | None:
        """A user makes a record that cannot be read whole, after the others.

        Returns:
            The fault it has, or None where the platform keeps every record whole.
        """

    @abstractmethod
    def troubled(self, trouble: Trouble) -> AbstractContextManager[Connector | None]:
        """The platform in trouble as long as the context lasts.

        Yields:
            A connector to it, which goes on living after the trouble (patient for a second at most
            with a platform that hangs); None where a platform of this kind has no such trouble.
        """

    def fill(self, count: int) -> None:
        """A user makes many records; override where that is quicker in one go."""
        for number in range(count):
            self.add({self.first: f"first {number}", self.second: None})


def assert_tells_nothing(error: BaseException, *secrets: str) -> None:
    """Assert that neither the error nor anything chained to it shows one of *secrets*."""
    told = "".join(traceback.format_exception(error)) + repr(error)
    for secret in secrets:
        assert not secret or secret not in told
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
