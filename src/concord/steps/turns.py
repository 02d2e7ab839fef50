"""Whose turn it is to call a platform: one reader, or writers of different slots.

A platform cannot compare and swap for us: a listing taken while another run writes would show new
records as missing and our own writes as people's edits, and two runs would send one operation
twice. In Airflow the platform's pool keeps such tasks apart. Two runs beside each other on one
host (by hand and by schedule) wait for each other here, by locks that end with their process. A
lake in an object store has no such locks; there the pool has to do.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from concord.steps.context import Context
from concord.sync.chunks import EVERY_SLOT

__all__ = ["turn"]

log = structlog.get_logger(__name__)


@contextmanager
def turn(ctx: Context, platform: str, slots: Collection[int] = EVERY_SLOT) -> Iterator[None]:
    """Wait until nobody else has any of *slots* of the platform, and keep them for the block.

    Args:
        slots: all of them for a reader.
    """
    if "://" in ctx.lake.root:
        yield
        return
    folder = Path(ctx.lake.root) / ".turns"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        for slot in sorted(slots):  # in one order, so that nobody waits in a ring
            handle = os.open(folder / f"{platform}.{slot}", os.O_RDWR | os.O_CREAT, 0o600)
            held.callback(os.close, handle)
            _take(handle, platform)
        yield


def _take(handle: int, platform: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for another run that calls the platform", platform=platform)
        fcntl.flock(handle, fcntl.LOCK_EX)
