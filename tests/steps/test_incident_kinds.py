"""What to do at 3 a.m. is the same in the code and on its page."""

from __future__ import annotations

import re
from pathlib import Path

from concord.steps.incident_kinds import FAILURES, KINDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_page_says_of_every_kind_what_the_alert_says() -> None:
    table = PAGE.split("## By kind\n")[1].split("\n\n")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]
    ]
    assert rows == [
        [f"`{name}`", kind.means, kind.todo, kind.recovers] for name, kind in KINDS.items()
    ]


def test_every_kind_that_the_code_opens_has_its_words() -> None:
    opened = {
        name
        for path in (ROOT / "src" / "concord").rglob("*.py")
        for name in re.findall(
            r'(?:Odd\(|raise_incident\(\s*ctx,\s*)"(\w+)"', path.read_text(encoding="utf-8")
        )
    }
    assert opened | FAILURES <= set(KINDS)
    assert {"volume", "slow", "rejected", "resync"} <= opened
