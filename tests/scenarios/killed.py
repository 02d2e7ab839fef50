"""A run in a process that dies at a point, and one that nobody kills, to compare it with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from end_state import State, end_state
from mortal import REQUEST

from concord.assets.point import Point

if TYPE_CHECKING:
    from conftest import World

__all__ = ["SIGKILLED", "Dies", "Undisturbed", "run_in_a_process", "run_undisturbed", "sent"]

PROGRAM = Path(__file__).with_name("mortal.py")
SIGKILLED = -9

Dies = int | Mapping[str, str] | None
"""How many points it survives, or what the fatal one looks like; None: it ends well."""


def run_in_a_process(world: World, dies: Dies) -> tuple[int, list[Point], str]:
    """Its exit code, its points, and what it said at last."""
    journal = world.root / "points.jsonl"
    journal.unlink(missing_ok=True)
    order = {
        "root": str(world.root),
        "connections": {name: asdict(one) for name, one in world.connections.items()},
        "record_key": world.record_key.hex(),
        "run": f"mortal-{datetime.now(UTC).timestamp()}",
        "journal": str(journal),
        "dies": dies,
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    points = [Point(**json.loads(line)) for line in journal.read_text().splitlines()]
    return done.returncode, points, done.stderr[-2000:]


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
