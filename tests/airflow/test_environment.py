"""What the embedded Airflow is told."""

from __future__ import annotations

from concord.airflow.environment import airflow_environment

SHELL = {
    "PATH": "/bin",
    "AIRFLOW_CONN_CRM": "postgresql://crm",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
    "AIRFLOW__SECRETS__BACKEND": "vault",
}


def test_another_installations_database_is_out_of_reach(tmp_path):
    found = airflow_environment(tmp_path, tmp_path / "state", inherited=SHELL)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith(f"sqlite:///{tmp_path}")


def test_connections_and_secrets_backends_are_kept(tmp_path):
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
