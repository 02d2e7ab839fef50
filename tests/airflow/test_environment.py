"""What the embedded Airflow is told."""

from __future__ import annotations

import sqlite3

import pytest

from concord.airflow.environment import airflow_environment, command_environment
from concord.errors import UnreadableInput

SHELL = {
    "PATH": "/bin",
    "AIRFLOW_CONN_CRM": "postgresql://crm",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
    "AIRFLOW__METRICS__STATSD_ON": "True",
    "AIRFLOW__SECRETS__BACKEND": "vault",
}


def test_another_installations_database_is_out_of_reach(tmp_path):
    found = airflow_environment(tmp_path, tmp_path / "state", inherited=SHELL)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith(f"sqlite:///{tmp_path}")


def test_connections_secrets_backends_and_where_metrics_go_are_kept(tmp_path):
    found = airflow_environment(tmp_path, tmp_path / "state", inherited=SHELL)
    kept = {name: found[name] for name in SHELL if "DATABASE" not in name}
    assert kept == {name: value for name, value in SHELL.items() if "DATABASE" not in name}


def test_keys_are_made_once_for_a_state_folder_and_differ_between_two(tmp_path):
    one, again, other = (
        airflow_environment(tmp_path, tmp_path / name, inherited={}) for name in ("a", "a", "b")
    )
    key = "AIRFLOW__API_AUTH__JWT_SECRET"
    assert one[key] == again[key] != other[key]
    assert len(one[key]) >= 64


def test_keys_are_for_their_owner_only(tmp_path):
    airflow_environment(tmp_path, tmp_path / "state", inherited={})
    assert (tmp_path / "state" / "keys.json").stat().st_mode & 0o077 == 0


def test_a_command_reads_connections_with_the_key_they_were_stored_under(tmp_path):
    state = tmp_path / "state"
    embedded = airflow_environment(tmp_path, state, inherited={})
    found = command_environment(tmp_path, state, inherited={"PATH": "/bin"})
    assert found["AIRFLOW_HOME"] == str(state)
    assert found["AIRFLOW__CORE__FERNET_KEY"] == embedded["AIRFLOW__CORE__FERNET_KEY"]


@pytest.mark.parametrize(
    "name",
    ["AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "AIRFLOW__CORE__FERNET_KEY"],
)
def test_a_command_leaves_somebodys_own_airflow_as_it_is(tmp_path, name):
    assert command_environment(tmp_path, tmp_path / "state", inherited={name: "x"}) == {}
    assert not (tmp_path / "state").exists()


def database(state):
    state.mkdir()
    with sqlite3.connect(state / "airflow.db") as made:
        made.execute("create table dag_run as select randomblob(9000) as conf")
    made.close()
    return state / "airflow.db"


def test_a_sound_database_is_used(tmp_path):
    database(tmp_path / "state")
    assert airflow_environment(tmp_path, tmp_path / "state", inherited={})


@pytest.mark.parametrize("start", [0, 4096])
def test_a_damaged_database_is_named_and_may_be_deleted(tmp_path, start):
    place = database(tmp_path / "state")
    content = place.read_bytes()
    place.write_bytes(content[:start] + b"garbage " * 512 + content[start + 4096 :])
    told = r"^state/airflow\.db: Airflow's own .* holds no contacts: delete it and run again"
    with pytest.raises(UnreadableInput, match=told):
        airflow_environment(tmp_path, tmp_path / "state", inherited={})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is damaged"),
        (b'{"AIRFLOW__API__SECR', "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "lacks 3 of 3 secrets"),
        (b'{"AIRFLOW__API__SECRET_KEY": 5}', "lacks 3 of 3 secrets"),
    ],
)
def test_damaged_keys_are_named_and_may_be_deleted(tmp_path, content, told):
    state = tmp_path / "state"
    airflow_environment(tmp_path, state, inherited={})
    (state / "keys.json").write_bytes(content)
    what = rf"^state/keys\.json: {told}.*; it keys no contact: delete it and run again"
    for environment in (airflow_environment, command_environment):
        with pytest.raises(UnreadableInput, match=what):
            environment(tmp_path, state, inherited={})
        assert (state / "keys.json").read_bytes() == content
    (state / "keys.json").unlink()
    assert airflow_environment(tmp_path, state, inherited={})


def test_a_key_that_no_connection_can_be_read_with_is_lacking_and_not_shown(tmp_path):
    state = tmp_path / "state"
    sound = airflow_environment(tmp_path, state, inherited={})
    place = state / "keys.json"
    key = sound["AIRFLOW__CORE__FERNET_KEY"]
    place.write_text(place.read_text().replace(key, key[:40]))
    with pytest.raises(UnreadableInput, match="lacks 1 of 3 secrets") as caught:
        airflow_environment(tmp_path, state, inherited={})
    assert key[:8] not in str(caught.value)


def test_keys_that_are_a_folder_cannot_be_read(tmp_path):
    (tmp_path / "state" / "keys.json").mkdir(parents=True)
    with pytest.raises(UnreadableInput, match=r"^state/keys\.json: cannot be read \[EISDIR\]"):
        airflow_environment(tmp_path, tmp_path / "state", inherited={})
