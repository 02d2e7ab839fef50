"""Run the benchmarks, each in a process of its own, and print what they cost as one table.

Nothing here is asserted: figures depend on the machine. docs/performance.md keeps the last ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SUBJECTS = (
    "gate",
    "canonical",
    "csv_reading",
    "publishing",
    "steps",
    "identity",
    "million",
    "scaling",
)


def main(names: list[str]) -> int:
    """Args: names: subjects to run; all when empty."""
    unknown = set(names) - set(SUBJECTS)
    if unknown:
        print(f"no benchmark is called {', '.join(sorted(unknown))}; there are {SUBJECTS}")
        return 2
    failed = 0
    for subject in names or SUBJECTS:
        print(f"\n{subject}\n{'':58}{'CPU s':>8}{'peak MB':>9}{'ratio':>8}")
        program = [sys.executable, "-m", f"benchmarks.{subject}"]
        run = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
        known: dict[str, float] = {}
        assert run.stdout is not None
        for line in run.stdout:
            print(_row(json.loads(line), known), flush=True)
        failed += run.wait() != 0
    return 1 if failed else 0


def _row(row: dict[str, Any], known: dict[str, float]) -> str:
    if "cpu_s" not in row:
        facts = ", ".join(f"{name} {value}" for name, value in row.items() if name != "what")
        return f"  {row['what']}: {facts}" if facts else f"  {row['what']}"
    known[row["what"]] = row["cpu_s"]
    ratio = f"{row['cpu_s'] / known[row['against']]:8.3f}" if row["against"] else ""
    return f"  {row['what']:56}{row['cpu_s']:8.2f}{row['peak_mb']:9}{ratio}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
