"""The demo's platforms can be reached from another terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from concord.demo.servers import Platforms


def test_connections_are_written_for_a_shell_and_for_their_owner_only(tmp_path: Path) -> None:
    connection = json.dumps({"conn_type": "http", "password": "it's $HOME"})
    nowhere: Any = None
    place = tmp_path / "connections.sh"
    place.write_text("export OLD=1")
    place.chmod(0o644)
    Platforms({"crm": connection}, {}, nowhere, tmp_path).write_exports(place)
    assert place.stat().st_mode & 0o777 == 0o600
    shell = ["sh", "-c", f'. "{place}"; printf %s "$OLD$AIRFLOW_CONN_CRM"']
    told = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert told == connection
