"""Reading a CSV file as records, against Python's csv module reading it as lists."""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import measured
from benchmarks.reference import GIVEN, family, project

from concord.platforms.connection import Connection
from concord.platforms.registry import open_platform

ROWS = 300_000
_HEADER = "subscriber_id;email;first name;last name;language;status;status since;changed;crm_ref"


def main(rows: int) -> None:
    """Args: rows: of the newsletter tool's file."""
    declared = project()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "subscribers.csv"
        file.write_text(_text(rows), encoding="utf-8", newline="")
        place = Connection("newsletter", "fs", extra={"path": folder})
        measured("csv module, lists", lambda: _lists(file))
        with open_platform(
            "newsletter", declared.platform("newsletter"), place, Path(folder)
        ) as newsletter:
            measured(
                "the listing, records",
                lambda: sum(len(page.records) for page in newsletter.listing()),
                against="csv module, lists",
            )


def _lists(file: Path) -> int:
    with file.open(encoding="utf-8", newline="") as stream:
        return sum(1 for _ in csv.reader(stream, delimiter=";"))


def _text(rows: int) -> str:
    lines = (
        f"N{n};p{n}@mail.example;{GIVEN[n % len(GIVEN)]};{family(n)};de;subscribed;"
        "2024-02-01T00:00:00+00:00;2025-01-01T00:00:00+00:00;"
        for n in range(rows)
    )
    return "\r\n".join((_HEADER, *lines, ""))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
