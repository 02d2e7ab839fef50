"""Airflow connections outside tasks."""

from __future__ import annotations

import pytest

from concord.airflow.connections import connect
from concord.errors import MissingConnection


def test_a_connection_comes_with_all_its_parts(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_CRM", "postgres://user:secret@db.example:5433/sales?sslmode=require"
    )
    found = connect("crm")
    assert (found.host, found.port, found.login, found.password, found.schema) == (
        "db.example",
        5433,
        "user",
        "secret",
        "sales",
    )
    assert found.extra == {"sslmode": "require"}
    assert "secret" not in repr(found)


def test_a_missing_connection_says_how_to_add_it(monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    with pytest.raises(MissingConnection, match="AIRFLOW_CONN_NOWHERE"):
        connect("nowhere")
