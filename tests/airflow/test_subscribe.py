"""The Dag of a downstream team: how Airflow finds it, and what its task does."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

from concord.airflow.operators import StepOperator
from concord.airflow.retry import SyncPolicy
from concord.airflow.subscribers import SubscriptionOperator, subscribe
from concord.assets.commit import RunId
from concord.assets.evolution import create_table
from concord.assets.snapshot import Change, publish
from concord.assets.table import Lake
from concord.errors import UsageError
from concord.project import Project, load, write_resolved
from concord.steps.context import Context
from concord.steps.registry import run_step
from concord.steps.tables import frame_schema

FILE = '''"""An Airflow Dag of a team."""

from concord import subscribe


@subscribe("{team}", __file__)
def {function}(changes, subscription):
    """Do nothing."""
'''


@pytest.fixture(scope="module")
def bag(reference: Path) -> DagBag:
    return DagBag(reference / "dags" / "billing.py")


@pytest.fixture(scope="module")
def dag(bag: DagBag) -> Any:
    return bag.dags["publish_billing"]


@pytest.fixture(scope="module")
def declared(reference: Path) -> Project:
    return load(reference)


@pytest.fixture
def lake(declared: Project, tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    for name in ("golden/contacts", "billing/customers", "ops/runs"):
        schema = frame_schema(declared, name)
        create_table(lake, declared.datasets[name], schema, run=RunId("deploy", "deploy"))
    return lake


def parsed(reference: Path, tmp_path: Path, text: str) -> DagBag:
    """A Dag file of the reference project's, parsed where no other test sees it."""
    for name in ("contracts", "assets", "lineage", "concord.yaml"):
        (tmp_path / name).symlink_to(reference / name)
    write_resolved(tmp_path)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "team.py").write_text(text)
    return DagBag(tmp_path / "dags" / "team.py")


class TestParsing:
    def test_airflow_finds_exactly_the_teams_dag(self, bag):
        assert bag.import_errors == {}
        assert list(bag.dags) == ["publish_billing"]

    def test_it_is_found_also_when_the_function_has_its_name(self, reference, tmp_path):
        text = FILE.format(team="billing", function="publish_billing")
        assert list(parsed(reference, tmp_path, text).dags) == ["publish_billing"]

    def test_a_team_without_a_declaration_is_an_import_error_that_says_so(
        self, reference, tmp_path
    ):
        found = parsed(reference, tmp_path, FILE.format(team="sales", function="sales"))
        (error,) = found.import_errors.values()
        assert "there is no contracts/subscriptions/sales.yaml" in error

    def test_it_starts_on_news_of_its_dataset_and_nightly(self, dag, reference):
        facts = DagSerialization.to_dict(dag)["dag"]["timetable"]["__var"]
        text = str(facts)
        assert "'golden/contacts'" in text
        assert load(reference).nightly in text

    def test_its_task_is_retried_and_reported_like_any_other(self, dag):
        (task,) = dag.tasks
        assert isinstance(task.retry_policy, SyncPolicy)
        assert task.on_failure_callback
        assert [outlet.name for outlet in task.outlets] == ["billing/customers"]
        assert (dag.max_active_runs, dag.catchup) == (1, False)
        assert (task.job, isinstance(task, StepOperator)) == ("publish.billing", True)

    def test_the_function_and_its_place_stay_out_of_the_serialised_dag(self, dag, reference):
        (task,) = DagSerialization.to_dict(dag)["dag"]["tasks"]
        own = {name: value for name, value in task["__var"].items() if "lets" not in name}
        assert "function" not in own
        assert str(reference) not in str(own)

    def test_the_function_stays_a_function(self, reference):
        def billing(changes: Any, subscription: Any) -> str:
            return "called"

        made = subscribe("billing", str(reference / "dags" / "billing.py"))(billing)
        assert made is billing
        assert globals().pop("publish_billing").dag_id == "publish_billing"


def test_only_a_refresh_is_taken_from_the_runs_parameters(dag):
    (task,) = dag.tasks
    asked = task._options({"full_refresh": True, "accept_deletes": True})
    assert asked == {"team": "billing", "function": task.function, "full_refresh": True}
    assert task._options({}) == {"team": "billing", "function": task.function}


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import concord", ["airflow", "polars", "deltalake", "pandera", "duckdb", "pydantic"]),
        ("from concord import subscribe", ["polars", "pyarrow", "deltalake", "pandera", "duckdb"]),
        ("from concord import render_dags", ["polars", "pyarrow", "deltalake", "pandera"]),
    ],
)
def test_importing_loads_nothing_heavy(code, forbidden):
    asked = f"{code}\nimport sys\nprint([one for one in {forbidden} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_name_is_an_attribute_error():
    import concord

    with pytest.raises(AttributeError, match="has no attribute 'subscribes'"):
        concord.subscribes  # noqa: B018


class TestTheWorkedExample:
    """dags/billing.py itself, on a golden table of three."""

    def test_billing_keeps_its_own_list_of_customers(self, dag, declared, lake):
        (task,) = dag.tasks

        def golden(*persons: dict[str, Any]) -> None:
            schema = frame_schema(declared, "golden/contacts")
            rows = pl.DataFrame(persons, schema=schema).drop("_row_hash")
            run = RunId(str(len(persons)), "survivorship")
            table = lake.open(declared.datasets["golden/contacts"])
            publish(table, lambda _table, _cursors: Change(rows), upto={}, run=run)

        def billing(run: str) -> Any:
            context = Context(
                project=declared,
                run=RunId(run, task.job),
                lake=lake,
                record_key=b"key",
                connect=lambda name: pytest.fail(name),
                now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
                tell=lambda _: None,
            )
            return run_step(task.step, context, **task._options({}))

        def customers() -> dict[str, str]:
            table = lake.open(declared.datasets["billing/customers"])
            return dict(table.frame(columns=["person_id", "full_name"]).collect().iter_rows())

        golden(
            {"person_id": "p1", "full_name": "Ada", "job_title": "Countess"},
            {"person_id": "p2", "full_name": "Bea"},
            {"person_id": "p3", "deleted_at": datetime(2026, 1, 1, tzinfo=UTC)},
        )
        assert billing("first").published[0].upserted == 2
        assert customers() == {"p1": "Ada", "p2": "Bea"}

        golden(
            {"person_id": "p1", "full_name": "Ada", "job_title": "Analyst"},
            {"person_id": "p2", "deleted_at": datetime(2026, 1, 2, tzinfo=UTC)},
        )
        assert billing("second").published[0].deleted == 1
        assert customers() == {"p1": "Ada"}
        assert not billing("third").moved


def test_an_operator_of_a_projects_own_can_take_its_place(reference):
    class Own(SubscriptionOperator):
        pass

    def billing(changes: Any, subscription: Any) -> None:
        pass

    subscribe("billing", str(reference / "dags" / "billing.py"), operator=Own)(billing)
    (task,) = globals().pop("publish_billing").tasks
    assert type(task) is Own


def test_a_team_is_told_before_airflow_parses_anything(reference):
    with pytest.raises(UsageError, match=r"no contracts/subscriptions/sales\.yaml"):
        subscribe("sales", str(reference / "dags" / "billing.py"))
