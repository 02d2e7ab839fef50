"""kill -9 on Airflow's own scheduler, with sixty people on three real platforms."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from end_state import differences, end_state, whoever_was_read_last
from killed import Undisturbed
from reaper import Reaper
from receiver import Web
from rich.console import Console

from concord.airflow.front import RunReport, run_in_front
from concord.platforms.connection import Connection

if TYPE_CHECKING:
    from conftest import World

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

DAG_FILE = '''"""Every Airflow Dag."""

from fatal import FatalOperator

from concord.airflow import render_dags

globals().update(render_dags(__file__, operator=FatalOperator))
'''


def scheduled(made: World) -> World:
    """The world with a project that Airflow can run."""
    made.for_airflow(DAG_FILE)
    fatal(made)
    return made


def fatal(world: World, **points: Any) -> None:
    """Let tasks, or the worker, die at these points."""
    told = [{"whom": whom, "point": one} for whom, some in points.items() for one in some]
    (world.root / "fatal.json").write_text(json.dumps(told))


def alive(world: World) -> bool:
    """Whether every point that was to be fatal was reached."""
    return json.loads((world.root / "fatal.json").read_text()) == []


def run(world: World) -> RunReport:
    variables = {**world.variables(), "PYTHONPATH": str(Path(__file__).parent)}
    return run_in_front(
        world.root,
        world.root / ".concord" / "airflow",
        extra=variables,
        console=Console(file=io.StringIO()),
    )


def ends(report: RunReport, step: str, platform: str | None = None) -> list[str]:
    return [one.state for one in report.tasks if (one.step, one.platform) == (step, platform)]


def test_killed_while_publishing_and_while_delivering_it_ends_as_if_nothing_was(
    sixty: Callable[[], World], undisturbed: Undisturbed, alerted: Web
) -> None:
    world, began_at = scheduled(sixty()), datetime.now(UTC)
    world.connections["concord_alerts"] = Connection("alerts", "apprise", extra=alerted.extra)
    fatal(
        world,
        task=[{"of": "golden/contacts", "when": "after"}],
        worker=[{"of": "address_book", "what": "write", "when": "after"}],
    )
    first = run(world)
    assert alive(world)
    assert ends(first, "survivorship")[1:2] == ["success"]
    assert "signal 9" in first.text
    delivering = {"job": "deliver.newsletter", "kind": "call", "when": "before"}
    fatal(world, task=[delivering | {"what": "write"}, delivering | {"what": "find"}])
    second = run(world)
    assert alive(world)
    assert second.exit_code == 1
    assert "failed" in ends(second, "deliver", "newsletter")
    told = [(one["kind"], one["step"], one["platform"]) for one in world.rows("ops/incidents")]
    assert told == [("killed", "deliver", "newsletter")]
    third = run(world)
    assert (third.exit_code, third.text) == (0, "")
    (incident,) = world.rows("ops/incidents")
    assert (incident["state"], incident["times"]) == ("closed", 1)
    titles = [one["title"] for one in alerted.posted]
    assert titles == ["Concord acme: 1 incident", "Concord acme: 1 recovered"]
    assert "killed: deliver.newsletter, sync/newsletter/receipts" in alerted.posted[0]["message"]
    world.settle_down()
    assert differences(end_state(world, began_at), undisturbed.state) == []


@pytest.mark.deep
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(10))
def test_killed_at_random_until_a_run_survives_it_ends_as_if_nothing_was(
    sixty: Callable[[], World], undisturbed: Undisturbed, seed: int
) -> None:
    chance, kills = random.Random(seed), 0
    while kills < 5:
        world, began_at, killed = scheduled(sixty()), datetime.now(UTC), "task"
        while killed:
            with Reaper(chance) as reaper:
                report = run(world)
            killed = reaper.killed
            kills += bool(killed)
            print(seed, kills, killed or "survived", report.exit_code, flush=True)
        assert (report.exit_code, report.text) == (0, "")
        assert {one["kind"] for one in world.rows("ops/incidents")} <= {"killed"}
        world.settle_down()
        found = whoever_was_read_last(end_state(world, began_at))
        assert differences(found, whoever_was_read_last(undisturbed.state)) == []
