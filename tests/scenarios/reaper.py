"""kill -9 from outside, at random: of a task's process, or of the whole worker with it."""

from __future__ import annotations

import random
import threading
import time
from typing import Self

import psutil

__all__ = ["Reaper"]

_WORKER = "concord.airflow.worker"
_LATEST_TASK = 24
_LONGEST_S = 0.8


class Reaper(threading.Thread):
    """Waits for a random task of the run that this process has in front, and a little longer.

    Attributes:
        killed: ``task`` or ``worker``; empty when the run was over before.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.killed = ""
        self._nth = chance.randint(1, _LATEST_TASK)
        self._later_s = chance.uniform(0, _LONGEST_S)
        self._whole = chance.random() < 0.5
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Kill once."""
        seen: set[int] = set()
        while not self._over.is_set() and len(seen) < self._nth:
            seen |= {one.pid for worker in _named(psutil.Process()) for one in _named(worker)}
            time.sleep(0.01)
        if self._over.wait(self._later_s):
            return
        for worker in _named(psutil.Process()):
            tasks = [] if self._whole else _named(worker)
            whom = tasks[-1] if tasks else worker
            try:
                whom.kill()
            except psutil.NoSuchProcess:
                return
            self.killed = "task" if tasks else "worker"


def _named(parent: psutil.Process) -> list[psutil.Process]:
    """Children that run the worker's program: a fork of it is a task."""
    try:
        return [one for one in parent.children() if _runs_the_worker(one)]
    except psutil.NoSuchProcess:
        return []


def _runs_the_worker(process: psutil.Process) -> bool:
    try:
        return _WORKER in process.cmdline()
    except psutil.NoSuchProcess:
        return False
