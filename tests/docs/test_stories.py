"""Every page is a story: what it tells to type is typed, what it shows is shown."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from pages import Change, Shown, Step, Typed, steps
from story import Reader

from concord.demo.radicale import Radicale

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIRST = "docs/first-hour.md"

ELSEWHERE = {
    "make setup": "tests/docs/conftest.py",
    "make run": "tests/scenarios/test_sixty_people.py",
    "make test": "pyproject.toml",
    "concord up": "tests/airflow/test_up.py",
    "pip install concord-contacts": "tests/docs/conftest.py",
}
"""What no story types: it works on the checkout, on the network, or never ends.

Beside each, the file that does the same another way.
"""

ANNA = """BEGIN:VCARD
VERSION:3.0
UID:anna
FN:Anna Gruber
N:Gruber;Anna;;;
EMAIL;TYPE=work:anna.gruber@example.org
TITLE:Head of Sales
END:VCARD
"""

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


STORIES = {named(page): steps(page) for page in PAGES}
TOLD = {name: story for name, story in STORIES.items() if any(isinstance(s, Typed) for s in story)}
LATER = sorted(TOLD.keys() - {"README.md", FIRST})


@pytest.fixture(scope="module")
def reader(
    shell: dict[str, str], installed: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Reader]:
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
            not_typed=tuple(ELSEWHERE),
            connections=connections,
        )

    return at


@pytest.fixture(scope="module")
def after_the_first_hour(
    reader: Callable[..., Reader], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Path]:
    """The project that the first hour leaves: always in the same place, and as it was left."""
    somebody = reader(FIRST)
    somebody.follow(STORIES[FIRST])
    left, kept = somebody.folder, tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(left, kept, symlinks=True)

    def again() -> Path:
        shutil.rmtree(left)
        shutil.copytree(kept, left, symlinks=True)
        return left

    return again


@pytest.fixture
def address_book(tmp_path: Path) -> Iterator[str]:
    """The connection to a CardDAV server that knows Anna."""
    with Radicale(tmp_path, cards={"anna.vcf": ANNA.replace("\n", "\r\n")}) as running:
        own = {"host": running.url, "login": running.login, "password": running.password}
        yield json.dumps({"conn_type": "http", **own})


@pytest.fixture
def existing_airflow(shell: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """The variables of an Airflow that was there before."""
    home = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    made = ["airflow", "db", "migrate"]
    subprocess.run(made, env={**shell, **home}, check=True, capture_output=True)
    return home


def test_the_program_is_the_installed_wheels(installed: Path, shell: dict[str, str]) -> None:
    where = [str(installed / "bin" / "python"), "-c", "import concord; print(concord.__file__)"]
    done = subprocess.run(where, env=shell, check=True, capture_output=True, text=True)
    assert Path(done.stdout).is_relative_to(installed)


def test_the_first_hour(after_the_first_hour: Callable[[], Path]) -> None:
    assert (after_the_first_hour() / "concord.yaml").is_file()


def test_the_readme(reader: Callable[..., Reader], after_the_first_hour) -> None:
    shutil.rmtree(after_the_first_hour())
    reader("README.md").follow(STORIES["README.md"])


@pytest.mark.parametrize("page", LATER)
def test_a_page_that_goes_on_where_the_first_hour_ends(
    page: str,
    reader: Callable[..., Reader],
    after_the_first_hour: Callable[[], Path],
    request: pytest.FixtureRequest,
) -> None:
    services: dict[str, str] = {}
    if page == "docs/add-a-platform.md":
        services["AIRFLOW_CONN_ADDRESS_BOOK"] = request.getfixturevalue("address_book")
    somebody = reader(page, after_the_first_hour(), **services)
    if page == "docs/deploy-on-airflow.md":
        somebody.environment |= request.getfixturevalue("existing_airflow")
    somebody.follow(STORIES[page])


def test_what_a_new_projects_readme_tells_to_type_is_in_the_first_hour() -> None:
    def lines(story: Sequence[Step]) -> set[str]:
        typed = (one for one in story if isinstance(one, Typed))
        return {line.split("#")[0].strip() for one in typed for line in one.lines}

    template = ROOT / "src" / "concord" / "templates" / "project" / "README.md"
    told = lines(steps(template))
    assert told
    assert told <= lines(STORIES[FIRST])


@pytest.mark.parametrize("line", ELSEWHERE)
def test_what_no_story_types_is_told_by_a_page_and_done_elsewhere(line: str) -> None:
    told = [
        one.split("#")[0].strip()
        for story in TOLD.values()
        for s in story
        if isinstance(s, Typed)
        for one in s.lines
    ]
    assert line in told
    assert (ROOT / ELSEWHERE[line]).is_file()


def test_a_wrong_command_an_unprinted_line_and_a_change_of_nothing_are_told(
    tmp_path: Path, shell: dict[str, str]
) -> None:
    def read(*story: Typed | Shown | Change) -> None:
        notes = tmp_path / "notes"
        notes.mkdir(exist_ok=True)
        Reader("a.md", tmp_path, dict(shell), notes).follow(story)

    (tmp_path / "f").write_text("one\ntwo\n")
    read(Typed(1, ("echo first; echo second",), 0), Shown(2, ("first", "…con…")))
    read(Change(3, "f", ("-one", "+three", " two")))
    assert (tmp_path / "f").read_text() == "three\ntwo\n"
    with pytest.raises(AssertionError, match=r"a\.md:4: exit code 2, not 0"):
        read(Typed(4, ("concord rnu",), 0))
    with pytest.raises(AssertionError, match=r"a\.md:6: never printed: first"):
        read(Typed(5, ("echo first; echo second",), 0), Shown(6, ("second", "first")))
    with pytest.raises(AssertionError, match=r"a\.md:7: stands 0 times"):
        read(Change(7, "f", ("-one", "+three")))
