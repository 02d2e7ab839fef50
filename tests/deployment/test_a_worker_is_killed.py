"""The deployment of compose.yaml: two Celery workers, one killed while it delivers."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from compose import env_values
from dockerfile import instructions, sources
from end_state import end_state
from killed import Undisturbed
from stack import DEPLOY, Stack, redis_server

from concord.assets.table import Lake
from concord.demo.postgres import Postgres

if TYPE_CHECKING:
    from scenarios import World

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(240),
    pytest.mark.skipif(redis_server() is None, reason="no redis-server: no wheel, none on PATH"),
]

ROOT = DEPLOY.parent
WORKERS = ("w1", "w2")
T0 = time.monotonic()
def lap(x): print(f"{time.monotonic()-T0:.1f} {x}", flush=True)

DAG_FILE = '''"""Every Airflow Dag."""

from held import HeldOperator

from concord.airflow import render_dags

globals().update(render_dags(__file__, operator=HeldOperator))
'''


def image(folder: Path) -> Path:
    """The project, as the Dockerfile copies it."""
    for source, target in sources(instructions(DEPLOY / "Dockerfile"), 2):
        place, here = folder / target, ROOT / source
        shutil.copytree(here, place) if here.is_dir() else shutil.copy(here, place)
    text = (folder / "concord.yaml").read_text()
    quick = "    delivery: auto\n    windows: ignore\n    retries: {tries: 4, first_delay_s: 0.5}\n"
    (folder / "concord.yaml").write_text(text + quick)
    (folder / "dags" / "contact_sync.py").write_text(DAG_FILE)
    return folder


def variables(folder: Path, world: World) -> dict[str, str]:
    """A new .env, with one worker process a worker, and the record key of the people's world."""
    spec = importlib.util.spec_from_file_location("new_env", DEPLOY / "new_env.py")
    assert spec is not None
    assert spec.loader is not None
    new_env = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(new_env)
    new_env.main(folder / ".env")
    told = env_values((folder / ".env").read_text())
    return told | {"WORKER_CONCURRENCY": "1", "RECORD_KEY": world.record_key.decode()}


def test_two_workers_of_which_one_dies_in_a_delivery_leave_what_an_undisturbed_run_leaves(
    tmp_path: Path, sixty: Callable[[], World], undisturbed: Undisturbed, postgres: Postgres
) -> None:
    lap("undisturbed")
    world, began_at = sixty(), datetime.now(UTC)
    project = tmp_path / "project"
    project.mkdir()
    image(project)
    told = {k: v for k, v in world.variables().items() if k.startswith("AIRFLOW_CONN") and "RECORD" not in k}
    stack = Stack(tmp_path, project, postgres, told, variables(tmp_path, world), "newsletter")
    with stack:
        lap("entered")
        stack.serve(WORKERS)
        lap("served")
        stack.log_in()
        for platform in world.ctx.project.platforms:
            stack.ask(f"/api/v2/dags/extract_{platform}/dagRuns", {"logical_date": None})
        lap("triggered")
        held = tmp_path / "airflow" / "held.json"
        stack._until(held.exists)
        lap("held")
        whom = json.loads(held.read_text())["worker"]
        assert stack.kill(whom) > 2
        stack._until(lambda: not busy(stack))
        lap("quiet")
        print(stack.rows("select dag_id, task_id, map_index, state, try_number, hostname, round(extract(epoch from end_date-start_date)::numeric,2), start_date::time from task_instance order by start_date"))
        stack.copy_lake(tmp_path / "lake")
        lap("copied")
    lap("stopped")


def busy(stack: Stack) -> bool:
    return bool(stack.rows("select 1 from dag_run where state in ('queued','running') limit 1")
      or stack.rows("select 1 from asset_dag_run_queue limit 1"))
