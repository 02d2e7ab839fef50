"""A run in a process that dies at a point, and one that nobody kills, to compare it with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from end_state import State, end_state
from mortal import REQUEST

from concord.assets.point import Point
from concord.platforms.connection import Connection

if TYPE_CHECKING:
    from conftest import World

__all__ = [
    "SIGKILLED",
    "Dies",
    "Running",
    "Runs",
    "Undisturbed",
    "run_in_a_process",
    "run_undisturbed",
    "sent",
]

PROGRAM = Path(__file__).with_name("mortal.py")
SIGKILLED = -9

Dies = int | Mapping[str, str] | None
"""How many points it survives, or what the fatal one looks like; None: it ends well."""


class Runs(Protocol):
    """What a run in a process of its own needs of a world."""

    root: Path
    connections: dict[str, Connection]
    record_key: bytes


class Running:
    """A run to rest in a process of its own, as it goes on."""

    def __init__(
        self,
        world: Runs,
        name: str,
        *,
        dies: Dies = None,
        stops: Sequence[Mapping[str, str]] = (),
        maintains: Sequence[str] = (),
    ) -> None:
        self._journal = world.root / f"{name}-points.jsonl"
        self._journal.unlink(missing_ok=True)
        order = {
            "root": str(world.root),
            "connections": {name: asdict(one) for name, one in world.connections.items()},
            "record_key": world.record_key.hex(),
            "run": f"{name}-{datetime.now(UTC).timestamp()}",
            "journal": str(self._journal),
            "dies": dies,
            "stops": list(stops),
            "maintains": list(maintains),
        }
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order))
        self.process.stdin.close()
        self.process.stdin = None

    def says(self, text: str) -> bool:
        """Wait until it logs *text*; false when it ends without."""
        assert self.process.stdout is not None
        return any(text in line for line in self.process.stdout)

    def stopped(self) -> bool:
        """Wait until it stops; false when it ends instead."""
        return os.WIFSTOPPED(os.waitpid(self.process.pid, os.WUNTRACED)[1])

    def goes_on(self) -> None:
        """Continue a stopped one."""
        self.process.send_signal(signal.SIGCONT)

    def ended(self) -> tuple[int, list[Point], str]:
        """Wait for its end: its exit code, its points, and what it said at last."""
        said = self.process.communicate(timeout=120)[1]
        points = [Point(**json.loads(line)) for line in self._journal.read_text().splitlines()]
        return self.process.returncode, points, said[-2000:]


def run_in_a_process(world: Runs, dies: Dies) -> tuple[int, list[Point], str]:
    """A whole run; see `Running.ended`."""
    return Running(world, "mortal", dies=dies).ended()


def sent(points: Iterable[Point]) -> Counter[str]:
    """Operations that each platform certainly carried out."""
    found: Counter[str] = Counter()
    for one in points:
        what = REQUEST if one.of == "address_book" else "write"
        if (one.kind, one.what, one.when) == ("call", what, "after"):
            found[one.of] += one.size
    return found


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody kills goes through and leaves behind."""

    points: Sequence[Point]
    state: State


def run_undisturbed(world: World) -> Undisturbed:
    """Every commit of it is a point."""
    began_at, before = datetime.now(UTC), world.versions()
    code, points, said = run_in_a_process(world, None)
    assert code == 0, said
    commits = Counter(one.of for one in points if (one.kind, one.when) == ("commit", "after"))
    del commits["ops/runs"]
    after = world.versions()
    assert commits == {n: v - before[n] for n, v in after.items() if v != before[n]}
    world.settle_down()
    return Undisturbed(points, end_state(world, began_at))
