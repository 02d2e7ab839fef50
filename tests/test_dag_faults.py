"""What is wrong with the Dag files of teams is seen without running them."""

from __future__ import annotations

from pathlib import Path

import pytest

from concord.dag_faults import dag_faults

BILLING = """\"\"\"An Airflow Dag.\"\"\"

from concord import subscribe


@subscribe("billing", __file__)
def billing(changes, subscription):
    subscription.publish(changes)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dags" / "teams").mkdir(parents=True)
    (tmp_path / "dags" / "billing.py").write_text(BILLING, encoding="utf-8")
    (tmp_path / "dags" / "contact_sync.py").write_text('"""Every Airflow Dag."""', encoding="utf-8")
    return tmp_path


def told(root: Path, *teams: str, **files: str) -> list[str]:
    for name, text in files.items():
        (root / "dags" / f"{name}.py").write_text(text, encoding="utf-8")
    return [str(fault) for fault in dag_faults(root, teams)]


def test_a_team_with_one_dag_file_has_no_fault(root: Path) -> None:
    assert told(root, "billing") == []


def test_the_second_dag_file_of_a_team_is_told_with_the_place_of_the_first(root: Path) -> None:
    assert told(root, "billing", loyalty=BILLING.replace("Airflow Dag", "Airflow Dag\\n")) == [
        "dags/loyalty.py:6: the team `billing` has its Dag in dags/billing.py:6 already "
        "(a team has one Dag: name another team, or delete one of the two)"
    ]


def test_a_subscription_that_no_dag_file_serves_is_told(root: Path) -> None:
    (fault,) = told(root, "billing", "loyalty")
    assert fault.startswith(
        'contracts/subscriptions/loyalty.yaml:1: no file in dags/ has @subscribe("loyalty", '
    )


def test_a_dag_file_of_a_team_that_is_not_declared_is_told(root: Path) -> None:
    assert told(root) == [
        "dags/billing.py:6: the team `billing` has no file in contracts/subscriptions (known: none)"
    ]


def test_a_dag_file_that_airflow_would_pass_over_is_told(root: Path) -> None:
    assert told(root, "billing", billing=BILLING.replace("Airflow", "A")) == [
        "dags/billing.py:6: Airflow passes this file over "
        "(write the words Airflow Dag into its docstring)"
    ]


def test_a_dag_file_that_is_no_python_is_told_by_class_and_line_and_nobody_is_missed(
    root: Path,
) -> None:
    broken = BILLING + "ada@example.org = = 1\n"
    assert told(root, "billing", billing=broken) == [
        "dags/billing.py:9: is no Python (SyntaxError)"
    ]


def test_teams_named_in_a_way_that_cannot_be_read_are_not_missed(root: Path) -> None:
    made = BILLING.replace('"billing"', "TEAM")
    assert told(root, "billing", billing=made) == []


def test_a_dag_file_in_a_folder_counts(root: Path) -> None:
    (root / "dags" / "billing.py").rename(root / "dags" / "teams" / "billing.py")
    assert told(root, "billing") == []


def test_a_project_without_dags_is_asked_for_none(tmp_path: Path) -> None:
    assert told(tmp_path, "billing") == []
