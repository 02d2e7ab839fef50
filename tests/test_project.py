"""Faults of a project are all found before anything runs, and told where they stand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from concord import project as projects
from concord.errors import ProjectFaults, UsageError
from concord.project import find_root, load, resolve, write_resolved

ROOT = Path(__file__).parents[1]
Edit = Callable[[str, str, str], None]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("assets", "contracts", "lineage"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / "concord.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def edit(root: Path) -> Edit:
    def change(path: str, old: str, new: str) -> None:
        text = (root / path).read_text(encoding="utf-8")
        assert old in text
        (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def line_of(root: Path, path: str, text: str) -> int:
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_the_reference_project_has_no_fault() -> None:
    project = load(ROOT, "demo")
    assert project.delivers("crm") == "auto"
    assert load(ROOT).delivers("crm") == "approve"


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        (
            "concord.yaml",
            "timezone:",
            "timezon:",
            "unknown key `timezon` (did you mean `timezone`?)",
        ),
        ("assets/platforms/crm.yaml", "purpose:", "purpse:", "did you mean `purpose`?"),
        ("assets/platforms/crm.yaml", "updated_at: updated", "updatd_at: updated", "`updatd_at`"),
        (
            "assets/platforms/crm.yaml",
            "  given_name:",
            "  givn_name:",
            "did you mean `given_name`?",
        ),
        (
            "assets/platforms/crm.yaml",
            "customer_care",
            "customer_car",
            "did you mean `customer_care`?",
        ),
        ("assets/platforms/crm.yaml", "country = 'AT'", "contry = 'AT'", "`contry` is no column"),
        (
            "assets/platforms/newsletter.yaml",
            "audience: email_marketing",
            "audience: now() > 1",
            "`now`",
        ),
        (
            "assets/platforms/crm.yaml",
            "organisation: company",
            "organisation: {from: company, normalise: fone}",
            "did you mean `phone`?",
        ),
        ("assets/people.yaml", "[crm, address_book", "[crn, address_book", "did you mean `crm`?"),
        ("assets/people.yaml", "name_check:", "name_chek:", "did you mean `name_check`?"),
        ("lineage/processing.yaml", "legal_basis: contract", "legal_basis: contrat", "legal_basis"),
        (
            "contracts/clean.odcs.yaml",
            "required: true",
            "requierd: true",
            "did you mean `required`?",
        ),
        ("concord.yaml", "name: acme", "name: [acme", "is no YAML"),
    ],
)
def test_a_fault_is_told_with_its_file_its_line_and_what_was_meant(
    root: Path, edit: Edit, path: str, old: str, new: str, told: str
) -> None:
    edit(path, old, new)
    with pytest.raises(ProjectFaults) as caught:
        load(root)
    fault = next(fault for fault in caught.value.faults if told in str(fault))
    assert fault.path == path
    if "no YAML" not in told:
        assert fault.line == line_of(root, path, new.strip())


def test_every_fault_of_every_file_is_listed_at_once(root: Path, edit: Edit) -> None:
    edit("concord.yaml", "timezone:", "timezon:")
    edit("assets/platforms/crm.yaml", "purpose:", "purpse:")
    edit("assets/people.yaml", "name_check:", "name_chek:")
    with pytest.raises(ProjectFaults) as caught:
        load(root)
    assert {fault.path for fault in caught.value.faults} == {
        "concord.yaml",
        "assets/platforms/crm.yaml",
        "assets/people.yaml",
    }


def test_missing_files_are_named(root: Path) -> None:
    (root / "assets" / "people.yaml").unlink()
    shutil.rmtree(root / "assets" / "platforms")
    with pytest.raises(ProjectFaults, match=r"people\.yaml: is missing") as caught:
        load(root)
    assert "assets/platforms: holds no platform" in str(caught.value)


def test_a_file_that_is_no_text_is_named(root: Path) -> None:
    (root / "assets" / "people.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProjectFaults, match=r"people\.yaml: is not UTF-8 text"):
        load(root)


def test_a_second_contract_for_a_dataset_is_refused(root: Path) -> None:
    shutil.copy(root / "contracts" / "golden.odcs.yaml", root / "contracts" / "twin.odcs.yaml")
    with pytest.raises(ProjectFaults, match="a second contract for golden/contacts"):
        load(root)


def test_the_resolved_project_is_read_without_checking_it_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load(root, "demo")
    write_resolved(root)
    monkeypatch.setattr(projects, "load", None)
    assert resolve(root, "demo") == whole


def test_an_edited_file_is_checked_again(root: Path, edit: Edit) -> None:
    load(root)
    write_resolved(root)
    edit("assets/people.yaml", "name_check:", "name_chek:")
    with pytest.raises(ProjectFaults, match="name_chek"):
        resolve(root)


def test_an_environment_that_is_not_declared_is_refused(root: Path) -> None:
    with pytest.raises(UsageError, match="no environment of the name"):
        load(root, "prod")


def test_a_project_is_found_from_inside_and_named_when_it_is_none(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONCORD_PROJECT", raising=False)
    assert find_root(root / "assets") == root.resolve()
    with pytest.raises(UsageError, match=r"there is no concord\.yaml"):
        find_root(tmp_path_factory.mktemp("elsewhere"))
