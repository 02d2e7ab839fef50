"""Kinds of platforms are found by entry point."""

from __future__ import annotations

import importlib
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from concord.errors import UsageError
from concord.platforms.connection import Connection
from concord.platforms.declaration import PlatformDeclaration
from concord.platforms.registry import kind, kinds, open_platform

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_INSTALLED = bool(entry_points(group="concord.platforms"))


@pytest.mark.parametrize("name", ["files", "sql", "carddav"])
def test_the_package_declares_its_own_kinds(name: str) -> None:
    declared = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["entry-points"]
    module, attribute = declared["concord.platforms"][name].split(":")
    assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.skipif(not _INSTALLED, reason="concord is on the path, but not installed")
def test_an_installed_kind_is_opened_by_its_name(tmp_path: Path) -> None:
    assert {"files", "sql", "carddav"} <= set(kinds())
    declaration = PlatformDeclaration.model_validate(
        {"kind": "files", "connection": "c", "id": "id", "purpose": "p", "fields": {}}
    )
    with open_platform("newsletter", declaration, Connection("c"), tmp_path) as platform:
        assert platform.capabilities.page == 500


def test_a_kind_that_nobody_brings_is_named() -> None:
    with pytest.raises(UsageError, match="no kind of platform is called 'fax'; installed are"):
        kind("fax")
