"""The throwaway project on Airflow's real scheduler."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from concord.airflow.front import RunReport
from concord.airflow.messages import Order

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(120)]

Run = Callable[..., RunReport]


def dataset(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / "lake" / f"{name.replace('/', '.')}.json").read_text())


def rows(root: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(root / ".concord" / "airflow" / "airflow.db") as database:
        return database.execute(sql).fetchall()


def lineage_events(root: Path) -> list[dict[str, Any]]:
    lines = (root / ".concord" / "lineage" / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="class")
def statsd() -> Iterator[socket.socket]:
    """A StatsD server that keeps what it is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        yield server


def sent(server: socket.socket) -> Counter[str]:
    """Our counters added up by name."""
    told: Counter[str] = Counter()
    with suppress(BlockingIOError):
        while True:
            name, _, value = server.recv(4096).decode().partition(":")
            if name.startswith("airflow.concord."):
                told[name] += float(value.removesuffix("|c"))
    return told


def log_lines(root: Path, task: str) -> list[dict[str, Any]]:
    """What Concord itself logged in the tasks of that name."""
    files = (root / ".concord" / "airflow" / "logs").rglob(f"task_id={task}/*.log")
    lines = (json.loads(line) for one in files for line in one.read_text().splitlines())
    return [line for line in lines if line.get("logger", "").startswith("concord.")]


@pytest.fixture(scope="class")
def runs(
    project: Path, run: Run, statsd: socket.socket
) -> tuple[Path, RunReport, int, RunReport, int]:
    metrics = {
        "STATSD_ON": "True",
        "STATSD_PORT": str(statsd.getsockname()[1]),
        "METRICS_ALLOW_LIST": "concord",
    }
    first = run(project, **{f"AIRFLOW__METRICS__{name}": said for name, said in metrics.items()})
    events = rows(project, "select count(*) from asset_event")[0][0]
    second = run(project)
    return (
        project,
        first,
        events,
        second,
        rows(project, "select count(*) from asset_event")[0][0],
    )


class TestTwoRuns:
    def test_everything_ends_well(self, runs):
        assert (runs[1].exit_code, runs[1].text, runs[3].exit_code) == (0, "", 0)

    def test_the_first_run_reaches_every_platform(self, runs):
        root = runs[0]
        assert {p: dataset(root, f"sync/{p}/base")["content"] for p in "abc"} == dict.fromkeys(
            "abc", 1
        )

    def test_what_is_upstream_runs_before_what_is_downstream(self, runs):
        steps = [event.step for event in runs[1].tasks]
        order = ["extract", "clean", "resolve", "survivorship", "plan", "deliver", "acknowledge"]
        assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)

    def test_each_chunk_is_delivered_once(self, runs):
        lines = [json.loads(line) for line in (runs[0] / "runs.jsonl").read_text().splitlines()]
        delivered = Counter(
            (one["job"], one.get("chunk")) for one in lines if "deliver" in one["job"]
        )
        assert delivered == {(f"deliver.{p}", chunk): 1 for p in "abc" for chunk in (0, 1)}

    def test_the_second_run_only_extracts(self, runs):
        assert {(event.step, event.state) for event in runs[3].tasks} == {("extract", "skipped")}

    def test_the_second_run_emits_no_asset_event(self, runs):
        assert runs[2] == runs[4] > 0

    def test_only_what_was_published_has_an_event(self, runs):
        names = rows(
            runs[0],
            "select a.name, e.extra from asset_event e join asset a on a.id = e.asset_id",
        )
        events = {name: json.loads(extra)["dataset"] for name, extra in names}
        assert set(events) == {
            *(f"{kind}/{p}" for kind in ("raw", "quarantine", "clean") for p in "abc"),
            *(f"sync/{p}/base" for p in "abc"),
            "people/consents",
            "people/crosswalk",
            "golden/contacts",
        }
        assert all(name == told for name, told in events.items())

    def test_versions_reach_the_lineage_file(self, runs):
        done = [
            event
            for event in lineage_events(runs[0])
            if event["eventType"] == "COMPLETE"
            and event["job"]["name"] == "survivorship.survivorship"
            and event["outputs"]
        ]
        assert [event["job"]["namespace"] for event in done] == ["throwaway"]
        assert done[0]["outputs"][0]["facets"]["version"]["datasetVersion"] == "0"

    def test_what_each_step_took_reaches_airflows_metrics(self, runs, statsd):
        told = sent(statsd)
        named = {name: value for name, value in told.items() if name.endswith(".extract.a")}
        assert named == {
            "airflow.concord.rows.extract.a": 1,
            "airflow.concord.calls.extract.a": 3,
            "airflow.concord.retries.extract.a": 1,
            "airflow.concord.throttled_seconds.extract.a": 0.5,
            "airflow.concord.batch_seconds.extract.a": 0.25,
        }
        assert told["airflow.concord.rows.survivorship"] == 1
        every = [value for name, value in told.items() if name.startswith("airflow.concord.calls.")]
        assert told["airflow.concord.calls"] == sum(every)

    def test_a_line_of_the_log_says_which_step_dataset_run_and_try_it_is_of(self, runs):
        lines = log_lines(runs[0], "clean")
        assert {(one["step"], one["dataset"], one["try_number"]) for one in lines} == {
            ("clean", f"clean/{p}", 1) for p in "abc"
        }
        assert all(one["run"].startswith("clean_") and one["whole_run"] for one in lines)

    def test_nothing_ran_by_the_calendar(self, runs):
        kinds = {kind for (kind,) in rows(runs[0], "select distinct run_type from dag_run")}
        assert kinds <= {"manual", "asset_triggered"}

    def test_the_state_is_for_its_owner_only(self, runs):
        folder = runs[0] / ".concord"
        assert [oct(one.stat().st_mode & 0o777) for one in (folder, folder / "airflow")] == [
            "0o700"
        ] * 2


def test_a_run_of_some_jobs_leaves_the_others_to_the_next_run(project: Path, run: Run) -> None:
    some = run(project, Order(only=("extract.a", "clean.a")))
    assert (some.exit_code, [(e.step, e.platform) for e in some.tasks]) == (
        0,
        [("extract", "a"), ("clean", "a")],
    )
    rest = run(project)
    assert rest.exit_code == 0
    assert dataset(project, "sync/c/base")["content"] == 1
    source = json.dumps({"a": 2, "b": 1, "c": 1})
    (project / "source.json").write_text(source)
    moved = project.rename(project.with_name("anderswo"))
    assert run(moved).exit_code == 0, "a project that was moved goes on"
    assert dataset(moved, "raw/a")["content"] == 2


@pytest.fixture(scope="class")
def failed(project: Path, run: Run) -> tuple[Path, RunReport]:
    how = {"clean.a": "once", "clean.b": "terminal", "plan.a": "foreign", "plan.c": "killed"}
    (project / "behaviour.json").write_text(json.dumps(how))
    return project, run(project)


class TestFailures:
    """One run: a retry, a refusal, a foreign exception, a process killed without a word."""

    @staticmethod
    def states(report: RunReport, step: str, platform: str) -> list[str]:
        return [e.state for e in report.tasks if (e.step, e.platform) == (step, platform)]

    def test_the_run_fails(self, failed):
        assert failed[1].exit_code == 1
        assert {(one.step, one.platform) for one in failed[1].failed} == {
            ("clean", "b"),
            ("plan", "a"),
            ("plan", "c"),
        }

    def test_a_transient_error_is_tried_again(self, failed):
        assert self.states(failed[1], "clean", "a")[:2] == ["up_for_retry", "success"]

    def test_a_terminal_error_is_tried_once(self, failed):
        assert set(self.states(failed[1], "clean", "b")) == {"failed"}

    def test_a_failed_branch_leaves_its_neighbours_alone(self, failed):
        root = failed[0]
        assert dataset(root, "golden/contacts")["content"] == 1
        assert dataset(root, "sync/b/base")["content"] == 1

    def test_every_failure_is_one_incident_that_names_its_step(self, failed):
        incidents = json.loads((failed[0] / "incidents.json").read_text()).values()
        told = {(one["step"], one["platform"]): (one["kind"], one["error"]) for one in incidents}
        assert told == {
            ("clean", "b"): ("failed", "PlatformRefused"),
            ("plan", "a"): ("failed", "StepFailed"),
            ("plan", "c"): ("killed", ""),
        }

    def test_all_of_them_are_one_alert(self, failed):
        assert (failed[0] / "alerts.txt").read_text() == "one\n"

    def test_no_foreign_text_is_in_any_file(self, failed):
        quoted = [
            path
            for path in failed[0].rglob("*")
            if path.is_file() and b"jane.doe" in path.read_bytes()
        ]
        assert quoted == []

    def test_the_next_run_catches_up(self, failed, run):
        root = failed[0]
        (root / "behaviour.json").unlink()
        assert run(root).exit_code == 0
        assert {dataset(root, f"sync/{p}/base")["content"] for p in "abc"} == {1}
        assert dataset(root, "clean/b")["content"] == 1


class TestKilledWorker:
    def test_the_next_run_completes_what_a_killed_one_began(self, project, run):
        (project / "behaviour.json").write_text(json.dumps({"resolve": "kill the worker"}))
        killed = run(project)
        assert killed.exit_code == 1
        assert "signal 9" in killed.text
        assert run(project).exit_code == 0
        assert {dataset(project, f"sync/{p}/base")["content"] for p in "abc"} == {1}
