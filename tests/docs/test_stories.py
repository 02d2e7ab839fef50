"""Every page is a story: what it tells to type is typed, what it shows is shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pages import Typed, steps
from story import Reader

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIRST = "docs/first-hour.md"

NOT_TYPED = {
    "make setup": "sets up the checkout that these tests run from",
    "make run": "tests/scenarios/test_sixty_people.py",
    "make test": "this is it",
    "concord up": "tests/airflow/test_up.py",
}
"""What a page tells to type and no story types: it never ends, or works on the checkout."""

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


STORIES = {named(page): steps(page) for page in PAGES}
TYPED = {name: story for name, story in STORIES.items() if any(isinstance(s, Typed) for s in story)}


@pytest.fixture(scope="module")
def reader(shell: dict[str, str], installed: Path, tmp_path_factory) -> Callable[..., Reader]:
    """Somebody in a checkout: its environment is the one with the wheel."""
    checkout = tmp_path_factory.mktemp("reader") / "concord"
    checkout.mkdir()
    (checkout / ".venv").symlink_to(installed)

    def at(page: str, folder: Path = checkout, **connections: str) -> Reader:
        return Reader(
            page,
            folder,
            {**shell, "HOME": str(checkout.parent)},
            tmp_path_factory.mktemp("notes"),
            not_typed=tuple(NOT_TYPED),
            connections=connections,
        )

    return at


@pytest.fixture(scope="module")
def after_the_first_hour(
    reader: Callable[..., Reader], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """The project that the first hour leaves; always in the same place, each time as it was left."""
    somebody = reader(FIRST)
    somebody.follow(STORIES[FIRST])
    left, kept = somebody.folder, tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(left, kept, symlinks=True)

    def again() -> Path:
        shutil.rmtree(left)
        shutil.copytree(kept, left, symlinks=True)
        return left

    return again


def test_the_first_hour(after_the_first_hour: Callable[[], Path]) -> None:
    assert after_the_first_hour().name == "contacts"
