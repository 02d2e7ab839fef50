"""Alerts: what they say, and that they arrive, or fail and delay nobody."""

from __future__ import annotations

import dataclasses
import json
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # what the tests of this folder share

from receiver import mail, web

from concord.airflow.alerts import Message, message, run_link, send, way_of
from concord.airflow.engine import Attempt, Engine, reading_context
from concord.assets.commit import RunId
from concord.assets.evolution import create_table
from concord.platforms.connection import Connection
from concord.project import Project, load
from concord.steps.context import Context
from concord.steps.incident_life import RECOVERED, Incident, Sighting, sight
from concord.steps.incidents import all_incidents, any_untold, close_incident, raise_incident
from concord.steps.tables import frame_schema

NOW = datetime(2026, 1, 1, 3, tzinfo=UTC)
TOLD = Message("Concord demo: 1 incident", "failed: deliver.crm\n  a < b & c")
RUN = "sync_crm/asset_triggered__2026-01-01T03:00:00+00:00_x/deliver/2"


def incident(kind: str = "failed", **more: Any) -> Incident:
    seen = Sighting(
        kind,
        "deliver.crm",
        "crm: no answer",
        RUN,
        NOW,
        dataset="sync/crm/receipts",
        error="PlatformDown",
        tries=4,
    )
    found = sight([], seen)
    assert found is not None
    return dataclasses.replace(found, **more)


class TestMessage:
    def test_it_says_what_where_how_often_what_to_do_and_where_to_look(self) -> None:
        again = incident(times=3)
        told = message("demo", [again], "https://airflow.example/")
        assert told.title == "Concord demo: 1 incident"
        assert told.body.splitlines() == [
            "failed: deliver.crm, sync/crm/receipts, PlatformDown",
            "  crm: no answer",
            "  seen 3 times since 2026-01-01 03:00 UTC",
            "  what to do: do what the message says; then clear the task or run again, nothing is "
            "doubled",
            "  run: https://airflow.example/dags/sync_crm/runs/"
            "asset_triggered__2026-01-01T03%3A00%3A00%2B00%3A00_x/tasks/deliver/mapped/2",
            "  more: concord incident show failed:deliver.crm:PlatformDown:1",
        ]

    def test_many_incidents_are_one_message_and_what_recovered_comes_last(self) -> None:
        over = incident("slow", untold=RECOVERED, at=NOW - timedelta(days=1))
        told = message("demo", [over, incident(), incident("killed")], None)
        assert told.title == "Concord demo: 2 incidents, 1 recovered"
        firsts = [block.split(",")[0] for block in told.body.split("\n\n")]
        assert firsts == ["failed: deliver.crm", "killed: deliver.crm", "recovered: deliver.crm"]

    @pytest.mark.parametrize("run", [RUN, "command/incident close/2026/12/x/-1", "run"])
    def test_where_there_are_no_pages_a_run_is_its_names(self, run: str) -> None:
        assert run_link(run, None) == run
        assert (run_link(run, "https://a") == run) == (run != RUN)


def connection(monkeypatch: pytest.MonkeyPatch, kind: str, **said: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TOLD", json.dumps({"conn_type": kind, **said}))


def way() -> Connection:
    found = way_of("told")
    assert found is not None
    return found


def by_mail(monkeypatch: pytest.MonkeyPatch, port: int, **more: Any) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "concord@x.example", **more}
    connection(monkeypatch, "smtp", host="127.0.0.1", port=port, extra=extra)


class TestSending:
    def test_a_mail_arrives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with mail() as server:
            by_mail(monkeypatch, server.port, to="team@x.example, night@x.example")
            assert send(way(), TOLD)
        (got,) = server.mailed
        assert (got["Subject"], got["From"]) == (TOLD.title, "concord@x.example")
        assert got["To"] == "team@x.example, night@x.example"
        body = got.get_body(("html",))
        assert body is not None
        assert "a &lt; b &amp; c" in body.get_content()

    def test_a_post_arrives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with web() as server:
            connection(monkeypatch, "apprise", extra=server.extra)
            assert send(way(), TOLD)
        (got,) = server.posted
        assert (got["title"], got["message"]) == (TOLD.title, TOLD.body)

    def test_without_a_connection_there_is_nobody_to_tell(self) -> None:
        assert way_of("no_such_connection") is None

    def test_a_receiver_that_refuses_is_no_success(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with web() as server:
            server.status = 500
            connection(monkeypatch, "apprise", extra=server.extra)
            assert not send(way(), TOLD)

    def test_a_server_that_is_not_there_is_no_success(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            by_mail(monkeypatch, free.getsockname()[1], to="team@x.example")
            assert not send(way(), TOLD)

    @pytest.mark.parametrize(
        ("kind", "extra"),
        [("http", {}), ("smtp", {}), ("apprise", {}), ("apprise", {"config": 3})],
        ids=["another type", "nobody to mail to", "no receivers", "odd receivers"],
    )
    def test_a_connection_that_tells_nobody_is_no_success(
        self, monkeypatch: pytest.MonkeyPatch, kind: str, extra: dict[str, Any]
    ) -> None:
        connection(monkeypatch, kind, host="127.0.0.1", extra=extra)
        assert not send(way(), TOLD)

    def test_a_receiver_that_hangs_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with web() as server:
            server.open.clear()
            connection(monkeypatch, "apprise", extra=server.extra)
            began = time.monotonic()
            assert not send(way(), TOLD, wait_s=0.3)
            assert time.monotonic() - began < 3  # Apprise itself waits for 4 s


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The reference project with an empty lake, whose alerts go by the connection ``told``."""
    found = load(Path(__file__).parents[2])
    alerts = found.alerts.model_copy(update={"connection": "told"})
    found = dataclasses.replace(found, lake=str(tmp_path), alerts=alerts)
    name = "ops/incidents"
    lake = context(found).lake
    create_table(lake, found.datasets[name], frame_schema(found, name), run=RunId("r", "deploy"))
    return found


def context(project: Project) -> Context:
    return reading_context(project, Attempt("test", "dag", "task", "run"))


def late(project: Project, dataset: str = "golden/contacts") -> None:
    raise_incident(context(project), "late", dataset=dataset, message="as of yesterday")


class TestEndOfARun:
    def test_all_that_opened_and_closed_is_one_alert_told_once(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late(project)
        late(project, "clean/crm")
        with web() as server:
            connection(monkeypatch, "apprise", extra=server.extra)
            assert Engine().alert(project) == 2
            late(project)
            assert Engine().alert(project) == 0
            close_incident(context(project), "late", dataset="clean/crm")
            assert Engine().alert(project) == 1
            assert Engine().alert(project) == 0
        titles = [one["title"].removeprefix("Concord acme: ") for one in server.posted]
        assert titles == ["2 incidents", "1 recovered"]

    def test_what_did_not_arrive_is_told_by_the_next(
        self, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late(project)
        with web() as server:
            connection(monkeypatch, "apprise", extra=server.extra)
            server.status = 500
            assert Engine().alert(project) == 0
            assert any_untold(context(project))
            server.status = 200
            assert Engine().alert(project) == 1
        assert not any_untold(context(project))

    def test_where_nobody_listens_nothing_piles_up(self, project: Project) -> None:
        late(project)
        assert Engine().alert(project) == 0
        assert not any_untold(context(project))
        assert [one.told_at for one in all_incidents(context(project))] == [None]
