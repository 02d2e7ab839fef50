"""A platform whose calls are points, and are counted and timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from concord.assets.point import At, Point, around
from concord.platforms.base import Capabilities, CheckReport, Operation, Page, Receipt, Record
from concord.platforms.effort import Effort
from concord.platforms.registry import Platform

__all__ = ["Watched"]


class Watched:
    """Source and sink; asking for a page is one call, also when there is none left.

    Attributes:
        effort: what the calls took, as the connector counts them, or else as they are seen here.
    """

    def __init__(self, platform: Platform, name: str, at: At) -> None:
        self._platform = platform
        self._name = name
        self._at = at
        own = getattr(platform, "effort", None)
        self._counts = not isinstance(own, Effort)
        self.effort = own if isinstance(own, Effort) else Effort()

    @property
    def capabilities(self) -> Capabilities:
        """See `Source.capabilities`."""
        return self._platform.capabilities

    def check(self) -> CheckReport:
        """See `Source.check`."""
        with self._call("check"):
            return self._platform.check()

    def changes(self, cursor: str) -> Iterator[Page]:
        """See `Source.changes`."""
        yield from self._pages("changes", self._platform.changes(cursor))

    def listing(self) -> Iterator[Page]:
        """See `Source.listing`."""
        yield from self._pages("listing", self._platform.listing())

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.read`."""
        with self._call("read", len(remote_ids)):
            return self._platform.read(remote_ids)

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.find`."""
        with self._call("find", len(person_ids)):
            return self._platform.find(person_ids)

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """See `Sink.write`."""
        with self._call("write", len(operations)):
            return self._platform.write(operations)

    @contextmanager
    def _call(self, what: str, size: int = 0) -> Iterator[None]:
        self.effort.calls += self._counts
        with around(self._at, Point("call", self._name, what, size)), self.effort.timed():
            yield

    def _pages(self, what: str, pages: Iterator[Page]) -> Iterator[Page]:
        while True:
            with self._call(what):
                page = next(pages, None)
            if page is None:
                return
            yield page
