"""Airflow with its pages, started and stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(120)]

SERVE = """
import sys
from pathlib import Path
from concord.airflow.up import serve
root = Path(sys.argv[1])
state = root / ".concord" / "airflow"
sys.exit(serve(root, state, ready=lambda found: print(found.url, flush=True)))
"""


def test_the_pages_answer_on_this_machine_only_and_a_signal_leaves_no_process(reference: Path):
    served = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(reference)], stdout=subprocess.PIPE, text=True
    )
    try:
        url = served.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/api/v2/monitor/health", timeout=10) as answer:
            assert json.load(answer)["scheduler"]["status"] == "healthy"
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
