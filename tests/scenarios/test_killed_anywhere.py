"""SIGKILL at every point of a run with sixty people a platform: the next run makes it good.

`make test` kills one history again and again, at each dataset and each kind of call; `make
test-deep` kills at every point, one history each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from end_state import differences, end_state
from killed import SIGKILLED, Undisturbed, run_in_a_process, sent
from mortal import REQUEST, requests_watched

from concord.assets.point import Point

if TYPE_CHECKING:
    from conftest import World

    Make = Callable[[], World]


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


def no_operation_has_two_receipts(world: World) -> None:
    for platform in world.connections:
        receipts = world.frame(f"sync/{platform}/receipts")
        assert receipts["op_id"].is_unique().all(), platform


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


def killed_again_and_again(
    sixty: Make, undisturbed: Undisturbed, fatal: Sequence[Mapping[str, str]]
) -> None:
    """One history: every run but the last dies at its point; it ends as if nothing was."""
    world, began_at = sixty(), datetime.now(UTC)
    done: Counter[str] = Counter()
    for dies in fatal:
        code, points, said = run_in_a_process(world, dies)
        assert code == SIGKILLED, (dies, said)
        done += sent(points)
    done += sent(run_again(world))
    assert differences(end_state(world, began_at), undisturbed.state) == []
    no_operation_has_two_receipts(world)
    assert done == sent(undisturbed.points)


def test_killed_at_every_dataset_and_call_it_ends_as_if_nothing_was(
    sixty: Make, undisturbed: Undisturbed
) -> None:
    fatal = first_of_each(undisturbed.points)
    assert len(fatal) > 30
    killed_again_and_again(sixty, undisturbed, fatal)


def test_killed_while_it_settles_what_a_killed_run_sent_it_ends_as_if_nothing_was(
    sixty: Make, undisturbed: Undisturbed
) -> None:
    fatal = (
        {"of": "address_book", "what": REQUEST, "when": "after"},
        {"of": "address_book", "what": "find", "when": "before"},
        {"of": "address_book", "what": "read", "when": "after"},
        {"of": "sync/address_book/receipts", "when": "before"},
        {"of": "crm", "what": "write", "when": "after"},
        {"of": "crm", "what": "find", "when": "after"},
    )
    killed_again_and_again(sixty, undisturbed, fatal)


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
        found = differences(end_state(world, began_at), undisturbed.state)
        wrong += [f"{number} {point}: {one}" for one in found]
        print(number, point, f"{more} repeated", len(wrong), "wrong", flush=True)
        assert more == 0
    print(
        f"{len(undisturbed.points)} kills in {time.monotonic() - began:.0f} s; repeated: {repeated}"
    )
    assert wrong == []
