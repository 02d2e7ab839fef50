"""The private names of Airflow that the embedded run is quick by."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PATCH = """
from concord.airflow.patches import apply_patches
assert apply_patches() == (), apply_patches()
"""


@pytest.mark.airflow
def test_this_airflow_takes_every_patch(tmp_path):
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PATCH], env=environment, check=False, timeout=60)
    assert done.returncode == 0
