"""Lets the tests of this folder put a proxy that misbehaves in front of a platform."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "faults"))
