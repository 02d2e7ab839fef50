"""Deploy, as a process of its own: it reads connections through Airflow and writes Delta tables.

Run as ``python -m concord.airflow.deployment`` with the embedded Airflow's environment; its last
line of output is JSON: what was done, or what kept it from being done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from concord.airflow.engine import Attempt, command_context
from concord.airflow.environment import airflow_environment
from concord.airflow.foreign import translated
from concord.airflow.processes import die_with_parent
from concord.errors import NotDeployed

__all__ = ["deploy_embedded", "main"]

COMMAND = (sys.executable, "-m", "concord.airflow.deployment")


def deploy_embedded(root: Path, state: Path, *, extra: Mapping[str, str]) -> int:
    """Deploy the project in *root* with the embedded Airflow's connections.

    Args:
        state: folder of the embedded Airflow.
        extra: more variables, for example ``AIRFLOW_CONN_…``.

    Returns:
        How many things were done.

    Raises:
        NotDeployed: deploy refused; the message is its reason.
    """
    environment = airflow_environment(root, state, inherited={**os.environ, **extra})
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    answer = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if "actions" not in answer:
        reason = answer.get("refused", f"it ended with exit code {done.returncode}")
        raise NotDeployed(f"deploy: {reason}")
    actions: int = answer["actions"]
    return actions


def main() -> None:
    """Deploy the project in the environment; says so in one line of JSON."""
    die_with_parent()
    from concord.project import load
    from concord.steps.deploy import deploy

    refused = None
    try:
        project = load(Path(os.environ["CONCORD_PROJECT"]))
        attempt = Attempt("deploy", "command", "deploy", f"deploy/{os.getpid()}")
        actions = deploy(command_context(project, attempt))
    except Exception as error:
        refused = str(translated(error, "an unexpected error"))
    print("\n" + json.dumps({"refused": refused} if refused else {"actions": len(actions)}))  # noqa: T201
    sys.exit(1 if refused else 0)


if __name__ == "__main__":
    main()
