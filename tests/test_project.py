"""Faults of a project are all found before anything runs, and told where they stand."""

from __future__ import annotations

import functools
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from concord import project as projects
from concord.errors import Fault, ProjectFaults, UsageError
from concord.project import Project, find_root, load, resolve, write_resolved

ROOT = Path(__file__).parents[1]
CRM, BOOK, NEWSLETTER = (
    f"assets/platforms/{p}.yaml" for p in ("crm", "address_book", "newsletter")
)
PEOPLE, REGISTER, SETTINGS = "assets/people.yaml", "lineage/processing.yaml", "concord.yaml"
BILLING, CLEAN = "contracts/subscriptions/billing.yaml", "contracts/clean.odcs.yaml"
Edit = Callable[[str, str, str], None]


def copied(folder: Path) -> Path:
    for part in ("assets", "contracts", "lineage"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "concord.yaml", folder)
    return folder


def change(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text(encoding="utf-8")
    assert old in text
    (root / path).write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture
def edit(root: Path) -> Edit:
    return functools.partial(change, root)


@pytest.fixture(scope="module")
def plain() -> Project:
    """The reference project, which has no fault."""
    return load(ROOT)


@pytest.fixture(scope="module")
def demo() -> Project:
    return load(ROOT, "demo")


# file, what stands there, what is written instead, what is told of the last line written
IN_ONE_FILE = [
    (SETTINGS, "timezone:", "timezon:", "unknown key `timezon` (did you mean `timezone`?)"),
    (SETTINGS, "delivery:", "delivry:", "unknown key `delivry` (did you mean `delivery`?)"),
    (SETTINGS, "{tries: 2", "{trys: 2", "unknown key `trys` (did you mean `tries`?)"),
    (CRM, "table: crm", "tabel: crm", "unknown key `tabel` (did you mean `table`?)"),
    (CRM, "updated_at: up", "updatd_at: up", "(did you mean `updated_at`?)"),
    (
        CRM,
        "schedule: 0 2 * * *",
        "schedule: 0 2 * * *\noverlap_s: -1",
        "`overlap_s`: Input should be greater",
    ),
    (CRM, "from: 20:00", "from: 25:00", "`window.from`: is no time of a day; write it as 06:00"),
    (BOOK, "to: 24:00", "to: 00:00", "`window`: opens and closes at one time; for a whole day"),
    (NEWSLETTER, "from: 19:00, to", "from: 19:00, til", "unknown key `til`"),
    (NEWSLETTER, "[mon, tue", "[mon, tuesday", "`window.days.1`: Input should be 'mon', 'tue'"),
    (CRM, "deleted_at: del", "pattern: del", "unknown key `pattern`"),
    (CRM, "direction: both", "direction: bth", "`direction`: Input should be 'in', 'out'"),
    (CRM, "purpose: customer", "purpse: customer", "(did you mean `purpose`?)"),
    (CRM, "job_title: job_title", "job_title: 3", "is no native field (write its name, or"),
    (CRM, "city\n", "{frm: city}\n", "unknown key `frm` (did you mean `from`?)"),
    (CRM, "zip\n", "[{from: zip, wirte: no}]\n", "unknown key `wirte` (did you mean `write`?)"),
    (CRM, "granted: 'true'", "granted: true", "`consents.0.granted` is no text (quote it)"),
    (NEWSLETTER, "pattern:", "patern:", "unknown key `patern` (did you mean `pattern`?)"),
    (NEWSLETTER, "id: subscriber_id", "id:", "`id` is empty"),
    (BOOK, "kind: carddav", "kind: carddav\npth: x", "unknown key `pth` (did you mean `path`?)"),
    (PEOPLE, "name_check:", "name_chek:", "unknown key `name_chek` (did you mean `name_check`?)"),
    (PEOPLE, "keys: [email", "keys: [emial", "`match.keys.0`: Input should be 'email' or"),
    (REGISTER, "legal_basis: contract", "legal_basis: contrat", "legal_basis"),
    (BILLING, "owner:", "ownr:", "unknown key `ownr` (did you mean `owner`?)"),
    (BILLING, "~=1.0", "1.0x", "`version`: not a version pin"),
    (CLEAN, "required: true", "requierd: true", "did you mean `required`?"),
    ("contracts/crosswalk.odcs.yaml", "status: active", "status: no", "(quote it)"),
    ("contracts/consents.odcs.yaml", "status: active", "status: [active", "is no YAML"),
]
BETWEEN_FILES = [
    (SETTINGS, "Europe/Vienna", "Europe/Wien", "no time zone `Europe/Wien` (did you mean `Europe/"),
    (SETTINGS, "region: AT", "region: ZZ", "`ZZ` is no country"),
    (SETTINGS, "lake: .concord/lake", "nightly: at 4\nlake: a%20b", "a percent sign"),
    (SETTINGS, "record_key: concord", "record_key: con cord", "`record_key` is no name that an"),
    (SETTINGS, "delivery: auto", "nightly: 0 25 * * *", "`nightly` is no cron expression"),
    (CRM, "kind: sql", "region: XX\nkind: sqll", "is called `sqll` (did you mean `sql`?)"),
    (CRM, "connection: crm ", "connection: c rm ", "`connection` is no name that an Airflow"),
    (CRM, "unique: [email]", "unique: [emial]", "native field `emial` is declared nowhere"),
    (CRM, "0 2 * * *", "daily", "`schedule` is no cron expression"),
    (CRM, "Europe/Vienna", "Vienna", "no time zone `Vienna`"),
    (CRM, "customer_care", "customer_car", "(did you mean `customer_care`?)"),
    (CRM, "country = 'AT'", "contry = 'AT'", "`contry` is no column"),
    (CRM, "  given_name:", "  givn_name:", "(did you mean `given_name`?)"),
    (CRM, "  language:", "  loyalty: tier\n  language:", ""),
    (CRM, "company", "{from: company, normalise: fone}", "(did you mean `phone`?)"),
    (CRM, "channel: email", "channel: emial", "channel `emial` is declared nowhere (did you mean"),
    (CRM, "purpose: marketing", "purpose: marketin", "(did you mean `marketing`?)"),
    (NEWSLETTER, "audience: email_marketing", "audience: now() > 1", "`now` is no column"),
    (
        NEWSLETTER,
        "purpose: marketing ",
        "purpose: marketing  ",
        "no column of golden/contacts says",
    ),
    (PEOPLE, "[crm, address_book", "[crn, address_book", "(did you mean `crm`?)"),
    (PEOPLE, "[given_name", "[givn_name", "column `givn_name` is declared nowhere"),
    (PEOPLE, "country]", "country, full_name]", "in the groups `name` and `address`"),
    (PEOPLE, "prefer: [address_book, crm,", "prefer: [address_boo, crm,", "`address_book`?)"),
    (REGISTER, "'platform:crm'", "'platform:crn'", "recipient `platform:crn` is declared nowhere"),
    (REGISTER, "channel: email", "channel: post", ""),
    (
        REGISTER,
        "3 years}\n",
        "3 years}\n  news/letters: {legal_basis: contract}\n",
        "`news/letters`",
    ),
    (BILLING, "full_name", "ful_name", "column `ful_name` is declared nowhere (did you mean"),
    (BILLING, "customer_care", "customer_car", "(did you mean `customer_care`?)"),
    (BILLING, "billing/customers", "billing/customer", "contract for `billing/customer` is"),
]
Wrong = tuple[Path, tuple[Fault, ...]]


def found(folder: Path, edits: list[tuple[str, str, str, str]]) -> Wrong:
    """The faults of a project with all these edits at once."""
    root = copied(folder)
    for path, old, new, _ in edits:
        change(root, path, old, new)
    with pytest.raises(ProjectFaults, match="nothing runs until they are mended") as caught:
        load(root)
    return root, caught.value.faults


@pytest.fixture(scope="module")
def in_one_file(tmp_path_factory: pytest.TempPathFactory) -> Wrong:
    return found(tmp_path_factory.mktemp("one"), IN_ONE_FILE)


@pytest.fixture(scope="module")
def between_files(tmp_path_factory: pytest.TempPathFactory) -> Wrong:
    return found(tmp_path_factory.mktemp("between"), BETWEEN_FILES)


def assert_told(wrong: Wrong, path: str, new: str, told: str) -> None:
    root, faults = wrong
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    last = new.strip("\n").rsplit("\n", 1)[-1]
    line = next(number for number, text in enumerate(lines, 1) if last in text)
    here = [str(fault) for fault in faults if (fault.path, fault.line) == (path, line)]
    if "no YAML" in told:
        here = [str(fault) for fault in faults if fault.path == path]
    assert any(told in fault for fault in here) or not told, here


@pytest.mark.parametrize(("path", "old", "new", "told"), IN_ONE_FILE)
def test_a_fault_in_one_file_is_told_with_its_line_and_what_was_meant(
    in_one_file: Wrong, path: str, old: str, new: str, told: str
) -> None:
    assert_told(in_one_file, path, new, told)


@pytest.mark.parametrize(("path", "old", "new", "told"), BETWEEN_FILES)
def test_a_name_that_nothing_declares_is_told_with_its_line_and_what_was_meant(
    between_files: Wrong, path: str, old: str, new: str, told: str
) -> None:
    assert_told(between_files, path, new, told)


def test_a_column_that_is_new_is_told_where_to_declare_it(between_files: Wrong) -> None:
    (told,) = [fault for fault in between_files[1] if "`loyalty`" in fault.what]
    assert told.hint == (
        "for a new column, add it to contracts/clean.odcs.yaml and contracts/golden.odcs.yaml"
    )


def test_a_column_to_write_that_golden_lacks_is_told(root: Path, edit: Edit) -> None:
    edit("contracts/golden.odcs.yaml", "name: job_title", "name: job")
    with pytest.raises(ProjectFaults, match="`job_title` is not in golden_contacts") as caught:
        load(root)
    assert {fault.path for fault in caught.value.faults} == {CRM, BOOK}
    for path, native in ((CRM, "job_title"), (BOOK, "TITLE")):
        edit(path, f"job_title: {native}", f"job_title: {{from: {native}, write: false}}")
    assert load(root).platform("crm")


def test_one_way_of_writing_a_field_is_told_of_not_every_way_there_is(in_one_file: Wrong) -> None:
    told = [str(fault) for fault in in_one_file[1] if "locality" in fault.what]
    assert len(told) == 1


def test_a_key_of_another_kind_of_platform_is_not_suggested(in_one_file: Wrong) -> None:
    (told,) = [fault for fault in in_one_file[1] if "`pattern`" in fault.what]
    assert told.hint == ""


def test_a_platform_that_is_only_read_needs_no_purpose(root: Path, edit: Edit) -> None:
    edit(NEWSLETTER, "purpose: marketing", "direction: in #")
    edit(REGISTER, "channel: email, ", "channel: post, ")
    project = load(root)
    assert [job.name for job in project.jobs if job.platform == "newsletter"] == [
        "extract.newsletter",
        "clean.newsletter",
    ]
    edit(NEWSLETTER, "direction: in", "direction: out")
    with pytest.raises(ProjectFaults, match="`purpose`: is missing: say what people are sent"):
        load(root)


def test_a_platform_whose_name_cannot_travel_is_told_to_be_renamed(root: Path) -> None:
    (root / CRM).rename(root / "assets" / "platforms" / "My CRM.yaml")
    with pytest.raises(ProjectFaults, match=r"lower case letters, digits and _ \(rename the file"):
        load(root)


SPOILT = [
    (PEOPLE, "- a\n- list\n", "people.yaml:1: holds no keys with values"),
    (CRM, "# nothing yet\n", "crm.yaml:1: is empty"),
    (BOOK, "kind: sql\nkind: sql\n", "address_book.yaml:2: a key stands twice"),
    (NEWSLETTER, "kind:\n\ud8ff", "newsletter.yaml:2: is not UTF-8 text (save it as UTF-8)"),
    ("assets/platforms/a.yaml", "kind: sql\nid: &x id\n", "a.yaml:2: anchors and aliases"),
    ("assets/platforms/b.yaml", "id: !!python/name:os.system\n", "b.yaml:1: tags (!) are not read"),
    ("assets/platforms/c.yml", "kind: sql\n", "c.yml: is not read: its name ends in .yml (name it"),
    ("contracts/other.yaml", "kind: x\n", "other.yaml: is not read: it is no contract's name"),
]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = copied(tmp_path_factory.mktemp("spoilt"))
    for path, text, _ in SPOILT:
        (root / path).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ProjectFaults, match="the project has 8 faults") as caught:
        load(root)
    return str(caught.value)


@pytest.mark.parametrize(("path", "text", "told"), SPOILT)
def test_a_file_that_cannot_be_read_hides_no_other(
    spoilt: str, path: str, text: str, told: str
) -> None:
    assert told in spoilt


def test_missing_files_are_named(root: Path) -> None:
    (root / "assets" / "people.yaml").unlink()
    shutil.rmtree(root / "assets" / "platforms")
    with pytest.raises(ProjectFaults, match=r"people\.yaml: is missing") as caught:
        load(root)
    assert "assets/platforms: holds no platform" in str(caught.value)


def test_a_missing_contract_is_told_with_what_to_do(root: Path) -> None:
    (root / "contracts" / "golden.odcs.yaml").unlink()
    with pytest.raises(ProjectFaults, match=r"no contract names golden/contacts .* \(put back its"):
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
    write_resolved(root)
    edit("assets/people.yaml", "name_check:", "name_chek:")
    with pytest.raises(ProjectFaults, match="name_chek"):
        resolve(root)


def test_a_torn_resolved_project_is_made_up_for(root: Path) -> None:
    write_resolved(root).write_text('[{"digests"', encoding="utf-8")
    assert resolve(root).name == "acme"


def test_reading_the_resolved_project_loads_no_validator(root: Path) -> None:
    write_resolved(root)
    program = (
        "import sys, pathlib; from concord.project import resolve;"
        f"resolve(pathlib.Path({str(root)!r}));"
        "print([m for m in ('jsonschema', 'ruamel', 'polars', 'phonenumbers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_state_folder_is_its_owners_alone(root: Path) -> None:
    (root / ".concord").mkdir(mode=0o755)
    assert projects.state_folder(root).stat().st_mode & 0o777 == 0o700


def test_a_project_is_a_value_that_travels(plain: Project, demo: Project) -> None:
    assert pickle.loads(pickle.dumps(plain)) == plain
    assert load(ROOT) == plain
    assert demo != plain


def test_an_environment_overrides_what_it_names_and_nothing_else(
    plain: Project, demo: Project
) -> None:
    assert demo.lake == str(ROOT / ".concord" / "demo" / "lake")
    assert (demo.delivers("crm"), plain.delivers("crm")) == ("auto", "approve")
    assert (demo.retries.tries, plain.retries.tries) == (2, 4)
    assert (demo.delivery, plain.delivery) == ("auto", "approve")
    assert (demo.nightly, demo.timezone) == (plain.nightly, plain.timezone)


def test_the_environment_is_taken_from_outside_when_nobody_names_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCORD_ENV", "demo")
    assert load(root).environment == "demo"


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
