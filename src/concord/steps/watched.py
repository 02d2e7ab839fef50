"""A platform whose calls are points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concord.assets.point import At, Point, around
from concord.platforms.base import Capabilities, CheckReport, Operation, Page, Receipt, Record
from concord.platforms.registry import Platform

__all__ = ["Watched"]


class Watched:
    """Source and sink; asking for a page is one call, also when there is none left."""

    def __init__(self, platform: Platform, name: str, at: At) -> None:
        self._platform = platform
        self._name = name
        self._at = at

    @property
    def capabilities(self) -> Capabilities:
        """See `Source.capabilities`."""
        return self._platform.capabilities

    def check(self) -> CheckReport:
        """See `Source.check`."""
        with around(self._at, self._call("check")):
            return self._platform.check()

    def changes(self, cursor: str) -> Iterator[Page]:
        """See `Source.changes`."""
        yield from self._pages("changes", self._platform.changes(cursor))

    def listing(self) -> Iterator[Page]:
        """See `Source.listing`."""
        yield from self._pages("listing", self._platform.listing())

    def read(self, remote_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.read`."""
        with around(self._at, self._call("read", len(remote_ids))):
            return self._platform.read(remote_ids)

    def find(self, person_ids: Sequence[str]) -> Sequence[Record]:
        """See `Source.find`."""
        with around(self._at, self._call("find", len(person_ids))):
            return self._platform.find(person_ids)

    def write(self, operations: Sequence[Operation]) -> Sequence[Receipt]:
        """See `Sink.write`."""
        with around(self._at, self._call("write", len(operations))):
            return self._platform.write(operations)

    def _call(self, what: str, size: int = 0) -> Point:
        return Point("call", self._name, what, size)

    def _pages(self, what: str, pages: Iterator[Page]) -> Iterator[Page]:
        point = self._call(what)
        while True:
            with around(self._at, point):
                page = next(pages, None)
            if page is None:
                return
            yield page
