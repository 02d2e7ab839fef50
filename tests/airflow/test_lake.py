"""What an Airflow connection says, as the Delta library wants to hear it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from concord.airflow.lake import lake_of, storage_options
from concord.errors import MissingConnection
from concord.platforms.connection import Connection
from concord.project import load

ROOT = Path(__file__).parents[2]


def nobody_s(name: str) -> Connection:
    raise MissingConnection(name)


def test_an_amazon_connection_reads_as_its_provider_writes_it() -> None:
    extra = {"region_name": "eu-central-1", "endpoint_url": "https://s3.example"}
    found = storage_options(Connection("lake", "aws", login="id", password="key", extra=extra))
    assert found == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "https://s3.example",
    }


def test_keys_may_stand_in_the_extra_and_a_session_s_token_with_them() -> None:
    extra = {"aws_access_key_id": "id", "aws_secret_access_key": "key", "aws_session_token": "t"}
    assert storage_options(Connection("lake", "aws", extra=extra)) == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_SESSION_TOKEN": "t",
    }


def test_a_machine_s_own_role_needs_neither_login_nor_password() -> None:
    assert storage_options(Connection("lake", "aws")) == {}


@pytest.mark.parametrize(("url", "allowed"), [("http://s3:9000", True), ("https://s3", False)])
def test_only_an_address_without_tls_is_spoken_to_without_it(url: str, allowed: bool) -> None:
    found = storage_options(Connection("lake", "aws", extra={"endpoint_url": url}))
    assert found.get("AWS_ALLOW_HTTP") == ("true" if allowed else None)


def test_another_store_s_options_are_passed_on() -> None:
    extra = {"azure_storage_account_name": "acme", "azure_use_emulator": True}
    assert storage_options(Connection("lake", "generic", extra=extra)) == {
        "azure_storage_account_name": "acme",
        "azure_use_emulator": "true",
    }


def test_an_environment_names_its_own_connection_and_a_folder_asks_for_none() -> None:
    deployed, demo = load(ROOT, "deployed"), load(ROOT, "demo")
    named = Connection("concord_lake", "aws", login="id", password="hush")
    asked = {"concord_lake": named}
    lake = lake_of(deployed, asked.__getitem__)
    assert (lake.root, lake.storage_options["AWS_ACCESS_KEY_ID"]) == ("s3://concord/acme", "id")
    assert "hush" not in repr(lake)
    assert lake_of(replace(demo, lake_connection="concord_lake"), nobody_s).storage_options == {}
