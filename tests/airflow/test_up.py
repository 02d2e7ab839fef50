"""`concord up` on a project of one's own: Airflow with its pages, started, used and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(240)]

COMMAND = (sys.executable, "-m", "concord")
FOREIGN = ("AIRFLOW", "CONCORD")


def asked(url: str, body: dict[str, Any] | None = None, *, token: str = "") -> dict[str, Any]:
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, head), timeout=20) as answer:
        return json.load(answer)


def test_the_pages_answer_here_only_a_dag_runs_and_a_signal_leaves_no_process(tmp_path: Path):
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    root = tmp_path / "contacts"
    subprocess.run([*COMMAND, "init", str(root)], env=env, check=True, capture_output=True)
    served = subprocess.Popen(
        [*COMMAND, "--project", str(root), "up"], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        words = served.stdout.readline().split()
        url, user, password = words[1], words[3], words[5]
        assert url.startswith("http://127.0.0.1:")
        assert asked(f"{url}/api/v2/monitor/health")["scheduler"]["status"] == "healthy"
        token = asked(f"{url}/auth/token", {"username": user, "password": password})["access_token"]
        await_dags(f"{url}/api/v2", token)
        assert outcome(f"{url}/api/v2", token, "extract_newsletter") == "success"
        below = psutil.Process(served.pid).children(recursive=True)
        listening = {
            connection.laddr.ip
            for one in below
            for connection in one.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    finally:
        served.send_signal(signal.SIGTERM)
        code = served.wait(timeout=30)
    assert code == 130
    assert psutil.wait_procs(below, timeout=5)[1] == []


def await_dags(api: str, token: str) -> None:
    """Until all Dags of the project are there, and on."""
    wanted = {"extract_crm", "extract_newsletter", "clean_crm", "clean_newsletter", "consent"}
    wanted |= {"resolve", "survivorship", "sync_crm", "sync_newsletter", "maintain", "freshness"}
    until = time.monotonic() + 90
    while True:
        found = asked(f"{api}/dags", token=token)["dags"]
        if {one["dag_id"] for one in found if not one["is_paused"]} == wanted:
            return
        assert time.monotonic() < until, found
        time.sleep(0.3)


def outcome(api: str, token: str, dag: str) -> str:
    """How a run of *dag* ends that is started now."""
    run = asked(f"{api}/dags/{dag}/dagRuns", {"logical_date": None}, token=token)["dag_run_id"]
    until = time.monotonic() + 90
    while True:
        state: str = asked(f"{api}/dags/{dag}/dagRuns/{run}", token=token)["state"]
        if state in ("success", "failed"):
            return state
        assert time.monotonic() < until, state
        time.sleep(0.3)
