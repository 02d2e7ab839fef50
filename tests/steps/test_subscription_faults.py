"""Faults of subscriptions are told with their file and line, before anything runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from concord.errors import ProjectFaults
from concord.jobs import jobs_of
from concord.project import load

REFERENCE = Path(__file__).parents[2]
GOOD = {
    "dataset": "golden/contacts",
    "version": "~=1.0",
    "columns": "[full_name]",
    "purpose": "customer_care",
    "owner": "sales@example.org",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("contracts", "assets", "lineage"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    shutil.copy(REFERENCE / "concord.yaml", tmp_path)
    return tmp_path


def declare(root: Path, team: str, **keys: str) -> None:
    lines = [f"{key}: {value}" for key, value in {**GOOD, **keys}.items()]
    (root / "contracts" / "subscriptions" / f"{team}.yaml").write_text("\n".join(lines) + "\n")
    register = root / "lineage" / "processing.yaml"
    text = register.read_text().replace(
        "'subscription:billing'", f"'subscription:{team}', 'subscription:billing'"
    )
    register.write_text(text)


def keep(root: Path, dataset: str) -> None:
    """A contract for a team's dataset."""
    text = (root / "contracts" / "billing.odcs.yaml").read_text()
    family = dataset.split("/")[0]
    changed = text.replace("billing/customers", dataset).replace("billing_customers", family)
    (root / "contracts" / f"{family}.odcs.yaml").write_text(changed)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"columns": "[full_nam]"},
            r"sales\.yaml:3: column `full_nam`.*did you mean `full_name`",
        ),
        ({"purpose": "marketting"}, r"sales\.yaml:4: purpose.*did you mean `marketing`"),
        ({"dataset": "golden/contact"}, r"sales\.yaml:1: dataset .* `golden/contacts`"),
        (
            {"dataset": "clean/erp", "columns": "[record_id]"},
            r"dataset `clean/erp` is declared nowhere",
        ),
        ({"version": "~=2.0"}, r"sales\.yaml:2: .* later contract than 1\.0\.0.*\(write ~=1\.0\)"),
        ({"owner": "''"}, r"sales\.yaml:5: `owner`: String should have at least 1"),
        ({"dataset": "raw/crm"}, r"dataset `raw/crm` is declared nowhere"),
        (
            {"dataset": "clean/crm", "purpose": "marketing"},
            r"sales\.yaml:4: .* rests on consent, and no",
        ),
        ({"publishes": "clean/sales"}, r"sales\.yaml:6: `clean/sales` lies among Concord's own"),
        ({"publishes": "sales/leads"}, r"sales\.yaml:6: contract for `sales/leads`"),
        ({"publishes": "billing/customers"}, r"another team publishes `billing/customers` too"),
        ({"version": "one"}, r"sales\.yaml:2: `version`: not a version pin"),
    ],
)
def test_a_fault_is_told_with_its_line(root, keys, says):
    declare(root, "sales", **keys)
    with pytest.raises(ProjectFaults, match=says):
        load(root)


def test_a_team_whose_name_no_dag_can_bear_is_refused(root):
    declare(root, "Sales Team")
    with pytest.raises(ProjectFaults, match="lower case letters, digits and _"):
        load(root)


def test_a_team_may_subscribe_to_what_another_publishes_and_comes_after_it(root):
    declare(root, "audit", dataset="billing/customers")
    project = load(root)
    jobs = jobs_of(project.platforms, project.subscriptions)
    names = [job.name for job in jobs if job.step == "publish"]
    assert names == ["publish.billing", "publish.audit"]


def test_teams_that_wait_for_each_other_are_refused(root):
    keep(root, "audit/found")
    keep(root, "sales/leads")
    declare(root, "audit", dataset="sales/leads", publishes="audit/found")
    declare(root, "sales", dataset="audit/found", publishes="sales/leads")
    with pytest.raises(ProjectFaults, match="teams wait for each other: "):
        load(root)


def test_a_key_that_may_be_an_address_leaves_no_bounds_in_the_log(root):
    keep(root, "sales/leads")
    path = root / "contracts" / "sales.odcs.yaml"
    text = path.read_text()
    role = text[text.index("      customProperties:") : text.index("    - name: full_name")]
    path.write_text(text.replace(role, "", 1))
    declare(root, "sales", publishes="sales/leads")
    datasets = load(root).datasets
    assert datasets["sales/leads"].stats == ("_row_hash",)
    assert datasets["billing/customers"].stats == ("person_id",)


def test_a_contract_may_move_on_before_its_readers_do(root: Path) -> None:
    golden = root / "contracts" / "golden.odcs.yaml"
    golden.write_text(golden.read_text().replace("version: '1.0.0'", "version: '2.0.0'", 1))
    assert load(root).contracts["golden/contacts"].version == "2.0.0"


def test_whoever_is_given_people_is_a_recipient_of_the_purpose(root: Path) -> None:
    declare(root, "sales")
    register = root / "lineage" / "processing.yaml"
    text = register.read_text()
    register.write_text(text.replace("'subscription:sales', ", "").replace("'platform:crm', ", ""))
    with pytest.raises(ProjectFaults, match=r"processing\.yaml:4: `platform:crm` is given") as told:
        load(root)
    assert "`subscription:sales` is given people for `customer_care`" in str(told.value)
