"""A worker's name, and an operator whose first delivery stops in the middle, until it is killed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from concord.airflow.engine import Engine
from concord.airflow.operators import StepOperator

__all__ = ["Held", "HeldOperator", "worker_name"]


def worker_name() -> str:
    """What this process' tasks are recorded under: all workers of a test share one host."""
    return os.environ.get("WORKER_NAME", "here")


class Held(Engine):
    """Stops the first delivery to *HELD* after its first batch was sent, before its receipts.

    Whether there is an alert to send it looks up once: the Dag processor does so after every run.
    """

    def at(self, attempt: Any, point: Any) -> None:
        job = f"deliver.{os.environ['HELD']}"
        if (attempt.job, point.kind, point.what, point.when) == (job, "call", "write", "after"):
            place = Path(os.environ["AIRFLOW_HOME"]) / "held.json"
            written = place.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps({"worker": worker_name(), "task": os.getpid()}))
            try:
                os.link(written, place)
            except FileExistsError:
                return
            time.sleep(120)  # whoever reads the file kills us

    def alert(self, project: Any) -> int:
        try:
            (Path(os.environ["AIRFLOW_HOME"]) / "alerts").touch(exist_ok=False)
        except FileExistsError:
            return 0
        return super().alert(project)


class HeldOperator(StepOperator):
    engine = Held()
