"""An operator whose tasks kill themselves, or the worker, at points that a file names."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from concord.airflow.engine import Engine
from concord.airflow.operators import StepOperator


class Fatal(Engine):
    """Dies where ``fatal.json`` says.

    Each entry is ``{"whom": "task" | "worker", "point": {…}}`` and kills once.
    """

    def at(self, attempt: Any, point: Any) -> None:
        place = Path(os.environ["CONCORD_PROJECT"]) / "fatal.json"
        left = json.loads(place.read_text())
        for number, one in enumerate(left):
            if one["point"].items() <= {**asdict(point), "job": attempt.job}.items():
                place.write_text(json.dumps(left[:number] + left[number + 1 :]))
                os.kill(os.getpid() if one["whom"] == "task" else os.getppid(), signal.SIGKILL)
                time.sleep(60)  # the worker's end is ours


class FatalOperator(StepOperator):
    engine = Fatal()
