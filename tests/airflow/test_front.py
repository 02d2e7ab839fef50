"""Signals: whatever happens to the front, no process stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(90)]

FRONT = Path(__file__).with_name("throwaway") / "throwaway_front.py"


def front_with_a_hanging_task(root: Path) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """Start a run whose first task hangs; returns the front and everything below it."""
    (root / "hanging").unlink(missing_ok=True)
    (root / "behaviour.json").write_text(json.dumps({"extract.a": "hang"}))
    front = subprocess.Popen([sys.executable, str(FRONT), str(root)], stderr=subprocess.DEVNULL)
    while not (root / "hanging").exists():
        assert front.poll() is None
        time.sleep(0.05)
    return front, psutil.Process(front.pid).children(recursive=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_run_and_leaves_no_process(project, number):
    front, below = front_with_a_hanging_task(project)
    assert len(below) >= 2
    os.kill(front.pid, number)
    assert front.wait(timeout=10) == 130
    assert psutil.wait_procs(below, timeout=5)[1] == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_killing_the_front_kills_the_worker_and_its_task(project):
    front, below = front_with_a_hanging_task(project)
    front.kill()
    front.wait(timeout=10)
    assert psutil.wait_procs(below, timeout=5)[1] == []


def test_a_second_run_is_refused_while_one_is_active(project, run):
    front, _ = front_with_a_hanging_task(project)
    try:
        refused = run(project)
    finally:
        front.terminate()
        front.wait(timeout=10)
    assert refused.exit_code == 1
    assert "another run of this project is active" in refused.text
