"""Airflow with its pages on 127.0.0.1: an API server, a scheduler and a Dag processor.

`airflow standalone` would leave processes behind on SIGTERM and bind every interface; here each
component is our own child, and all of them are gone when this process is. No triggerer: nothing of
Concord defers. Imports no Airflow.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from concord.airflow.environment import airflow_environment, open_state
from concord.airflow.processes import end_processes, one_at_a_time
from concord.errors import UsageError

__all__ = ["Address", "serve"]

_COMPONENTS: tuple[tuple[str, ...], ...] = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
)
_USER = "admin"
_PASSWORDS = "simple_auth_manager_passwords.json.generated"
STOPPED = 130


@dataclass(frozen=True, slots=True)
class Address:
    """Where Airflow is, and how to get in; the password is this state folder's own."""

    url: str
    user: str
    password: str


def serve(
    root: Path,
    state: Path,
    *,
    ready: Callable[[Address], None],
    port: int = 0,
    namespace: str = "concord",
    extra: Mapping[str, str] | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM, or until a component ends; call it from the main thread.

    Args:
        state: folder of the embedded Airflow; made if missing.
        ready: told once the pages answer.
        port: of the pages; the system chooses when 0.
        namespace: OpenLineage namespace of the jobs.
        extra: more variables, for example ``AIRFLOW_CONN_…``.

    Returns:
        130 when it was stopped, 1 when a component ended by itself.

    Raises:
        UsageError: a run of this project is active.
    """
    lock = one_at_a_time(open_state(state))
    if lock is None:
        raise UsageError("another run of this project is active; wait for it or stop it")
    with lock, _stoppable() as stopped:
        surroundings = {**os.environ, **(extra or {})}
        base = airflow_environment(root, state, inherited=surroundings, namespace=namespace)
        address = Address(f"http://127.0.0.1:{port or _free_port()}", _USER, _password(state))
        environment = {**base, **_served(address)}
        _prepare(environment, state)
        running = [_start(command, environment, state, lock.fileno()) for command in _COMPONENTS]
        try:
            if _wait_for(address, running, stopped):
                ready(address)
            while not stopped() and all(one.poll() is None for one in running):
                time.sleep(0.2)
        finally:
            end_processes([one.pid for one in running], grace_s=8)
            for one in running:
                one.wait()
        return STOPPED if stopped() else 1


def _served(address: Address) -> dict[str, str]:
    port = address.url.rpartition(":")[2]
    return {
        "AIRFLOW__API__BASE_URL": address.url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address.url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _password(state: Path) -> str:
    """The admin's password, made once for each state folder."""
    place = state / _PASSWORDS
    if not place.exists():
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({_USER: secrets.token_urlsafe(12)}, file)
    stored: dict[str, str] = json.loads(place.read_text(encoding="utf-8"))
    return stored[_USER]


def _prepare(environment: Mapping[str, str], state: Path) -> None:
    command = [sys.executable, "-m", "concord.airflow.prepare"]
    with _log(state, "prepare") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    if done.returncode not in (0, -signal.SIGINT):
        raise UsageError(f"Airflow's database could not be made; see {state}/logs/prepare.log")


def _start(
    command: Sequence[str], environment: Mapping[str, str], state: Path, lock: int
) -> subprocess.Popen[bytes]:
    """Start one component; it keeps the lock, so that no run recovers under its feet."""
    with _log(state, command[0]) as log:
        return subprocess.Popen(
            [sys.executable, "-m", "concord.airflow.component", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[lock],
        )


@contextmanager
def _log(state: Path, name: str) -> Iterator[int]:
    folder = state / "logs"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{name}.log").open("wb") as log:
        yield log.fileno()


def _wait_for(
    address: Address, running: list[subprocess.Popen[bytes]], stopped: Callable[[], bool]
) -> bool:
    """Whether the pages answer and the scheduler is well, before anything ended."""
    while not stopped() and all(one.poll() is None for one in running):
        if _healthy(address):
            return True
        time.sleep(0.3)
    return False


def _healthy(address: Address) -> bool:
    try:
        with urllib.request.urlopen(f"{address.url}/api/v2/monitor/health", timeout=2) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return False
    return all(
        told.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler")
    )


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    asked: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
