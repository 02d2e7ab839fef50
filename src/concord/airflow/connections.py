"""An Airflow connection as Concord's own value."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from concord.errors import MissingConnection
from concord.platforms.connection import Connection

__all__ = ["connect"]

_TASK_RUNNER = "airflow.sdk.execution_time.task_runner"


def connect(name: str) -> Connection:
    """Read the Airflow connection called *name*, inside a task or outside.

    Raises:
        MissingConnection: Airflow knows none of that name.
    """
    found = _in_task(name) if _inside_a_task() else _outside(name)
    if found is None:
        raise MissingConnection(
            f"there is no Airflow connection {name!r}; set AIRFLOW_CONN_{name.upper()} or add it "
            f"with `airflow connections add {name}`"
        )
    if not _is_json(found.extra):
        raise MissingConnection(f"the extra of Airflow connection {name!r} is not JSON; mend it")
    return Connection(
        name=name,
        kind=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=dict(found.extra_dejson or {}),
    )


def _is_json(extra: str | None) -> bool:
    try:
        json.loads(extra or "{}")
    except ValueError:
        return False
    return True


def _inside_a_task() -> bool:
    return hasattr(sys.modules.get(_TASK_RUNNER), "SUPERVISOR_COMMS")


def _in_task(name: str) -> Any:
    from airflow.sdk import Connection as TaskConnection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return TaskConnection.get(name)
    except AirflowNotFoundException:
        return None


def _outside(name: str) -> Any:
    # Airflow logs to standard output, which belongs to the command's own answer.
    with contextlib.redirect_stdout(sys.stderr):
        from airflow.models import Connection as StoredConnection
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return StoredConnection.get_connection_from_secrets(name)
        except AirflowNotFoundException:
            return None
