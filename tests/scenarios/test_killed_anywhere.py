"""SIGKILL at every point of a run with sixty people a platform; the next run ends as if nothing was.

`make test` kills one history again and again, at each dataset and each kind of call; `make
test-deep` kills at every point, one history each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from end_state import State, differences, end_state
from mortal import REQUEST, requests_watched

from concord.assets.point import Point

if TYPE_CHECKING:
    from conftest import World

PROGRAM = Path(__file__).with_name("mortal.py")
SIGKILLED = -9

Make = Callable[[], "World"]
Dies = int | Mapping[str, str] | None


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


def run_again(world: World) -> list[Point]:
    """Run to rest in this process, then make sure that nothing is left to do."""
    points: list[Point] = []
    watched = replace(world.ctx, at=points.append)
    world.ctx, plain = watched, world.ctx
    with requests_watched(points.append):
        run = world.run()
    world.ctx = plain
    assert run.failed == {}
    world.settle_down()
    return points


def sent(points: Iterable[Point]) -> Counter[str]:
    """Operations that each platform certainly carried out."""
    found: Counter[str] = Counter()
    for one in points:
        what = REQUEST if one.of == "address_book" else "write"
        if (one.kind, one.what, one.when) == ("call", what, "after"):
            found[one.of] += one.size
    return found


def no_operation_has_two_receipts(world: World) -> None:
    for platform in world.connections:
        receipts = world.frame(f"sync/{platform}/receipts")
        assert receipts["op_id"].is_unique().all(), platform


@dataclass(frozen=True)
class Undisturbed:
    """A run that nobody kills."""

    points: Sequence[Point]
    state: State


@pytest.fixture(scope="module")
def undisturbed(sixty: Make) -> Undisturbed:
    world, began_at = sixty(), datetime.now(UTC)
    before = world.versions()
    code, points, said = run_in_a_process(world, None)
    assert code == 0, said
    commits = Counter(one.of for one in points if (one.kind, one.when) == ("commit", "after"))
    del commits["ops/runs"]
    after = world.versions()
    assert commits == {n: v - before[n] for n, v in after.items() if v != before[n]}
    world.settle_down()
    return Undisturbed(points, end_state(world, began_at))


def first_of_each(points: Sequence[Point]) -> list[dict[str, str]]:
    """The first point at each dataset, and of each call, in turn before and after it."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in points:
        key = (one.of, one.what if one.kind == "call" else "")
        if key not in found:
            when = ("before", "after")[len(found) % 2]
            found[key] = {"kind": one.kind, "of": one.of, "when": when}
            found[key] |= {"what": one.what} if one.kind == "call" else {}
    return list(found.values())


def test_one_history_killed_at_every_dataset_and_call_ends_as_if_nothing_was(
    sixty: Make, undisturbed: Undisturbed
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    done: Counter[str] = Counter()
    fatal = first_of_each(undisturbed.points)
    assert len(fatal) > 30
    for dies in fatal:
        code, points, said = run_in_a_process(world, dies)
        assert code == SIGKILLED, (dies, said)
        done += sent(points)
    done += sent(run_again(world))
    assert differences(end_state(world, began_at), undisturbed.state) == []
    no_operation_has_two_receipts(world)
    assert done == sent(undisturbed.points)


@pytest.mark.parametrize("what", ["find", "read"])
def test_a_run_killed_while_it_settles_what_a_killed_one_sent_ends_as_if_nothing_was(
    sixty: Make, undisturbed: Undisturbed, what: str
) -> None:
    world, began_at = sixty(), datetime.now(UTC)
    done: Counter[str] = Counter()
    for dies in (
        {"of": "address_book", "what": REQUEST, "when": "after"},
        {"of": "address_book", "what": what, "when": "before"},
        {"of": "address_book", "what": what, "when": "after"},
        {"of": "sync/address_book/receipts", "when": "before"},
        {"of": "crm", "what": "write", "when": "after"},
        {"of": "crm", "what": "find", "when": "after"},
    ):
        code, points, said = run_in_a_process(world, dies)
        assert code == SIGKILLED, (dies, said)
        done += sent(points)
    done += sent(run_again(world))
    assert differences(end_state(world, began_at), undisturbed.state) == []
    no_operation_has_two_receipts(world)
    assert done == sent(undisturbed.points)


@pytest.mark.deep
@pytest.mark.timeout(7200)
def test_a_run_killed_at_any_point_is_made_good_by_the_next(
    sixty: Make, undisturbed: Undisturbed
) -> None:
    began, repeated, wrong = time.monotonic(), Counter[int](), []
    for number, point in enumerate(undisturbed.points):
        world, began_at = sixty(), datetime.now(UTC)
        code, points, said = run_in_a_process(world, number)
        assert (code, points[-1]) == (SIGKILLED, point), said
        done = sent(points) + sent(run_again(world))
        no_operation_has_two_receipts(world)
        more = sum((done - sent(undisturbed.points)).values())
        repeated[more] += 1
        for one in differences(end_state(world, began_at), undisturbed.state):
            wrong.append(f"{number} {point}: {one}")
        print(number, point, f"{more} repeated", len(wrong), "wrong", flush=True)
        assert more == 0
    print(
        f"{len(undisturbed.points)} kills in {time.monotonic() - began:.0f} s; repeated: {repeated}"
    )
    assert wrong == []
