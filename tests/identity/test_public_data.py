"""The resolver on public data whose truth is known; the data is not part of the repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(
    "CONCORD_IDENTITY_DATA" not in os.environ,
    reason="CONCORD_IDENTITY_DATA names no folder with the public data (benchmarks/identity.py)",
)
def test_nobody_is_taken_for_somebody_else() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.identity"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    scores = {row["what"]: row["precision"] for row in rows if "precision" in row}
    assert set(scores) == {"fake_1000", "anonlink"}
    assert min(scores.values()) >= 0.999
