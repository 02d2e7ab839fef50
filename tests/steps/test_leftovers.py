"""Scratch folders of others are removed only when nobody can still be using them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from concord.steps import leftovers
from concord.steps.leftovers import EXTRACT, remove_leftovers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scratch folder that nobody has touched for years."""
    monkeypatch.setattr(leftovers.tempfile, "gettempdir", lambda: str(tmp_path))
    made = tmp_path / f"{EXTRACT}1"
    (made / "listing").mkdir(parents=True)
    (made / "listing" / "page.parquet").write_bytes(b"four")
    for one in (made / "listing" / "page.parquet", made / "listing", made):
        os.utime(one, (0, 0))
    return made


def removed() -> tuple[int, int]:
    project = SimpleNamespace(platforms={})
    ctx: Any = SimpleNamespace(project=project, now=lambda: datetime.now(UTC))
    return remove_leftovers(ctx, dry_run=False)


def test_an_old_folder_goes_with_what_is_in_it(folder: Path) -> None:
    assert removed() == (1, 4)
    assert not folder.exists()


def test_a_folder_with_one_young_file_stays(folder: Path) -> None:
    os.utime(folder / "listing" / "page.parquet")
    assert removed() == (0, 0)
    assert folder.exists()


def test_a_folder_that_is_being_emptied_while_we_look_stays_and_fails_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanishing(_folder: Path, _pattern: str) -> Iterator[Path]:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "rglob", vanishing)
    assert removed() == (0, 0)
    assert folder.exists()
