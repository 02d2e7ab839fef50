"""What a piece of work costs: CPU seconds of this process and its peak memory meanwhile."""

from __future__ import annotations

import gc
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

__all__ = ["measured", "said"]

_MEGABYTE = 1024
Answer = TypeVar("Answer")


def measured(what: str, work: Callable[[], Answer], *, against: str | None = None) -> Answer:
    """Do *work* and print its cost as one line of JSON.

    Args:
        what: names the row; unique within its subject.
        against: name of an earlier row of the subject, whose CPU seconds the ratio divides by.
    """
    gc.collect()
    resident = _forgotten_peak()
    begun = time.process_time()
    answer = work()
    cpu = time.process_time() - begun
    said(what, cpu_s=round(cpu, 3), peak_mb=_peak(), before_mb=resident, against=against)
    return answer


def said(what: str, **facts: float | str | None) -> None:
    """Print one row."""
    print(json.dumps({"what": what, **facts}), flush=True)


def _forgotten_peak() -> int | None:
    """Let the kernel forget the peak so far (Linux, proc(5): clear_refs); memory in use, in MB."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _status("VmRSS")
    except OSError:
        return None


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _MEGABYTE


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = next(line for line in lines if line.startswith(f"{name}:"))
    return int(found.split()[1]) // _MEGABYTE
