"""`concord init`: what it writes; docs/first-hour.md runs it, from the built wheel."""

from __future__ import annotations

from pathlib import Path

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
