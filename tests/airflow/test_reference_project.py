"""The reference project on Airflow's own scheduler, against real platforms, twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("assets", "contracts", "dags", "lineage")

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(280)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The demo, run to its end in a folder with a blank and an umlaut; its two closing tables."""
    root = tmp_path_factory.mktemp("prüfung ") / "my project"
    root.mkdir()
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part)
    shutil.copy(ROOT / "concord.yaml", root)
    command = [sys.executable, "-m", "concord", "demo", "--people", "60", "--format", "json"]
    environment = {**os.environ, "CONCORD_PROJECT": str(root)}
    environment.pop("HOME", None)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=270, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    decoder, text, reports = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        report, end = decoder.raw_decode(text)
        reports.append(report)
        text = text[end:].strip()
    return root, reports


def row(report: dict[str, Any], dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["datasets"] if one["dataset"] == dataset)
    return found


def test_the_first_run_reaches_every_platform(demo: tuple[Path, list[dict[str, Any]]]) -> None:
    _, (first, _) = demo
    assert first["failed"] == []
    for platform in ("address_book", "crm", "newsletter"):
        assert row(first, f"sync/{platform}/receipts")["writes"] > 0
        assert 0 < row(first, f"clean/{platform}")["quarantined"] < 10
    assert row(first, "golden/contacts")["rows"] > 60


def test_the_second_run_writes_nothing_and_publishes_nothing(
    demo: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, (_, second) = demo
    assert second["failed"] == []
    assert sum(one["writes"] for one in second["datasets"]) == 0
    assert sum(one["changed"] for one in second["datasets"]) == 0


def test_versions_and_schemas_reach_the_lineage_file(
    demo: tuple[Path, list[dict[str, Any]]],
) -> None:
    root, _ = demo
    lines = (root / ".concord" / "lineage" / "events.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line) for line in lines.splitlines()]
    golden = [
        output["facets"]
        for event in events
        if event["eventType"] == "COMPLETE"
        for output in event.get("outputs", ())
        if output["name"].endswith("golden/contacts")
    ]
    assert {facets["version"]["datasetVersion"] for facets in golden} == {"1"}
    assert {field["name"] for field in golden[0]["schema"]["fields"]} >= {"person_id", "emails"}


def test_no_invented_person_is_outside_the_tables(
    demo: tuple[Path, list[dict[str, Any]]],
) -> None:
    root, _ = demo
    state = root / ".concord"
    outside = [*(state / "demo" / "airflow").rglob("*"), *(state / "lineage").rglob("*")]
    outside += (state / "demo" / "lake").rglob("_delta_log/*.json")
    telling = (b"@example.org", b"@example.net", b"@mail.example.com", b"@acme.example")
    told = [
        path for path in outside if path.is_file() and any(t in path.read_bytes() for t in telling)
    ]
    assert told == []


def test_the_state_folder_is_its_owners_only(demo: tuple[Path, list[dict[str, Any]]]) -> None:
    root, _ = demo
    assert (root / ".concord").stat().st_mode & 0o777 == 0o700
