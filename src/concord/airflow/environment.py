"""The environment of the embedded Airflow: everything it is told, it is told here."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from concord.airflow.keys import shared_keys, told_from
from concord.errors import UnreadableInput
from concord.project import record_key_file

__all__ = ["RECORD_KEY_FILE", "airflow_environment", "command_environment", "open_state"]

RECORD_KEY_FILE = "CONCORD_RECORD_KEY_FILE"
"""Variable that names the project's own record key, in an Airflow that is Concord's own only."""

_KEPT = ("AIRFLOW__METRICS__", "AIRFLOW__OPENLINEAGE__TRANSPORT", "AIRFLOW__SECRETS__")
_SOMEBODYS_OWN = (
    "AIRFLOW_HOME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CORE__FERNET_KEY",
)
_DATABASE = "airflow.db"
_POLICY = [
    {
        "scope": {},
        "controls": {"include_source_code": False, "include_full_task_info": False},
        "locked": True,
    }
]


def open_state(state: Path) -> Path:
    """Make the state folder, readable by its owner only."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return state


def airflow_environment(
    root: Path,
    state: Path,
    *,
    inherited: Mapping[str, str] = os.environ,
    namespace: str | None = None,
) -> dict[str, str]:
    """All variables of an embedded Airflow process.

    Airflow settings of the surrounding shell are dropped: an embedded run must never reach a
    database that belongs to another installation. Connections, secrets backends and where metrics
    go are kept.

    Args:
        root: the project.
        state: folder of this Airflow's database, logs and keys (AIRFLOW_HOME).
        inherited: the surrounding environment.
        namespace: OpenLineage namespace of the jobs; None leaves it to whoever knows the project.

    Raises:
        UnreadableInput: the database is damaged.
    """
    for folder in (root / ".concord", root / ".concord" / "lineage"):
        folder.mkdir(mode=0o700, exist_ok=True)
    _refuse_damaged(open_state(state), root)
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("AIRFLOW__") or name.startswith(_KEPT)
    }
    lineage = root / ".concord" / "lineage" / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(lineage), "append": True}
    ours = {
        "AIRFLOW_HOME": str(state),
        "CONCORD_PROJECT": str(root),
        RECORD_KEY_FILE: str(record_key_file(root)),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__EXECUTOR": "concord.airflow.inline.InlineExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__MP_START_METHOD": "fork",
        "AIRFLOW__CORE__PARALLELISM": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{state / _DATABASE}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(state / "logs"),
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.05",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
        "AIRFLOW__OPENLINEAGE__EMISSION_POLICY": json.dumps(_POLICY),
    }
    if namespace is not None:
        ours["AIRFLOW__OPENLINEAGE__NAMESPACE"] = namespace
    default = {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
    return {**default, **kept, **ours, **shared_keys(state, root)}


def command_environment(
    root: Path, state: Path, *, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What a command adds to its surroundings to find connections; nothing over somebody's own.

    Args:
        root: the project.
        state: folder of the embedded Airflow; with its key, the connections it keeps can be read.
        inherited: the surrounding environment.
    """
    if any(name.startswith(_SOMEBODYS_OWN) for name in inherited):
        return {}
    key = {RECORD_KEY_FILE: str(record_key_file(root))}
    return {"AIRFLOW_HOME": str(state), **key, **shared_keys(open_state(state), root)}


def _refuse_damaged(state: Path, root: Path) -> None:
    """Tell of a database that Airflow could not read, before Airflow dies of it."""
    place = state / _DATABASE
    if not place.exists():
        return
    try:
        with closing(sqlite3.connect(place)) as database:
            sound = database.execute("pragma quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError:  # another process has it; its lock is told of elsewhere
        return
    except sqlite3.DatabaseError:
        sound = False
    if not sound:
        what = (
            "Airflow's own database cannot be read; it holds no contacts: delete it and run again, "
            "then schedules and history begin anew, and connections made in Airflow's pages have "
            "to be made again"
        )
        raise UnreadableInput(told_from(place, root), what)
