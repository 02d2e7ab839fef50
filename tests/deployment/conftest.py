"""The people, platforms and end states of the scenarios, for a deployment to work on."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from concord.demo.postgres import Postgres

HERE = Path(__file__).parent
SCENARIOS = HERE.parent / "scenarios"
sys.path += [str(HERE), str(SCENARIOS)]

from machine import answers  # noqa: E402 - a module of this folder

_spec = importlib.util.spec_from_file_location("scenarios", SCENARIOS / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
scenarios = importlib.util.module_from_spec(_spec)
sys.modules["scenarios"] = scenarios
_spec.loader.exec_module(scenarios)

radicale, template = scenarios.radicale, scenarios.template
sixty, undisturbed = scenarios.sixty, scenarios.undisturbed


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One server for the CRM and for Airflow."""
    with Postgres(tmp_path_factory.mktemp("pg"), {"max_connections": "100"}) as server:
        yield server


@dataclass(frozen=True)
class ObjectStore:
    """A bucket of an S3 server of our own.

    Attributes:
        options: what the Delta library needs to reach it.
    """

    options: Mapping[str, str]
    client: Any

    @property
    def sizes(self) -> dict[str, int]:
        """Every object, and the bytes in it."""
        found = self.client.list_objects_v2(Bucket="concord")
        return {one["Key"]: one["Size"] for one in found.get("Contents", ())}


@contextmanager
def object_store(*how: str) -> Iterator[ObjectStore]:
    """An empty bucket, for the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(HERE / "objectstore.py"), str(port), *how]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    options = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }
    try:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="id",
            aws_secret_access_key="key",
        )
        while not answers(url):
            assert server.poll() is None
            time.sleep(0.05)
        client.create_bucket(Bucket="concord")
        yield ObjectStore(options, client)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """A store that refuses to overwrite what it was asked to leave."""
    with object_store() as found:
        yield found


@pytest.fixture(scope="module")
def forgetful() -> Iterator[ObjectStore]:
    """A store that overwrites it all the same."""
    with object_store("forgetful") as found:
        yield found
