"""The demo's people, sixty a platform, dirty rows included: a first run, and what follows."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from concord.demo.people import Person, invent
from concord.demo.seeds import CRM_COLUMNS, cards, crm_rows, newsletter_csv
from concord.steps.rounds import Run

if TYPE_CHECKING:
    from conftest import World


@pytest.fixture
def crowd() -> list[Person]:
    return invent(60)


@pytest.fixture
def seeded(world: World, crowd: list[Person]) -> World:
    for row in crm_rows(crowd):
        world.crm.add(**dict(zip(CRM_COLUMNS, row, strict=True)))
    for name, text in cards(crowd).items():
        (world.book.cards / name).write_bytes(text.encode())
    world.newsletter.file.write_bytes(newsletter_csv(crowd))
    return world


def subscribers(world: World) -> list[dict[str, str]]:
    text = world.newsletter.file.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def strings(value: Any) -> set[str]:
    """Every text in JSON-like data."""
    if isinstance(value, dict):
        return set().union(*(strings(one) for pair in value.items() for one in pair))
    if isinstance(value, list | tuple):
        return set().union(*map(strings, value))
    return {value} if isinstance(value, str) else set()


def planted(crowd: list[Person]) -> set[str]:
    """What nobody may find outside the data files: addresses, numbers, family names, streets."""
    found = set()
    for one in crowd:
        found |= {one.email, one.email.upper(), one.phone, one.national_phone, one.street}
        found |= {one.second_email or one.email, f"{one.given} {one.family}", one.family}
    return found | {"Badmail", "ask reception", "Middle-earth", "bad.twin@example.net"}


def agrees_with_consents(world: World, people: list[Person]) -> None:
    """Nobody is in the newsletter whom she herself or the CRM did not put there."""
    granted = {one.email for one in people if one.consent == "granted"}
    there = {one.email for one in people if "newsletter" in one.platforms}
    ours = {row["email"] for row in subscribers(world) if row["crm_ref"]}
    assert ours <= granted | there
    withdrawn = {one.email for one in people if one.consent == "withdrawn"}
    for row in subscribers(world):
        if row["email"].lower() in withdrawn:
            assert row["status"] == "unsubscribed"


def nothing_leaks(world: World, run: Run, secrets: set[str]) -> None:
    logs = [*(world.root / "lake").rglob("_delta_log/*.json")]
    assert len(logs) > 100
    for log in logs:
        text = log.read_text(encoding="utf-8")
        assert not [one for one in secrets if one in text], log.parent.parent.name
    for checkpoint in (world.root / "lake").rglob("_delta_log/*.checkpoint.parquet"):
        texts = strings(pl.read_parquet(checkpoint).to_dicts())
        assert not [one for one in secrets for text in texts if one in text], checkpoint.name
    told = strings([row for name in ("ops/runs", "ops/incidents") for row in world.rows(name)])
    told |= {str(error) + repr(error) for error in run.failed.values()}
    told |= {note for one in run.results for note in one.notes}
    assert not [one for one in secrets for text in told if one in text]


def test_sixty_people_a_platform_come_to_rest_in_one_run_and_an_edit_touches_one_of_them(
    seeded: World, crowd: list[Person]
) -> None:
    first = seeded.run()
    assert first.failed == {}
    created = {
        platform
        for platform in seeded.ctx.project.platforms
        if seeded.frame(f"sync/{platform}/receipts").filter(kind="create", status="ok").height > 3
    }
    assert created == set(seeded.ctx.project.platforms)
    assert seeded.rows("quarantine/crm")
    assert seeded.rows("quarantine/address_book")
    assert seeded.rows("quarantine/newsletter")
    for platform in seeded.ctx.project.platforms:
        receipts = seeded.frame(f"sync/{platform}/receipts")
        assert set(receipts["status"].to_list()) <= {"ok", "agree"}
    second = seeded.run()
    assert (second.failed, second.writes, seeded.published(second)) == ({}, 0, [])
    before = seeded.versions()
    third = seeded.run()
    assert [(one.step, one.reads) for one in third.results] == [("extract", 1)] * 3
    assert seeded.versions() == before
    agrees_with_consents(seeded, crowd)
    assert [n for n, count in Counter(seeded.book.names()).items() if count > 1] == []
    nothing_leaks(seeded, first, planted(crowd))
    one_edit_touches_one_person(seeded, crowd)


def one_edit_touches_one_person(seeded: World, crowd: list[Person]) -> None:
    one = next(p for p in crowd if len(p.platforms) == 3 and p.country == "AT" and p.organisation)
    files = {name: seeded.book.text(name) for name in seeded.book.names()}
    links = seeded.frame("people/crosswalk").select("record_id", "person_id").sort("record_id")
    newest = seeded.crm.execute("select max(updated_at) from crm.contact")[0][0]
    seeded.crm.edit(one.email, email="moved@example.org")
    run = seeded.run()
    assert (run.failed, run.writes) == ({}, 1)
    after = {name: seeded.book.text(name) for name in seeded.book.names()}
    changed = {name for name in files if files[name] != after[name]}
    assert changed == {f"card-{one.number}"}
    assert "moved@example.org" in after[f"card-{one.number}"]
    touched = seeded.crm.execute("select count(*) from crm.contact where updated_at > %s", newest)
    assert touched[0][0] == 1
    again = seeded.frame("people/crosswalk").select("record_id", "person_id").sort("record_id")
    assert again.equals(links)
    golden = [p for one in run.results for p in one.published if p.dataset == "golden/contacts"]
    assert [(p.upserted, p.deleted) for p in golden if p.outcome == "written"] == [(1, 0)]
    seeded.settle_down()
