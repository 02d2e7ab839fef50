"""Commands as they are typed, in processes of their own, on a small deployed project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from concord.assets.commit import RunId
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake
from concord.project import load
from concord.steps.tables import frame_schema

ROOT = Path(__file__).parents[2]


def concord(root: Path, *words: str, code: int = 0, **more: str) -> Any:
    """Run a command; its JSON, its text, or what it says when it fails."""
    environment = {
        **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
        "CONCORD_PROJECT": str(root),
        "AIRFLOW_HOME": str(root / "airflow"),
        "AIRFLOW_CONN_CONCORD_RECORD_KEY": json.dumps({"conn_type": "generic", "password": "k"}),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-m", "concord", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr[-1500:]
    if code:
        return done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout


def copied(folder: Path) -> Path:
    for part in ("assets", "contracts", "dags", "lineage"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "concord.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployed project whose golden dataset holds one person."""
    folder = copied(tmp_path_factory.mktemp("project"))
    (folder / "airflow").mkdir()
    told = concord(folder, "deploy", code=4)
    assert "the tables are deployed, the pools are not" in told
    project = load(folder)
    schema = {n: k for n, k in frame_schema(project, "golden/contacts").items() if n != "_row_hash"}
    row = {"person_id": "p1", "given_name": "Annabel", "country": "AT"}
    frame = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    table = Lake(project.lake).open(project.datasets["golden/contacts"])
    publish(table, lambda *_: Change(frame), upto={"test": 1}, run=RunId("test", "test"))
    return folder


def test_a_second_deploy_has_nothing_left_to_do(root: Path) -> None:
    assert concord(root, "deploy", "--dry-run") == "everything is deployed already\n"


def test_deploy_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    actions = concord(folder, "deploy", "--dry-run", "--format", "json")
    assert {"dataset": "golden/contacts", "action": "create with 21 columns"} in actions
    assert not (folder / ".concord" / "lake").exists()


def test_datasets_are_listed_with_their_snapshots(root: Path) -> None:
    rows = {row["dataset"]: row for row in concord(root, "dataset", "list", "--format", "json")}
    assert rows["golden/contacts"]["rows"] == 1
    assert rows["golden/contacts"]["contract"] == "golden 1.0.0"


def test_values_are_masked_unless_somebody_asks(root: Path) -> None:
    (row,) = concord(root, "dataset", "read", "golden/contacts", "--format", "json")
    assert (row["person_id"], row["given_name"], row["country"]) == ("p1", "A******", "AT")
    (row,) = concord(root, "dataset", "read", "golden/contacts", "--unmask", "--format", "json")
    assert row["given_name"] == "Annabel"


def test_one_dataset_is_shown_with_its_newest_commit(root: Path) -> None:
    facts = concord(root, "dataset", "show", "golden/contacts", "--format", "json")
    assert facts["record"]["kind"] == "snapshot"
    assert facts["columns"]["person_id"] == "String"


def test_a_misspelt_dataset_is_no_traceback_but_a_suggestion(root: Path) -> None:
    told = concord(root, "dataset", "show", "golden/contact", code=2)
    assert told == "concord: there is no dataset of that name; did you mean golden/contacts?\n"


def test_sync_tells_every_platform_and_an_empty_plan(root: Path) -> None:
    rows = concord(root, "sync", "status", "--format", "json")
    assert [(row["platform"], row["delivery"]) for row in rows] == [
        ("address_book", "approve"),
        ("crm", "approve"),
        ("newsletter", "approve"),
    ]
    assert concord(root, "sync", "plan", "crm", "--format", "json") == []
    assert concord(root, "sync", "approve", "crm", "--format", "json")[0]["approved"] == 0


def test_lint_lists_faults_and_exits_with_3(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    assert concord(folder, "contract", "lint") == "no faults\n"
    people = folder / "assets" / "people.yaml"
    people.write_text(people.read_text(encoding="utf-8").replace("name_check", "name_chek"))
    concord(folder, "contract", "lint", code=3)
    told = concord(folder, "dataset", "list", code=3)
    assert "assets/people.yaml:3: unknown key `name_chek` (did you mean `name_check`?)" in told


def test_a_platform_is_checked_and_its_people_are_masked(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    header = "subscriber_id;email;first name;last name;language;status;status since;changed;crm_ref"
    line = "N1;anna@x.example;Annabel;Gruber;de;subscribed;2024-01-01T00:00:00Z;;"
    (inbox / "subscribers-1.csv").write_text(f"{header}\n{line}\n", encoding="utf-8")
    there = json.dumps({"conn_type": "fs", "extra": {"path": str(inbox)}})
    words = ("platform", "check", "newsletter", "--format", "json")
    told = concord(folder, *words, AIRFLOW_CONN_NEWSLETTER=there)
    assert told["readable"] is True
    assert told["rows"][0]["given_name"] == "A******"
    assert "anna@x.example" not in json.dumps(told)
    assert "AIRFLOW_CONN_NEWSLETTER" in concord(folder, *words, code=1)
