"""How often, and how long between, a commit is tried while other writers win."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

__all__ = ["ATTEMPTS", "attempts"]

ATTEMPTS = 12
_LONGEST_S = 5.0


def attempts() -> Iterator[int]:
    """Numbers from 0; before each but the first it waits, on average twice as long, with jitter."""
    for number in range(ATTEMPTS):
        if number:
            time.sleep(min(_LONGEST_S, 0.05 * 2**number) * random.random())
        yield number
