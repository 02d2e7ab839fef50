"""`concord init`: what it writes, and the built wheel in a fresh environment that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from concord.airflow.record_key import own_record_key
from concord.cli.main import assembled
from concord.errors import MissingConnection, UsageError
from concord.project import load, record_key_file
from concord.steps.contract_check import rule_faults

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src" / "concord" / "templates" / "project"
SAME = ["dags/contact_sync.py", *(f"contracts/{n}.odcs.yaml" for n in ("clean", "golden"))]
SAME += [f"contracts/{name}.odcs.yaml" for name in ("consents", "crosswalk")]


def init(folder: Path) -> Path:
    done = CliRunner().invoke(assembled(), ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize("name", SAME)
def test_a_file_is_the_reference_projects_own(name: str) -> None:
    assert (TEMPLATE / name).read_bytes() == (ROOT / name).read_bytes(), f"copy {name} again"


def test_a_new_project_has_no_fault_and_its_name_is_the_folders(tmp_path: Path) -> None:
    project = load(init(tmp_path / "new" / "Our Contacts!"))
    assert (project.name, project.lineage_namespace) == ("our-contacts", "concord-our-contacts")
    assert rule_faults(project) == []
    assert project.delivery == "approve"
    assert (project.root / ".gitignore").read_text(encoding="utf-8").startswith(".concord/\n")


def test_the_readme_explains_every_folder_in_two_lines(tmp_path: Path) -> None:
    folder = init(tmp_path)
    told = (folder / "README.md").read_text(encoding="utf-8").split("\n\n")
    for one in folder.iterdir():
        if one.is_dir():
            (block,) = [part for part in told if part.startswith(f"**`{one.name}/`**")]
            assert len(block.splitlines()) == 2


@pytest.mark.parametrize("there", ["file.txt", ".hidden"])
def test_a_folder_that_holds_anything_is_named_and_left_alone(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine", encoding="utf-8")
    done = CliRunner().invoke(assembled(), ["init", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert str(tmp_path) in str(done.exception)
    assert [one.name for one in tmp_path.iterdir()] == [there]
    done = CliRunner().invoke(assembled(), ["init", str(tmp_path / there)])
    assert isinstance(done.exception, UsageError)


def test_the_key_is_its_owners_only_and_another_one_each_time(tmp_path: Path) -> None:
    keys = [record_key_file(init(tmp_path / name)) for name in ("a", "b")]
    assert keys[0].stat().st_mode & 0o777 == 0o600
    assert keys[0].parent.stat().st_mode & 0o777 == 0o700
    found = [own_record_key({"CONCORD_RECORD_KEY_FILE": str(key)}) for key in keys]
    assert None not in found
    assert len(set(found)) == 2
    assert own_record_key({}) is None


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [("k" * 64, 0o640, "read by others"), ("k" * 31, 0o600, "no key"), ("", 0o600, "no key")],
)
def test_a_key_that_is_none_is_refused_without_being_shown(
    tmp_path: Path, content: str, mode: int, told: str
) -> None:
    key = tmp_path / "record_key"
    key.write_text(content, encoding="ascii")
    key.chmod(mode)
    with pytest.raises(MissingConnection, match=told) as caught:
        own_record_key({"CONCORD_RECORD_KEY_FILE": str(key)})
    assert "kkk" not in str(caught.value)
    assert own_record_key({"CONCORD_RECORD_KEY_FILE": str(tmp_path / "none")}) is None


def fresh_environment(folder: Path, wheel: Path) -> Path:
    """A virtual environment with the wheel; it sees the others' packages, and no editable one.

    The path in a .pth file is searched, while the .pth files found there (an editable package is
    one) are not read: https://docs.python.org/3/library/site.html
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    own = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"]
    subprocess.run([*command, "--no-index", "--quiet", wheel], check=True)
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return fresh_environment(folder / "fresh", wheel)


@pytest.mark.airflow
@pytest.mark.timeout(500)
def test_the_installed_wheel_makes_a_project_that_lints_and_runs_twice_elsewhere(
    installed: Path, tmp_path: Path
) -> None:
    foreign = ("AIRFLOW", "CONCORD", "PYTHON", "VIRTUAL_ENV")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(foreign)}

    def typed(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            words, env=kept, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr[-1500:]
        return done.stdout

    where = typed(str(installed / "python"), "-c", "import concord; print(concord.__file__)")
    assert Path(where).is_relative_to(installed.parent)
    concord = str(installed / "concord")
    typed(concord, "init", "our contacts")
    inside = (concord, "--project", "our contacts")
    assert typed(*inside, "contract", "lint") == "no faults\n"
    first, second = (json.loads(typed(*inside, "run", "--format", "json")) for _ in range(2))
    assert first["failed"] == second["failed"] == []
    assert rows(first)["golden/contacts"] == 6
    assert writes(first) == 2  # withdrawals wait for nobody
    assert [note for note in first["notes"] if "1 writes wait for approval" in note]
    assert writes(second) == 0
    assert sum(one["changed"] for one in second["datasets"]) == 0
    typed(concord, "init", "our contacts", code=2)


def rows(report: dict[str, Any]) -> dict[str, int]:
    return {one["dataset"]: one["rows"] for one in report["datasets"]}


def writes(report: dict[str, Any]) -> int:
    return sum(one["writes"] for one in report["datasets"])
