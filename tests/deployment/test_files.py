"""compose.yaml and the Dockerfile, as far as they can be checked without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from compose import Service, env_values, read_services
from dockerfile import instructions, sources, variables
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from machine import DEPLOY

ROOT = DEPLOY.parent
COMPOSE = DEPLOY / "compose.yaml"
EXAMPLE = env_values((DEPLOY / ".env.example").read_text(encoding="utf-8"))
FILLED = {name: value or "x" * 32 for name, value in EXAMPLE.items()}
ASKED = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text(encoding="utf-8")))
OF_AIRFLOW = {"airflow-init", "api-server", "scheduler", "dag-processor", "worker"}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    return read_services(COMPOSE, FILLED)


def test_the_file_is_one_that_compose_reads() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_example_holds_no_secret_and_names_every_variable_that_is_asked_for() -> None:
    assert {name for name, value in EXAMPLE.items() if not value} == ASKED
    assert (
        not set(EXAMPLE) - set(re.findall(r"\$\{(\w+)", COMPOSE.read_text())) - {"COMPOSE_PROFILES"}
    )


def test_a_variable_that_is_missing_or_empty_is_refused() -> None:
    for name in ASKED:
        for left in ({**FILLED, name: ""}, {k: v for k, v in FILLED.items() if k != name}):
            with pytest.raises(KeyError, match=name):
                read_services(COMPOSE, left)


def test_a_new_env_has_a_secret_of_its_own_for_each_and_is_written_once(tmp_path: Path) -> None:
    command = [sys.executable, str(DEPLOY / "new_env.py"), str(tmp_path / ".env")]
    subprocess.run(command, check=True)
    text = (tmp_path / ".env").read_text(encoding="utf-8")
    made = [env_values(text)[name] for name in ASKED]
    assert len(set(made)) == len(ASKED)
    assert min(map(len, made)) >= 32
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "left alone" in again.stderr
    assert (tmp_path / ".env").read_text(encoding="utf-8") == text


def test_secrets_that_stand_in_addresses_need_no_escapes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(DEPLOY / "new_env.py"), str(tmp_path / ".env")], check=True)
    made = env_values((tmp_path / ".env").read_text(encoding="utf-8"))
    in_addresses = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWORD"}
    assert all(re.fullmatch("[A-Za-z0-9_-]+", made[name]) for name in in_addresses)


def test_what_is_served_is_served_on_this_machine_only(services: dict[str, Service]) -> None:
    ports = {name: one.said["ports"] for name, one in services.items() if "ports" in one.said}
    assert ports == {"api-server": ["127.0.0.1:8080:8080"]}


def test_every_lasting_service_comes_back_and_says_how_it_is(services: dict[str, Service]) -> None:
    lasting = {name: one for name, one in services.items() if name != "airflow-init"}
    assert {one.said["restart"] for one in lasting.values()} == {"unless-stopped"}
    assert all(one.health for one in lasting.values())
    assert services["airflow-init"].said["restart"] == "no"


def test_only_what_reads_or_writes_contacts_has_the_keys_to_them(
    services: dict[str, Service],
) -> None:
    key = {name for name, one in services.items() if "RECORD_KEY" in str(one.environment)}
    assert key == {"airflow-init", "dag-processor", "worker"}
    assert {name for name, one in services.items() if one.env_files} == key


def test_airflow_s_components_share_one_image_and_one_set_of_secrets(
    services: dict[str, Service],
) -> None:
    ours = [one for name, one in services.items() if name in OF_AIRFLOW]
    assert len({one.image for one in ours}) == 1
    shared = [
        {k: v for k, v in one.environment.items() if k.startswith("AIRFLOW__")} for one in ours
    ]
    assert all(one == shared[0] for one in shared)


def test_whatever_is_waited_for_is_there_and_can_tell(services: dict[str, Service]) -> None:
    for name, one in services.items():
        for other, how in one.said.get("depends_on", {}).items():
            assert other in services, name
            assert how["condition"] == (
                "service_completed_successfully" if other == "airflow-init" else "service_healthy"
            )
    assert "api-server" in services["scheduler"].said["depends_on"]
    assert "api-server" in services["worker"].said["depends_on"]


def test_a_dead_worker_is_noticed_within_two_minutes_and_not_before_one(
    services: dict[str, Service],
) -> None:
    said = services["scheduler"].environment
    timeout = int(said["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"])
    assert 60 <= timeout <= 120


def test_every_volume_is_declared_and_what_is_kept_is_in_one(services: dict[str, Service]) -> None:
    declared = set(YAML(typ="safe", pure=True).load(COMPOSE)["volumes"])
    used = {vol.split(":")[0] for one in services.values() for vol in one.said.get("volumes", ())}
    assert used == declared


def test_the_image_copies_what_is_there_and_runs_as_nobody_in_particular() -> None:
    found = instructions(DEPLOY / "Dockerfile")
    copied = [source for source, _ in sources(found)]
    assert {"src", "dags", "assets", "contracts", "lineage", "requirements.lock"} <= set(copied)
    assert [one for one in copied if not (ROOT / one).exists()] == []
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert {f"!{one}" for one in copied} <= set(ignored)
    assert [one.text for one in found if one.word == "USER"] == ["50000:0"]
    assert found[-1].word == "CMD"


def test_the_image_s_folders_are_those_of_the_services(services: dict[str, Service]) -> None:
    image = variables(instructions(DEPLOY / "Dockerfile"), 2)
    worker = services["worker"]
    assert worker.environment["AIRFLOW__CORE__DAGS_FOLDER"] == f"{image['CONCORD_PROJECT']}/dags"
    assert f"state:{image['CONCORD_PROJECT']}/.concord" in worker.said["volumes"]
    assert f"logs:{image['AIRFLOW_HOME']}/logs" in worker.said["volumes"]


def test_what_is_installed_is_what_the_lock_says_with_its_hash() -> None:
    runs = [one.text for one in instructions(DEPLOY / "Dockerfile") if one.word == "RUN"]
    installs = [one for one in runs if "uv pip install" in one or "uv build" in one]
    assert len(installs) == 2
    assert all("requirements.lock" in one for one in installs)
    assert "[alerts,deploy]" in installs[1]
    locked = dict(
        line.removesuffix(" \\").split(" ")[0].split("==")
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if re.match(r"[a-z0-9].*==", line)
    )
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    airflow = next(
        Requirement(one)
        for one in re.findall(r'"([^"]+)"', pyproject)
        if one.startswith("apache-airflow>")
    )
    assert airflow.specifier.contains(locked["apache-airflow"])
    assert {"celery", "asyncpg", "psycopg2-binary", "redis"} <= set(locked)
