"""Split a plan among several writers: by record, into chunks of the same eight slots.

A slot is the same whoever counts: two runs that split one plan differently still agree on which
operations belong together, so the slots that one of them holds are closed to the other.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable

from concord.sync.operations import PlannedOperation

__all__ = ["EVERY_SLOT", "SLOTS", "chunks_for", "slot_of", "slots_of"]

SLOTS = 8
"""Most chunks of one plan."""

EVERY_SLOT = frozenset(range(SLOTS))


def slot_of(op: PlannedOperation) -> int:
    """The slot of an operation: all of one record are in one, a create goes by its person."""
    return zlib.crc32(op.record_id.encode()) % SLOTS


def slots_of(chunk: int, of: int) -> frozenset[int]:
    """The slots of one of *of* chunks; all chunks together have every slot once."""
    return frozenset(range(chunk, SLOTS, of))


def chunks_for(ops: Collection[PlannedOperation], *, batch: int, writers: int) -> int:
    """How many chunks are worth a writer of their own; 0 when there is nothing to do.

    Args:
        ops: operations that are free to be sent; agree rows need no call.
        batch: operations that the platform takes in one call.
        writers: most writers at once.
    """
    calls = -(-_sent(ops) // batch)
    return min(SLOTS, writers, max(1, calls)) if ops else 0


def _sent(ops: Iterable[PlannedOperation]) -> int:
    return sum(op.kind != "agree" for op in ops)
