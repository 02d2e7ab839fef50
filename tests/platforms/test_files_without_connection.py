"""Kind *files* in a folder of the project, where no connection is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from concord.errors import PlatformRefused
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.files import Files


def declared(**changes: Any) -> PlatformDeclaration:
    base = {"kind": "files", "path": "exports", "id": "id", "direction": "in", "fields": {}}
    return PlatformDeclaration.model_validate({**base, **changes})


def test_a_folder_of_the_project_is_read_without_a_connection(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "x.csv").write_text("id\n1\n", encoding="utf-8")
    assert declared().connection is None
    (page,) = Files("crm", declared(), Connection(""), root=tmp_path).listing()
    assert [one.remote_id for one in page.records] == ["1"]


@pytest.mark.parametrize("path", ["..", "/", "exports/../.."])
def test_it_never_leaves_the_project(tmp_path: Path, path: str) -> None:
    with pytest.raises(PlatformRefused, match="or the project where there is none"):
        list(Files("crm", declared(path=path), Connection(""), root=tmp_path).listing())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"path": "."}, "name one, or a folder of the project in `path`"),
        ({"kind": "carddav", "path": None}, "name the Airflow connection"),
        ({"kind": "elsewhere"}, "name the Airflow connection"),
    ],
)
def test_who_needs_a_connection_is_told_to_name_one(changes: dict[str, Any], told: str) -> None:
    given = {"kind": "files", "path": "exports", "id": "id", "direction": "in", "fields": {}}
    if changes.get("kind") == "carddav":
        given.pop("id")
    with pytest.raises(ValidationError, match=told):
        PlatformDeclaration.model_validate({**given, **changes})
