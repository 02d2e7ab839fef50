"""What the doctor finds, and what it leaves alone."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.errors import Fault, MissingConnection, ProjectFaults
from concord.platforms.connection import Connection
from concord.project import load
from concord.steps import doctor_installation
from concord.steps.context import Context
from concord.steps.deploy import deploy
from concord.steps.doctor import CHECKS, installation, of_context, of_project
from concord.steps.doctor_installation import shadows, versions
from concord.steps.doctor_secrets import secrets_in

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("line", "plain", "kind"),
    [
        ("password: hunter2", True, "a value that is named like a secret"),
        ("  api_key: 'abc-def'", True, "a value that is named like a secret"),
        ('DB_PASSWORD = "hunter2"', False, "a value that is named like a secret"),
        ('{"client_secret": "abcdef"}', True, "a value that is named like a secret"),
        ("export SMTP_TOKEN=abcdef", True, "a value that is named like a secret"),
        ("url: postgres://crm:hunter2@db/crm", True, "an address with a password"),
        ("-----BEGIN RSA PRIVATE KEY-----", True, "a private key"),
        ("id: " + "AKIA" + "ABCDEFGHIJKLMNOP", True, "an access key of AWS"),
    ],
)
def test_what_looks_like_a_secret_is_found(line: str, plain: bool, kind: str) -> None:
    assert list(secrets_in(f"fine\n{line}\n", plain=plain)) == [(2, kind)]


@pytest.mark.parametrize(
    "line",
    [
        "record_key: concord_record_key",
        "password: ${CRM_PASSWORD}",
        "password: '{{ conn.crm.password }}'",
        "password:",
        "password: null",
        "password = read_password(name)",
        "url: https://crm.example.org/book",
        "url: postgres://crm:${PASSWORD}@db/crm",
        "at: 2026-11-25T08:00:00+00:00",
        "connection: crm   # host, login and password stand in Airflow",
        "controller: {name: Acme GmbH, contact: privacy@acme.example}",
    ],
)
def test_what_only_speaks_of_secrets_is_left_alone(line: str) -> None:
    assert list(secrets_in(line, plain=not line.endswith(")"))) == []


def test_the_reference_project_itself_is_found_healthy() -> None:
    assert list(installation(ROOT)) == []
    assert list(of_project(load(ROOT))) == []


def test_a_library_outside_its_pin_is_named_with_both_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {"deltalake": "1.6.5", "openlineage-airflow": "1.0", "polars": None}
    real = doctor_installation._installed
    monkeypatch.setattr(doctor_installation, "_installed", lambda name: known.get(name, real(name)))
    told = {one.where: one.what for one in versions()}
    assert told["deltalake"] == "1.6.5 is outside the pin ==1.6.3"
    assert told["polars"] == "is not installed"
    assert "must not be used" in told["openlineage-airflow"]
    assert len(told) == 3


def test_files_that_hide_a_library_are_found_where_python_looks_first(tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    (tmp_path / "dags" / "airflow").mkdir(parents=True)
    (tmp_path / "dags" / "airflow" / "__init__.py").touch()
    (tmp_path / "dags" / "email.py").touch()
    (tmp_path / "dags" / "billing.py").touch()
    loose.mkdir()
    (loose / "polars.py").touch()
    told = [one.where for one in shadows(tmp_path, [str(loose), *__import__("sys").path])]
    assert told == ["dags/airflow", "dags/email.py", "loose/polars.py"]


def test_faults_come_with_file_line_and_hint() -> None:
    faults = ProjectFaults((Fault("concord.yaml", 3, "wrong", "did you mean right?"),))
    (told,) = of_project(faults)
    assert (told.where, told.what, told.fix) == ("concord.yaml:3", "wrong", "did you mean right?")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def ctx(tmp_path: Path, silent: int) -> Context:
    root = tmp_path / "project"
    root.mkdir()
    for part in ("assets", "contracts", "lineage"):
        shutil.copytree(ROOT / part, root / part)
    shutil.copy(ROOT / "concord.yaml", root)
    known = {
        "address_book": Connection("address_book", host=f"http://127.0.0.1:{silent}/"),
        "newsletter": Connection("newsletter", "fs", extra={"path": str(tmp_path / "nowhere")}),
        "concord_record_key": Connection("concord_record_key", password="k" * 32),
    }

    def connect(name: str) -> Connection:
        if name not in known:
            raise MissingConnection(f"there is no Airflow connection {name!r}; add it")
        return known[name]

    return Context(
        project=load(root),
        run=RunId("doctor", "doctor"),
        lake=Lake(str(root / "lake")),
        record_key=b"",
        connect=connect,
        now=lambda: datetime.now(UTC),
        tell=lambda _: None,
    )


def test_what_is_missing_silent_or_unreachable_is_told_in_bounded_time(ctx: Context) -> None:
    began = time.monotonic()
    found = list(of_context(ctx, patience_s=1.0))
    assert time.monotonic() - began < 15
    told = {(one.check, one.where): one.what for one in found}
    assert told["connections", "crm"] == "crm: there is no Airflow connection 'crm'"
    assert told["tables", "lake"] == "no table is there yet"
    assert told["platforms", "address_book"] == "did not answer within 1 s"
    assert "is not there" in told["platforms", "newsletter"]
    assert len(told) == 4
    assert {one.check for one in found} <= set(CHECKS)


def test_another_key_a_clock_that_lags_and_a_missing_column_are_found(ctx: Context) -> None:
    deploy(dataclasses.replace(ctx, record_key=b"another key" * 3), resolved=False)
    table = ctx.project.datasets["ops/runs"]
    assert ctx.lake.open(table).newest_record() is not None
    early = dataclasses.replace(ctx, now=lambda: datetime.now(UTC) - timedelta(hours=1))
    shutil.rmtree(ctx.project.root / "lake" / "raw" / "crm")
    told = {(one.check, one.where): one.what for one in of_context(early, patience_s=0.1)}
    assert "another record key" in told["record key", "concord_record_key"]
    assert "lies ahead of this clock" in told["clock", "this host"]
    assert told["tables", "raw/crm"] == "not deployed: create with 11 columns"


def test_a_key_that_needs_no_connection_is_no_finding_and_is_compared(ctx: Context) -> None:
    def connect(name: str) -> Connection:
        raise MissingConnection(f"there is no Airflow connection {name!r}; add it")

    keyed = dataclasses.replace(ctx, connect=connect, record_key=b"k" * 32)
    deploy(keyed, resolved=False)
    assert {one.where for one in of_context(keyed)} == {"crm", "address_book", "newsletter"}
    other = dataclasses.replace(keyed, record_key=b"another key" * 3)
    told = {(one.check, one.where): one.what for one in of_context(other)}
    assert "another record key" in told["record key", "concord_record_key"]
