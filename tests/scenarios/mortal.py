"""A run to rest in a process of its own, which kills itself at a point.

Takes JSON on its standard input: ``root``, ``connections``, ``record_key``, ``run``, ``journal``
(every point is written there before anything else happens), ``dies``: how many points it
survives, or what the fatal one looks like; null for a run that nothing disturbs; and ``stops``:
what the points look like at which it stops, one after the other, until it is told to go on; and
``maintains``: datasets to maintain in place of a run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import structlog

from concord.assets.commit import RunId
from concord.assets.point import At, Point, around
from concord.assets.table import Lake
from concord.platforms.connection import Connection
from concord.platforms.dav import Dav
from concord.platforms.files_folder import Folder, Found
from concord.project import load
from concord.steps.context import Context
from concord.steps.maintain import maintain
from concord.steps.rounds import run_to_rest

REQUEST = "request"
"""What a point is called that is one writing HTTP request: an address book's batch has many."""


FILE = "file"
"""What a point is called that is one file of cards: a batch may write many."""


@contextmanager
def requests_watched(at: At) -> Iterator[None]:
    """Make a point of every writing request, for as long as the block runs."""
    plain = Dav.write

    def watched(self: Dav, *arguments: Any) -> Any:
        with around(at, Point("call", self.platform, REQUEST, 1)):
            return plain(self, *arguments)

    Dav.write = watched  # type: ignore[method-assign]
    try:
        yield
    finally:
        Dav.write = plain  # type: ignore[method-assign]


@contextmanager
def cards_watched(at: At) -> Iterator[None]:
    """Make points of every file of cards that is written: when its content is ready, and after."""
    replaced, added = Folder.replace, Folder.add

    def replace(self: Folder, found: Found, fill: Callable[[IO[bytes]], bool]) -> None:
        point = Point("call", self.platform, FILE, 1)
        news = False

        def filled(stream: IO[bytes]) -> bool:
            nonlocal news
            news = fill(stream)
            if news and self.every:
                at(point)
            return news

        replaced(self, found, filled)
        if news and self.every:
            at(dataclasses.replace(point, when="after"))

    def add(self: Folder, *arguments: Any) -> None:
        with around(at, Point("call", self.platform, FILE, 1)):
            added(self, *arguments)

    Folder.replace, Folder.add = replace, add  # type: ignore[method-assign]
    try:
        yield
    finally:
        Folder.replace, Folder.add = replaced, added  # type: ignore[method-assign]


class _Mortal:
    def __init__(self, journal: str, dies: Any, stops: Any) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._dies = dies
        self._stops = stops
        self._survived = 0

    def __call__(self, point: Point) -> None:
        told = asdict(point)
        os.write(self._journal, (json.dumps(told) + "\n").encode())
        here = (
            self._survived == self._dies
            if isinstance(self._dies, int)
            else self._dies is not None and self._dies.items() <= told.items()
        )
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        self._survived += 1
        if self._stops and self._stops[0].items() <= told.items():
            del self._stops[0]
            os.kill(os.getpid(), signal.SIGSTOP)


def main() -> None:
    heard = os.fdopen(os.dup(1), "w", buffering=1)  # a step's own standard output leads nowhere
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(heard))
    told = json.load(sys.stdin)
    root = Path(told["root"])
    connections = {name: Connection(**one) for name, one in told["connections"].items()}
    at = _Mortal(told["journal"], told["dies"], told["stops"])
    ctx = Context(
        project=load(root, "demo"),
        run=RunId("mortal", "mortal"),
        lake=Lake(str(root / "lake")),
        record_key=bytes.fromhex(told["record_key"]),
        connect=connections.__getitem__,
        now=lambda: datetime.now(UTC),
        tell=lambda _: None,
        at=at,
    )
    with requests_watched(at), cards_watched(at):
        if told["maintains"]:
            for name in told["maintains"]:
                maintain(ctx, dataset=name)
            sys.exit(None)
        run = run_to_rest(ctx, told["run"])
    sys.exit(", ".join(run.failed) or None)


if __name__ == "__main__":
    main()
