"""The rules of golden/contacts and people/consents, broken one by one, tell of nobody either.

What survives comes from rows that passed the contract of clean, which has the same rules; so they
are taken out there. Without Airflow: what it writes is searched in `test_nobody_is_told_of`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from canaries import canary, finds
from leaks import leaks
from ruamel.yaml import YAML
from test_nobody_is_told_of import AS_WRITTEN, LAKE, LONG, in_the_crm, plant

if TYPE_CHECKING:
    from concord.steps.rounds import Run
    from conftest import World

LIMITS = ("pattern", "minLength", "maxLength", "minimum", "maximum")
GOLDEN_OUT_OF_REACH = {
    "person_id": "Concord makes it",
    "emails.type": "the connectors know a few types and say no other",
    "phones.type": "the connectors know a few types and say no other",
    "emails.value.required": "an element without a value is none",
    "phones.value.required": "an element without a value is none",
    "emails_at_most_one_preferred": "survivorship prefers one element at most",
    "phones_at_most_one_preferred": "survivorship prefers one element at most",
    "street.pattern": "blank text is no value",
    "tombstone_is_empty": "survivorship makes tombstones of nothing but their instant",
}
WITHOUT_RULE = (".parquet: country", ".parquet: language")
"""Columns of clean that hold codes, so nobody is expected there, as long as their rules stand."""
CONSENTS_OUT_OF_REACH = {
    "consent_id": "Concord makes it",
    "channel": "the project's files are refused with another",
    "purpose": "the project's files are refused without",
    "address.required": "a claim without an address is none",
    "address.min_length": "blank text is no value",
    "status": "Concord says it",
    "claims": "Concord says them, one a platform's record",
}


def loosened(world: World) -> None:
    """Clean has no rule any more, and no contract minds how many rows break it."""
    place, yaml = world.root / "contracts" / "clean.odcs.yaml", YAML()
    told = yaml.load(place)
    table = told["schema"][0]
    table.pop("quality")
    for column in table["properties"]:
        _without_rules(column)
    yaml.dump(told, place)
    for name, ratio in (("clean", "0.2"), ("golden", "0.2"), ("consents", "0.0")):
        world.edit_file(f"contracts/{name}.odcs.yaml", f"value: {ratio}\n", "value: 1.0\n")
    for column, (platform, native) in AS_WRITTEN.items():
        new = f"  {column}: {{from: {native}, normalise: text}}"
        world.edit_file(f"assets/platforms/{platform}.yaml", f"  {column}: {native}", new)


def _without_rules(column: dict) -> None:  # type: ignore[type-arg]
    column.pop("quality", None)
    for limit in LIMITS:
        column.get("logicalTypeOptions", {}).pop(limit, None)
    if "logicalTypeOptions" in column and not column["logicalTypeOptions"]:
        column.pop("logicalTypeOptions")
    for inner in column.get("items", {}).get("properties", ()):
        _without_rules(inner)


@dataclasses.dataclass(frozen=True)
class After:
    """What a run left behind."""

    world: World
    run: Run


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, empty_world: Callable[[Path], World]) -> After:
    world = empty_world(tmp_path_factory.mktemp("loose"))
    loosened(world)
    plant(world)
    at = datetime(2024, 2, 1, tzinfo=UTC)
    one = canary("longaddress")
    in_the_crm(world, one, email=f"{one.word}{LONG}@x.example", opt_in=True, opt_in_at=at)
    world.deploy()
    return After(world, world.run())


def out_of(reach: dict[str, str], after: After, dataset: str) -> set[str]:
    """The rules of a contract that can be broken by what platforms hold."""
    contract = after.world.ctx.project.contract(dataset)
    assert contract is not None
    return {
        rule.id
        for rule in contract.rules
        if rule.severity == "error"
        and rule.kind != "readable"  # the table that is read has the types
        and not any(rule.id.startswith(name) for name in reach)
    }


def test_every_rule_of_golden_was_broken(after: After) -> None:
    rows = after.world.frame("quarantine/golden")["rules"].to_list()
    broken = {rule for rules in rows for rule in rules}
    wanted = out_of(GOLDEN_OUT_OF_REACH, after, "golden/contacts")
    assert " ".join(sorted(wanted - broken)) == ""
    assert " ".join(sorted(broken - wanted)) == ""


def test_every_rule_of_consents_was_broken(after: After) -> None:
    record = after.world.ctx.open("quarantine/consents").newest_record()
    assert record is not None
    broken = {one for one in record.rules if not one.startswith("consent.")}  # rules of claims
    wanted = out_of(CONSENTS_OUT_OF_REACH, after, "people/consents")
    assert " ".join(sorted(wanted ^ broken)) == ""


def test_nobody_is_told_of(after: After) -> None:
    found = leaks(after.world.root, after.world.ctx.project, LAKE)
    assert [one for one in found if not one[0].endswith(WITHOUT_RULE)] == []
    assert set(after.run.failed) == {"survivorship"}  # more people broke its rules than did not
    assert finds(repr(after.run).encode()) == []
    assert finds(" ".join(map(str, after.run.failed.values())).encode()) == []
