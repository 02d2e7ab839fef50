"""Processes that never outlive the one that started them; no Airflow here."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import psutil

__all__ = ["die_with_parent", "end_processes", "one_at_a_time"]

_PR_SET_PDEATHSIG = 1  # prctl(2)


def die_with_parent() -> None:
    """Have the kernel kill this process, and every fork of it, when its parent is gone.

    Call it before the first fork. Only Linux can do this; elsewhere it does nothing, and whoever
    started the process ends its tree (`end_processes`).
    """
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            os._exit(1)

    bind()
    os.register_at_fork(after_in_child=bind)


def one_at_a_time(state: Path, *, patience_s: float = 5.0) -> IO[str] | None:
    """Take the lock of *state*; it is held while the returned file, or a fork's copy, is open.

    Args:
        state: folder that only one run may use at a time.
        patience_s: how long to wait; forks of a run just killed let go a little later than it.

    Returns:
        The open lock file; None when another run holds it.
    """
    lock = (state / "lock").open("w")
    end_at = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end_at:
                lock.close()
                return None
            time.sleep(0.1)
        else:
            return lock


def end_processes(pids: Iterable[int], *, grace_s: float) -> None:
    """Ask these processes to end, wait, then kill what is left of them and of their children."""
    roots = _alive(pids)
    trees = {process for root in roots for process in _tree(root)}
    for process in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    psutil.wait_procs(roots, timeout=grace_s)
    left = trees | {process for root in roots for process in _tree(root)}
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def _alive(pids: Iterable[int]) -> list[psutil.Process]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(pid))
    return found


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
