"""What the calls to a platform took: a connector counts, whoever opened it adds up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

__all__ = ["Effort"]


@dataclass(slots=True)
class Effort:
    """Counts and seconds; no personal data.

    Attributes:
        calls: requests, statements or files opened, repeated ones too.
        retries: calls that were made again after a failed one.
        throttled_s: seconds waited because the platform asked for it.
        batch_s: seconds inside calls of the connector, its own waiting included.
        bytes_in: what came back, as far as the kind can tell.
    """

    calls: int = 0
    retries: int = 0
    throttled_s: float = 0.0
    batch_s: float = 0.0
    bytes_in: int = 0

    def add(self, other: Effort) -> None:
        """Take *other* in."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the block's seconds as inside a call, also when it raises."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.batch_s += time.monotonic() - began
