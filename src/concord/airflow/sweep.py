"""What the worker may not do itself, because it forks: look at cursors, tell of incidents.

Run as a process of its own; takes a question as JSON on its standard input, answers with JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from concord.airflow.engine import Engine, Incident
from concord.airflow.processes import die_with_parent

__all__ = ["SWEEP", "answer", "ask", "main"]

SWEEP = (sys.executable, "-m", "concord.airflow.sweep")


def ask(question: dict[str, Any], *, command: Sequence[str] = SWEEP) -> Any:
    """Put *question* to a fresh process; None when it could not answer.

    The process's own errors go to this one's standard error, that is to the worker's log.
    """
    done = subprocess.run(
        command, input=json.dumps(question), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        return None
    return json.loads(done.stdout.splitlines()[-1])


def answer(question: dict[str, Any], engine: Engine) -> Any:
    """Answer ``{"root", "behind": true}`` or ``{"root", "record": [incident, …]}``.

    Whoever records has come to the end of a run: an alert goes out.
    """
    project = engine.project(Path(question["root"]))
    if "record" in question:
        incidents = [Incident.from_json(one) for one in question["record"]]
        if incidents:
            engine.record(project, incidents)
        engine.alert(project)
        return len(incidents)
    return {"behind": list(engine.behind(project)), "untold": engine.untold(project)}


def main(engine: Engine | None = None) -> None:
    """Answer the question on standard input, in the last line of standard output."""
    die_with_parent()
    answered = answer(json.load(sys.stdin), engine or Engine())
    sys.stdout.write("\n" + json.dumps(answered) + "\n")


if __name__ == "__main__":
    main()
