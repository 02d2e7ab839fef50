"""Deploy as a process of its own passes on what kept it from being done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from concord.airflow.deployment import deploy_embedded
from concord.errors import NotDeployed
from concord.project import load

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(120)]

KEY = json.dumps({"conn_type": "generic", "password": "0123456789abcdef0123456789abcdef"})


def test_the_reason_is_the_childs_own_sentence(reference: Path, tmp_path: Path) -> None:
    root = shutil.copytree(reference, tmp_path / "project")
    extra = {"AIRFLOW_CONN_CONCORD_RECORD_KEY": KEY}
    log = Path(load(root).lake) / "golden" / "contacts" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_text("{ada@example.org", encoding="utf-8")
    with pytest.raises(NotDeployed, match=r"^deploy: golden/contacts: the log of its table cannot"):
        deploy_embedded(root, tmp_path / "airflow", extra=extra)


def test_a_foreign_error_is_told_by_class_and_place(reference: Path, tmp_path: Path) -> None:
    root = shutil.copytree(reference, tmp_path / "project")
    resolved = root / ".concord" / "project.json"
    resolved.unlink()
    resolved.mkdir()
    extra = {"AIRFLOW_CONN_CONCORD_RECORD_KEY": KEY}
    with pytest.raises(NotDeployed, match=r"^deploy: an unexpected error: IsADirectoryError at co"):
        deploy_embedded(root, tmp_path / "airflow", extra=extra)
