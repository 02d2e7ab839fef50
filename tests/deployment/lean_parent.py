"""Forks Airflow's components, and commands, from one process that has imported Airflow once.

Reads one command a line from its standard input: ``{"argv", "env", "log"}``; answers with its
process id. Its exit code is written beside its log. At SIGTERM, or when nobody holds the other end
any more, it ends them all.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from concord.airflow.processes import die_with_parent

__all__ = ["main"]

PROGRAMS = {
    "airflow": "airflow.__main__",
    "celery": "celery.__main__",
    "concord": "concord.cli.main",
}
LOADED = (
    "airflow.__main__",
    "airflow.cli.cli_parser",
    "airflow.utils.db",
    "airflow.providers.celery.executors.celery_executor",
    "airflow.providers.openlineage.plugins.listener",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "concord.airflow",
    "concord.airflow.dags",
    "openlineage.client.transport.file",
)
"""What components and tasks would import for themselves, and survives a fork."""


class _Parent:
    def __init__(self) -> None:
        self.pids: set[int] = set()
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # what the imported print is no answer

    def start(self, told: dict[str, Any]) -> None:
        """Fork one component."""
        pid = os.fork()
        if pid == 0:
            os._exit(_component(told))
        self.pids.add(pid)
        self.answer({"pid": pid})

    def answer(self, told: dict[str, Any]) -> None:
        """Tell whoever started us."""
        self._answers.write(json.dumps(told) + "\n")

    def reap(self, *_: object) -> None:
        """Take note of those that ended."""
        while self.pids:
            pid, _status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.pids.discard(pid)

    def stop(self, *_: object) -> None:
        """End all, and go."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        for pid in self.pids:
            os.waitpid(pid, 0)
        os._exit(0)


def _component(told: dict[str, Any]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setsid()
    log = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    os.environ.update(told["env"])
    from airflow import settings

    settings.configure_orm()
    if "api-server" in told["argv"]:
        from concord.airflow.patches import only_newest_api

        only_newest_api()
    sys.argv = told["argv"]
    code = _ended(importlib.import_module(PROGRAMS[sys.argv[0]]).main)
    Path(told["log"]).with_suffix(".code").write_text(str(code))
    return code


def _ended(program: Callable[[], object]) -> int:
    try:
        program()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Import, then fork whatever is asked for."""
    die_with_parent()
    parent = _Parent()
    for name in LOADED:
        importlib.import_module(name)
    from airflow import settings

    settings.dispose_orm(do_log=False)
    gc.freeze()
    signal.signal(signal.SIGCHLD, parent.reap)
    signal.signal(signal.SIGTERM, parent.stop)
    parent.answer({"ready": True})
    for line in sys.stdin:
        parent.start(json.loads(line))
    parent.stop()


if __name__ == "__main__":
    main()
