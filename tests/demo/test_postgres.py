"""The embedded PostgreSQL."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from concord.demo import postgres as module
from concord.demo.postgres import Postgres
from concord.errors import UsageError

_STARTS_ONE_AND_WAITS = """
import sys, time
from pathlib import Path
from concord.demo.postgres import Postgres
with Postgres(Path(sys.argv[1])) as server:
    print(server.pid, server.host, flush=True)
    sys.stdin.read()
"""


def test_data_survive_a_restart_in_a_folder_with_blank_umlaut_and_a_long_path(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("Ü b" * 30)
    with Postgres(folder) as server, psycopg.connect(**server.parameters) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        sockets = Path(server.host)
    assert not sockets.exists()
    with Postgres(folder) as server, psycopg.connect(**server.parameters) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_server_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _STARTS_ONE_AND_WAITS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdin is not None
    pid = int(child.stdout.readline().split()[0])
    gone = os.pidfd_open(pid)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert select.select([gone], [], [], 15)[0]
    os.close(gone)


def test_a_server_that_does_not_run_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not running"):
        _ = Postgres(tmp_path).host


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")
def test_root_without_user_namespaces_runs_it_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with Postgres(tmp_path) as server, psycopg.connect(**server.parameters) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert server.pid is not None
        assert os.stat(f"/proc/{server.pid}").st_uid == 65534
