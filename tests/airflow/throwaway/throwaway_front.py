"""The front of the throwaway project, as a process that signals can reach."""

import sys
from pathlib import Path

from concord.airflow.front import run_in_front

here, root = Path(__file__).parent, Path(sys.argv[1])
report = run_in_front(
    root,
    root / ".concord" / "airflow",
    extra={"PYTHONPATH": str(here)},
    command=[sys.executable, str(here / "throwaway_worker.py")],
    grace_s=1,
)
sys.exit(report.exit_code)
