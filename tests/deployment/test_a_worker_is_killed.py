"""The deployment of compose.yaml: two Celery workers, one killed while it delivers."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from compose import env_values
from dockerfile import instructions, sources
from end_state import end_state, outcome, records_of
from killed import run_undisturbed
from stack import Stack

from concord.assets.table import Lake
from concord.demo.postgres import Postgres
from machine import DEPLOY, redis_server

if TYPE_CHECKING:
    from scenarios import World

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(480),
    pytest.mark.skipif(redis_server() is None, reason="no redis-server: no wheel, none on PATH"),
]

HELD = "newsletter"
WORKERS = ("w1", "w2")
DAG_FILE = '''"""Every Airflow Dag; the first delivery is held up."""

from held import HeldOperator

from concord.airflow import render_dags

globals().update(render_dags(__file__, operator=HeldOperator))
'''
FOR_A_TEST = """    delivery: auto
    windows: ignore
    retries: {tries: 4, first_delay_s: 0.5}
"""


def project(folder: Path) -> Path:
    """The reference project, as the image has it, for people who do not wait for the night."""
    folder.mkdir()
    for source, target in sources(instructions(DEPLOY / "Dockerfile"), 2):
        here, place = DEPLOY.parent / source, folder / target
        shutil.copytree(here, place) if here.is_dir() else shutil.copy(here, place)
    with (folder / "concord.yaml").open("a", encoding="utf-8") as declared:
        declared.write(FOR_A_TEST)  # its last environment is the deployed one
    (folder / "dags" / "contact_sync.py").write_text(DAG_FILE, encoding="utf-8")
    return folder


def new_variables(folder: Path) -> dict[str, str]:
    """An .env as new_env.py makes it; the record key is that of the world compared with."""
    spec = importlib.util.spec_from_file_location("new_env", DEPLOY / "new_env.py")
    assert spec is not None
    assert spec.loader is not None
    new_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(new_env)
    new_env.main(folder / ".env")
    told = env_values((folder / ".env").read_text(encoding="utf-8"))
    return told | {"RECORD_KEY": "k" * 32, "WORKER_CONCURRENCY": "1"}


def connections(world: World) -> dict[str, str]:
    """What connections.env says of the world's platforms."""
    told = world.variables()
    return {
        f"AIRFLOW_CONN_{name.upper()}": told[f"AIRFLOW_CONN_{name.upper()}"]
        for name in world.connections
    }


def quiet(stack: Stack) -> bool:
    """Whether no run goes on, and no asset event waits for one."""
    runs = "select 1 from dag_run where state in ('queued', 'running') limit 1"
    return not (stack.rows(runs) or stack.rows("select 1 from asset_dag_run_queue limit 1"))


def shown_secrets(stack: Stack) -> list[str]:
    """Secrets of the .env that stand in something written by a service, and where."""
    names = (
        "RECORD_KEY",
        "S3_SECRET_KEY",
        "POSTGRES_PASSWORD",
        "REDIS_PASSWORD",
        "FERNET_KEY",
        "API_SECRET_KEY",
        "JWT_SECRET",
        "ADMIN_PASSWORD",
    )
    written = [
        one
        for part in ("said", "airflow/logs", "project")
        for one in (stack.folder / part).rglob("*")
        if one.is_file()
    ]
    assert len(written) > 40
    return [
        f"{name} in {one.name}"
        for one in written
        for name in names
        if stack.values[name].encode() in one.read_bytes()
    ]


def test_two_workers_of_which_one_dies_in_a_delivery_end_as_if_nothing_was(
    tmp_path: Path, sixty: Callable[[], World], postgres: Postgres
) -> None:
    stack = Stack(tmp_path, project(tmp_path / "project"), postgres, new_variables(tmp_path), HELD)
    with stack:
        undisturbed = run_undisturbed(sixty())
        world, began_at = sixty(), datetime.now(UTC)
        stack.connections = connections(world)
        stack.serve(WORKERS)
        stack.log_in()
        for platform in world.ctx.project.platforms:
            stack.ask(f"/api/v2/dags/extract_{platform}/dagRuns", {"logical_date": None})
        assert stack.check_health() == {}
        held = tmp_path / "airflow" / "held.json"
        stack.until(held.exists)
        dead = json.loads(held.read_text())["worker"]
        assert stack.kill(dead) >= 3  # the worker, its pool's process, the task
        stack.until(lambda: quiet(stack))
        (living,) = set(WORKERS) - {dead}
        told = "select try_number, state, hostname from {} where task_id = 'deliver' and run_id in "
        told += "(select run_id from task_instance_history where task_id = 'deliver')"
        assert stack.rows(told.format("task_instance_history")) == [(1, "failed", dead)]
        assert (2, "skipped", living) in stack.rows(told.format("task_instance"))  # settled
        assert stack.rows("select dag_id, state from dag_run where state <> 'success'") == []
        worked = stack.rows(
            "select hostname, count(*) from task_instance group by 1 having hostname <> ''"
        )
        assert {name for name, tasks in worked if tasks > 3} == set(WORKERS)
        assert (tmp_path / "airflow" / "alerts").exists()
        assert stack.concord("doctor", "maintain") == [0, 0]
        stack.copy_lake(tmp_path / "copy")
    logs = [one.read_text() for one in (tmp_path / "airflow" / "logs").rglob("*.log")]
    assert [one for one in logs if "incident not written" in one] == []
    assert shown_secrets(stack) == []
    world.ctx = dataclasses.replace(world.ctx, lake=Lake(str(tmp_path / "copy" / "acme")))
    assert world.rows("ops/incidents") == []
    nightly = world.run()  # what no event asks for
    assert (nightly.failed, nightly.writes) == ({}, 0)
    world.settle_down()
    for platform in world.ctx.project.platforms:
        assert world.frame(f"sync/{platform}/receipts")["op_id"].is_unique().all()
    found = end_state(world, began_at)
    assert records_of(found) == records_of(undisturbed.state)
    assert outcome(found) == outcome(undisturbed.state)
