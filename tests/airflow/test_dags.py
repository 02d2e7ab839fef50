"""The reference project's Dag files, parsed by Airflow in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PARSE = """
import json, sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
began = time.process_time()
bag = DagBag(sys.argv[1])
seconds = time.process_time() - began
from airflow.serialization.serialized_objects import DagSerialization
heavy = ["polars", "pyarrow", "deltalake", "pandera", "duckdb", "psycopg"]
print("\\n" + json.dumps({
    "seconds": seconds,
    "loaded": [name for name in heavy if name in sys.modules],
    "errors": bag.import_errors,
    "dags": {name: DagSerialization.to_dict(dag) for name, dag in sorted(bag.dags.items())},
}, sort_keys=True))
"""


def parse(root: Path, home: Path, seed: str, **more: str) -> dict[str, Any]:
    environment = {
        **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "PYTHONHASHSEED": seed,
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(root / "dags")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed(reference: Path, tmp_path_factory) -> dict[str, Any]:
    return parse(reference, tmp_path_factory.mktemp("home"), "1")


def tasks(dag: dict[str, Any]) -> list[dict[str, Any]]:
    return [task["__var"] for task in dag["dag"]["tasks"]]


def test_no_dag_file_has_an_error(parsed):
    assert parsed["errors"] == {}
    assert {"extract_crm", "consent", "clean_crm", "resolve", "sync_crm"} <= set(parsed["dags"])


def test_parsing_loads_nothing_that_must_not_be_forked(parsed):
    assert parsed["loaded"] == []


def test_parsing_takes_less_than_a_second(parsed):
    assert parsed["seconds"] < 1


def test_two_parses_serialise_to_the_same_bytes(parsed, reference, tmp_path):
    again = parse(reference, tmp_path, "2")
    assert json.dumps(again["dags"]) == json.dumps(parsed["dags"])


def test_maintenance_is_one_task_a_dataset_called_by_its_name(parsed):
    (task,) = tasks(parsed["dags"]["maintain"])
    assert task["partial_kwargs"]["map_index_template"] == "{{ task.dataset }}"
    assert "golden/contacts" in json.dumps(task["expand_input"])


def test_only_what_reads_a_platform_takes_options_of_a_reading(parsed):
    having = {name for name, dag in parsed["dags"].items() if dag["dag"].get("params")}
    assert having == {
        "extract_crm",
        "extract_address_book",
        "extract_newsletter",
        "publish_billing",
    }


def test_a_task_builds_only_its_own_dag(reference, tmp_path):
    only = parse(reference, tmp_path, "1", _AIRFLOW_PARSING_CONTEXT_DAG_ID="clean_crm")
    assert list(only["dags"]) == ["clean_crm"]


def test_every_dag_runs_alone_and_unpaused_without_catching_up(parsed):
    flags = {
        name: tuple(
            dag["dag"].get(key) for key in ("max_active_runs", "catchup", "is_paused_upon_creation")
        )
        for name, dag in parsed["dags"].items()
    }
    assert flags == dict.fromkeys(flags, (1, False, False))


def test_every_step_is_retried_by_our_policy_and_reported_when_it_fails(parsed):
    for dag in parsed["dags"].values():
        assert dag["dag"]["has_on_failure_callback"], "a killed task cannot tell of itself"
        assert dag["dag"]["has_on_success_callback"], "the end of a run sends its alert"
        for task in tasks(dag):
            facts = {**task, **task.get("partial_kwargs", {})}
            assert facts["has_retry_policy"]
            assert facts["has_on_failure_callback"]
            assert facts["weight_rule"] == "absolute"


def test_an_asset_has_one_address_and_an_address_one_asset(parsed):
    found = {
        (asset["__var"]["name"], asset["__var"]["uri"])
        for dag in parsed["dags"].values()
        for task in tasks(dag)
        for asset in (*task.get("inlets", ()), *task.get("outlets", ()))
    }
    assert len({name for name, _ in found}) == len({uri for _, uri in found}) == len(found)


def test_no_operator_argument_names_a_place_on_this_machine(parsed, reference):
    for dag in parsed["dags"].values():
        for task in tasks(dag):
            own = {key: value for key, value in task.items() if key not in ("inlets", "outlets")}
            own["partial_kwargs"] = {**own.get("partial_kwargs", {}), "inlets": None}
            assert str(reference) not in json.dumps(own)
