"""Commands as they are typed, in processes of their own, on a small deployed project."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest

from concord.airflow import engine
from concord.assets.commit import RunId
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake
from concord.cli.main import exit_code, main
from concord.errors import (
    BreakingChange,
    ConcordError,
    MissingConnection,
    NotDeployed,
    PlatformDown,
    ProjectFaults,
    RecordKeyChanged,
    UsageError,
)
from concord.platforms.connection import Connection
from concord.project import load, write_resolved
from concord.steps import approve as approving
from concord.steps.tables import frame_schema

ROOT = Path(__file__).parents[2]


KEY = json.dumps({"conn_type": "generic", "password": "0123456789abcdef0123456789abcdef"})
Typed = Callable[..., Any]


def surroundings(root: Path, **more: str) -> dict[str, str]:
    """What a shell has that knows of no Airflow but the project's own."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIRFLOW", "CONCORD"))}
    return {**kept, "CONCORD_PROJECT": str(root), "AIRFLOW_CONN_CONCORD_RECORD_KEY": KEY, **more}


def concord(root: Path, *words: str, code: int = 0, **more: str) -> Any:
    """Run a command in its own process; its JSON, its text, or what it says when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "concord", *words],
        env=surroundings(root, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr[-1500:]
    if code:
        return done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout


def connection(name: str) -> Connection:
    """What Airflow makes of AIRFLOW_CONN_…, as far as it is needed here."""
    said = json.loads(os.environ[f"AIRFLOW_CONN_{name.upper()}"])
    return Connection(name, password=said.get("password", ""), extra=said.get("extra", {}))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Commands typed in this process, their connections without Airflow: JSON, text or error."""
    interrupted = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(engine, "_connect", connection)

    def run(root: Path, *words: str, code: int = 0, **more: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["concord", *words])
        around = patch.dict(os.environ, surroundings(root, **more), clear=True)
        with around, pytest.raises(SystemExit) as ended:
            main()
        signal.signal(signal.SIGTERM, interrupted)
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        if "json" in words:
            return json.loads(out)
        return err if code else out

    return run


def copied(folder: Path) -> Path:
    for part in ("assets", "contracts", "dags", "lineage"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "concord.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that nobody has deployed; that it has no fault is known."""
    folder = copied(tmp_path_factory.mktemp("plain"))
    write_resolved(folder)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployed project: golden holds one person, and one write to the CRM waits."""
    folder = copied(tmp_path_factory.mktemp("project"))
    done = concord(folder, "deploy", "--format", "json")
    assert {"dataset": "golden/contacts", "action": "create with 21 columns"} in done
    fill(folder, "golden/contacts", person_id="p1", given_name="Annabel", country="AT")
    fill(
        folder,
        "sync/crm/plan",
        op_id="op1",
        kind="update",
        record_id="r1",
        person_id="p1",
        payload='{"job_title": "Chef"}',
        state="pending",
        position=1,
    )
    return folder


def fill(folder: Path, dataset: str, **row: Any) -> None:
    project = load(folder)
    schema = {n: k for n, k in frame_schema(project, dataset).items() if n != "_row_hash"}
    frame = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    table = Lake(project.lake).open(project.datasets[dataset])
    publish(
        table, lambda *_: Change(frame), upto={"test": table.version}, run=RunId("test", "test")
    )


def test_a_second_deploy_has_nothing_left_to_do(root: Path, typed: Typed) -> None:
    assert typed(root, "deploy") == "everything is deployed already\n"
    assert (root / ".concord").stat().st_mode & 0o777 == 0o700


def test_deploy_says_what_it_would_do_and_does_nothing(plain: Path, typed: Typed) -> None:
    actions = typed(plain, "deploy", "--dry-run", "--format", "json")
    assert {"dataset": "golden/contacts", "action": "create with 21 columns"} in actions
    assert not (plain / ".concord" / "lake").exists()


def test_deploy_says_when_somebodys_own_airflow_cannot_hold_the_pools(
    root: Path, tmp_path: Path
) -> None:
    told = concord(root, "deploy", code=4, AIRFLOW_HOME=str(tmp_path))
    assert "the tables are deployed, the pools are not" in told
    assert "run `airflow db migrate`" in told


def test_datasets_are_listed_with_their_snapshots(root: Path, typed: Typed) -> None:
    rows = {row["dataset"]: row for row in typed(root, "dataset", "list", "--format", "json")}
    assert rows["golden/contacts"]["rows"] == 1
    assert rows["golden/contacts"]["contract"] == "golden 1.0.0"


def test_values_are_masked_unless_somebody_asks(root: Path, typed: Typed) -> None:
    (row,) = typed(root, "dataset", "read", "golden/contacts", "--format", "json")
    assert (row["person_id"], row["given_name"], row["country"]) == ("p1", "A******", "AT")
    assert "Annabel" not in typed(root, "dataset", "read", "golden/contacts")
    (row,) = typed(root, "dataset", "read", "golden/contacts", "--unmask", "--format", "json")
    assert row["given_name"] == "Annabel"


def test_the_newest_incident_comes_first(root: Path, typed: Typed) -> None:
    for hour, name in ((1, "old"), (3, "new"), (2, "middle")):
        at = datetime(2026, 1, 31, hour, tzinfo=UTC)
        fill(root, "ops/incidents", incident_id=name, at=at, message="m")
    rows = typed(root, "dataset", "read", "ops/incidents", "--rows", "2", "--format", "json")
    assert [row["incident_id"] for row in rows] == ["new", "middle"]


def test_a_damaged_table_is_one_sentence_that_names_it_and_quotes_nothing(
    root: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(root, damaged)
    logs = damaged / ".concord" / "lake" / "golden" / "contacts" / "_delta_log"
    max(logs.glob("*.json")).write_text('{"add": "Annabel', encoding="utf-8")
    for words in ("dataset read golden/contacts", "dataset list", "deploy"):
        said = concord(damaged, *words.split(), code=1)
        assert "golden/contacts: the log of its table cannot be read" in said
        assert "Traceback" not in said
        assert "Annabel" not in said


def test_one_dataset_is_shown_with_its_newest_commit(root: Path, typed: Typed) -> None:
    facts = typed(root, "dataset", "show", "golden/contacts", "--format", "json")
    assert facts["record"]["kind"] == "snapshot"
    assert facts["columns"]["person_id"] == "String"
    assert "person_id" in typed(root, "dataset", "show", "golden/contacts")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("dataset show golden/contact", "of that name; did you mean golden/contacts?"),
        ("sync plan crn", "no platform of that name in assets/platforms (address_book, crm,"),
        (
            "--env prod dataset list",
            "no environment of the name in CONCORD_ENV or --env (demo, deployed)",
        ),
        ("nonsense", "No such command"),
        ("dataset read", "Missing argument"),
        ("dataset list --format xml", "Invalid value"),
        ("dataset read golden/contacts --rows 0", "Invalid value"),
    ],
)
def test_a_command_that_is_not_understood_exits_with_2_and_no_traceback(
    root: Path, typed: Typed, words: str, told: str
) -> None:
    said = typed(root, *words.split(), code=2)
    assert told in said
    assert "Traceback" not in said


def test_a_folder_without_a_project_is_told_so(tmp_path: Path, typed: Typed) -> None:
    assert "there is no concord.yaml" in typed(tmp_path, "dataset", "list", code=2)


@pytest.mark.parametrize(
    "words",
    ["dataset read golden/contacts", "dataset show raw/crm", "sync plan crm", "sync status"],
)
def test_what_is_not_deployed_exits_with_4_and_says_how_to_mend_it(
    plain: Path, typed: Typed, words: str
) -> None:
    assert "run `concord deploy`" in typed(plain, *words.split(), code=4)


def test_what_is_not_deployed_is_listed_as_such(plain: Path, typed: Typed) -> None:
    rows = typed(plain, "dataset", "list", "--format", "json")
    assert {row["snapshot"] for row in rows} == {"not deployed"}


def test_sync_tells_every_platform_what_waits_and_who_agreed(root: Path, typed: Typed) -> None:
    def waiting() -> dict[str, tuple[Any, ...]]:
        rows = typed(root, "sync", "status", "--format", "json")
        assert all(r["window"].startswith(("open until", "closed, opens", "always")) for r in rows)
        # By day what is free waits for the window.
        return {
            r["platform"]: (r["delivery"], r["pending"], r["free"] + r["waiting"]) for r in rows
        }

    assert waiting() == {
        "address_book": ("approve", 0, 0),
        "crm": ("approve", 1, 0),
        "newsletter": ("approve", 0, 0),
    }
    (row,) = typed(root, "sync", "plan", "crm", "--format", "json")
    assert (row["kind"], row["columns"], row["state"]) == ("update", ["job_title"], "pending")
    assert "Chef" not in json.dumps(row)
    approved = typed(root, "sync", "approve", "crm", "--op", "another", "--format", "json")
    assert approved == [{"platform": "crm", "approved": 0}]
    assert typed(root, "sync", "approve", "crm", "--format", "json")[0]["approved"] == 1
    assert typed(root, "sync", "approve", "crm", "--format", "json")[0]["approved"] == 0
    assert waiting()["crm"] == ("approve", 0, 1)


def test_maintenance_says_what_it_would_free_and_frees_it(root: Path, typed: Typed) -> None:
    orphan = Path(load(root).lake) / "clean" / "crm" / "part-killed.parquet"
    orphan.write_bytes(b"half a file")
    os.utime(orphan, (time.time() - 40 * 86400,) * 2)
    dataset = ("--dataset", "clean/crm", "--dataset", "ops/runs", "--format", "json")
    (row,) = typed(root, "maintain", "--dry-run", *dataset)
    assert (row["dataset"], row["files"], row["size"], orphan.exists()) == (
        "clean/crm",
        1,
        11,
        True,
    )
    assert typed(root, "maintain", *dataset) == [row]
    assert not orphan.exists()
    assert typed(root, "maintain", *dataset) == []
    assert "no dataset of that name" in typed(root, "maintain", "--dataset", "crm", code=2)


def test_nothing_runs_over_a_fault(tmp_path: Path, typed: Typed) -> None:
    folder = copied(tmp_path)
    assert typed(folder, "contract", "lint") == "no faults\n"
    people = folder / "assets" / "people.yaml"
    people.write_text(people.read_text(encoding="utf-8").replace("name_check", "name_chek"))
    assert typed(folder, "contract", "lint", "--format", "json", code=3) == [
        {
            "file": "assets/people.yaml",
            "line": 3,
            "fault": "unknown key `name_chek`",
            "hint": "did you mean `name_check`?",
        }
    ]
    for words in ("deploy", "run", "run --dry-run"):
        told = typed(folder, *words.split(), code=3)
        assert "people.yaml:3: unknown key `name_chek` (did you mean `name_check`?)" in told
    assert not (folder / ".concord").exists()


def test_lint_tries_rules_audiences_and_mappings_out(tmp_path: Path, typed: Typed) -> None:
    folder = copied(tmp_path)
    for path, old, new in (
        ("assets/platforms/crm.yaml", "country = 'AT' or country = 'DE'", "country > 3"),
        ("assets/platforms/address_book.yaml", "emails: EMAIL", "emails: {from: EMAIL, type: x}"),
        ("assets/platforms/address_book.yaml", "birth_date: BDAY", "birth_date: BDAYS"),
        ("contracts/golden.odcs.yaml", "deleted_at IS NULL AND", "birth_date > 'x' AND"),
    ):
        text = (folder / path).read_text(encoding="utf-8")
        assert old in text
        (folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")
    rows = typed(folder, "contract", "lint", "--format", "json", code=3)
    assert [(row["file"], row["line"] > 1) for row in rows] == [
        ("assets/platforms/address_book.yaml", True),
        ("assets/platforms/address_book.yaml", True),
        ("assets/platforms/crm.yaml", True),
        ("contracts/golden.odcs.yaml", True),
    ]
    assert "`EMAIL` holds many values" in rows[0]["fault"]
    assert rows[1]["fault"] == "no property of a vCard is called `BDAYS`"
    assert rows[1]["hint"] == "did you mean `BDAY`?"
    assert "audience cannot be carried out" in rows[2]["fault"]
    assert "cannot be carried out: Polars says" in rows[3]["fault"]


def test_a_platform_is_checked_and_its_people_are_masked(plain: Path, tmp_path: Path) -> None:
    there = newsletter(tmp_path)
    words = ("platform", "check", "newsletter", "--format", "json")
    told = concord(plain, *words, AIRFLOW_CONN_NEWSLETTER=there)
    assert told["readable"] is True
    assert told["rows"][0]["given_name"] == "A******"
    assert "anna@x.example" not in json.dumps(told)


def test_a_command_that_asks_airflow_for_connections_says_nothing_but_its_own(plain: Path) -> None:
    words = ("platform", "check", "newsletter")
    told = concord(plain, *words, code=1, AIRFLOW_CONN_NEWSLETTER="fs:///no/such%20place?n=1")
    assert told == (
        "concord: newsletter: its folder or a file in it is not there: /no/such place [ENOENT]\n"
    )


def newsletter(folder: Path) -> str:
    """A newsletter tool with one subscriber, as a connection."""
    header = "subscriber_id;email;first name;last name;language;status;status since;changed;crm_ref"
    line = "N1;anna@x.example;Annabel;Gruber;de;subscribed;2024-01-01T00:00:00Z;;"
    (folder / "subscribers-1.csv").write_text(f"{header}\n{line}\n", encoding="utf-8")
    return json.dumps({"conn_type": "fs", "extra": {"path": str(folder)}})


def test_a_dry_run_reads_prints_and_keeps_nothing(
    tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders: who subscribed in one is planned for the other, and nothing is written."""
    (tmp_path / "project").mkdir()
    folder = copied(tmp_path / "project")
    platforms = folder / "assets" / "platforms"
    first = (platforms / "newsletter.yaml").read_text(encoding="utf-8")
    (platforms / "crm.yaml").unlink()
    (platforms / "address_book.yaml").write_text(first.replace(": newsletter ", ": outbox "))
    for path in ("assets/people.yaml", "lineage/processing.yaml"):
        text = (folder / path).read_text(encoding="utf-8")
        for old in ("crm, ", ", crm", "'platform:crm', "):
            text = text.replace(old, "")
        text = text.replace(
            "['platform:newsletter']", "['platform:newsletter', 'platform:address_book']"
        )
        (folder / path).write_text(text, encoding="utf-8")
    inbox, outbox, scratch = tmp_path / "in", tmp_path / "out", tmp_path / "scratch"
    for one in (inbox, outbox, scratch):
        one.mkdir()
    there = newsletter(inbox)
    (outbox / "subscribers-1.csv").write_text(
        (inbox / "subscribers-1.csv").read_text(encoding="utf-8").splitlines()[0] + "\n"
    )
    before = {path: path.read_bytes() for one in (inbox, outbox) for path in one.iterdir()}
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    rows = typed(
        folder,
        *("run", "--dry-run", "--accept-deletes", "--format", "json"),
        AIRFLOW_CONN_NEWSLETTER=there,
        AIRFLOW_CONN_OUTBOX=json.dumps({"conn_type": "fs", "extra": {"path": str(outbox)}}),
    )
    assert [(r["platform"], r["kind"], r["operations"]) for r in rows] == [
        ("address_book", "create", 1)
    ]
    assert "emails" in rows[0]["columns"]
    assert "anna" not in json.dumps(rows)
    assert {path: path.read_bytes() for one in (inbox, outbox) for path in one.iterdir()} == before
    assert list(scratch.iterdir()) == []
    assert not (folder / ".concord" / "lake").exists()


def test_sigterm_ends_a_command_as_ctrl_c_does(
    root: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approving, "statuses", lambda _: signal.raise_signal(signal.SIGTERM))
    assert typed(root, "sync", "status", code=130) == "concord: stopped; run again to go on\n"


def test_the_version_is_told(plain: Path, typed: Typed) -> None:
    assert typed(plain, "--version") == f"concord {version('concord-contacts')}\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no such thing"), 2),
        (ProjectFaults(()), 3),
        (NotDeployed("no table"), 4),
        (BreakingChange("a column is gone"), 4),
        (RecordKeyChanged("another key"), 4),
        (MissingConnection("none of that name"), 1),
        (PlatformDown("crm", "does not answer"), 1),
    ],
)
def test_the_exit_code_says_what_kind_of_failure_it_was(error: ConcordError, code: int) -> None:
    assert exit_code(error) == code


@pytest.fixture
def incident(root: Path) -> str:
    """An open incident of the deployed project."""
    from concord.cli.session import context, deployed_project
    from concord.steps.incidents import all_incidents, raise_incident

    with patch.dict(os.environ, surroundings(root), clear=True):
        ctx = context(deployed_project(), "test")
        raise_incident(ctx, "late", dataset="golden/contacts", message="as of yesterday")
        return all_incidents(ctx)[-1].incident_id


def test_an_incident_is_listed_shown_and_closed(root: Path, typed: Typed, incident: str) -> None:
    (row,) = typed(root, "incident", "list", "--format", "json")
    assert (row["incident_id"], row["dataset"], row["times"]) == (incident, "golden/contacts", 1)
    shown = typed(root, "incident", "show", incident)
    assert "what to do: look for what lies behind" in shown
    assert "run: command/" in shown
    assert incident in typed(root, "incident", "list")
    closed = typed(root, "incident", "close", incident, "--reason", "known")
    assert closed == f"closed: {incident}\n"
    assert typed(root, "incident", "list", "--format", "json") == []
    (row,) = typed(root, "incident", "list", "--all", "--format", "json")
    assert (row["state"], row["closed_by"], row["reason"]) == ("closed", "a person", "known")


@pytest.mark.parametrize("verb", ["show", "close"])
def test_an_incident_that_is_not_there_is_named_as_such(
    root: Path, typed: Typed, verb: str
) -> None:
    told = typed(root, "incident", verb, "late:nothing:1", code=2)
    assert "`concord incident list" in told


def test_the_doctor_names_what_is_wrong_with_its_fix_and_shows_no_secret(
    root: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "ill"
    shutil.copytree(root, folder)
    crm = folder / "assets" / "platforms" / "crm.yaml"
    crm.write_text(f"# postgres://crm:hunter2@db/crm\n{crm.read_text(encoding='utf-8')}")
    (folder / "dags" / "polars.py").write_text("")
    told = (
        concord(folder, "doctor", code=1)
        or subprocess.run(
            [sys.executable, "-m", "concord", "doctor", "--format", "json"],
            env=surroundings(folder),
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    )
    found = {(one["check"], one["where"]): one for one in json.loads(told)["findings"]}
    assert set(found) == {
        ("secrets", "assets/platforms/crm.yaml:1"),
        ("packages", "dags/polars.py"),
        *(("connections", name) for name in ("address_book", "crm", "newsletter")),
    }
    assert all(one["fix"] for one in found.values())
    assert "hunter2" not in told
