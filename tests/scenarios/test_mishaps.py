"""What goes wrong, and what stays whole: bad input, platforms that are down, kills, approvals."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from concord.assets.commit import RunId
from concord.assets.table import Lake
from concord.errors import (
    BreakingChange,
    ContractBroken,
    LostRecords,
    PlatformDown,
    RecordKeyChanged,
)
from concord.platforms.connection import Connection
from concord.steps import deliver as delivering
from concord.steps.approve import approve, planned
from concord.steps.deliver import deliver
from concord.steps.deploy import deploy
from concord.steps.dry_run import dry_run
from concord.steps.extract import extract
from concord.steps.plan import plan

if TYPE_CHECKING:
    from conftest import World

GRANTED_AT = datetime(2024, 2, 1, tzinfo=UTC)
CARL = {
    "first_name": "Carl",
    "last_name": "Auer",
    "email": "carl@x.example",
    "company": "Auer OG",
    "country": "AT",
    "opt_in": True,
    "opt_in_at": GRANTED_AT,
}


def live(world: World, dataset: str) -> int:
    return sum(row["deleted_at"] is None for row in world.rows(dataset))


def test_a_bad_extract_publishes_nothing_and_names_rules_and_counts(people: World) -> None:
    good = people.frame("clean/crm")
    people.crm.execute(
        "update crm.contact set country = 'Narnia', language = 'klingon' where id = 1"
    )
    people.book.edit("b", "ORG:Solo KG", "ORG:Neu AG")
    run = people.run()
    assert set(run.failed) == {"clean.crm"}
    error = run.failed["clean.crm"]
    assert isinstance(error, ContractBroken)
    assert str(error).startswith("clean/crm: 1 of 2 rows break the contract: country_iso3166 (1)")
    assert error.by_rule["country_iso3166"] == 1
    assert people.frame("clean/crm").equals(good)
    assert people.golden("Anna")["country"] == "AT"
    assert "ADR:;;;;;;AT" in people.book.text("a")
    assert people.golden("Bea")["organisation"] == "Neu AG"
    assert [row["rules"] for row in people.rows("quarantine/crm")] == [sorted(error.by_rule)]
    people.crm.execute("update crm.contact set country = 'AT', language = 'de' where id = 1")
    assert not people.run().failed
    assert people.rows("quarantine/crm") == []
    assert people.crm.value("company", id=2) == "Neu AG"
    people.settle_down()


def test_a_platform_that_is_down_fails_alone_and_keeps_its_say_in_golden(people: World) -> None:
    people.book.edit("b", "ORG:Solo KG", "ORG:Solo KG\r\nBDAY:1980-02-03")
    people.run(skip=["deliver"])
    there = people.connections["address_book"]
    nowhere = Connection("address_book", "http", "http://127.0.0.1:9/book/", None, "a", "b")
    people.connections["address_book"] = nowhere
    people.crm.edit("anna@x.example", company="Neu AG", language="fr")
    people.crm.edit("bea@x.example", last_name="Neu")
    run = people.run()
    assert set(run.failed) == {"extract.address_book"}
    assert isinstance(run.failed["extract.address_book"], PlatformDown)
    assert str(run.failed["extract.address_book"]).startswith("address_book: ")
    assert people.golden("Anna")["organisation"] == "Neu AG"
    assert people.newsletter.lines()[0].startswith("N1;anna@x.example;Anna;Gruber;fr;")
    assert people.golden("Bea")["birth_date"] == date(1980, 2, 3)
    assert people.crm.value("born_on", id=2) == date(1980, 2, 3)
    people.connections["address_book"] = there
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    assert not people.run().failed
    assert "ORG:Neu AG" in people.book.text("a")
    assert people.crm.value("job_title", id=1) == "Boss"
    people.settle_down()


def test_a_platform_that_could_not_be_read_gets_neither_plan_nor_delivery(people: World) -> None:
    people.crm.edit("anna@x.example", company="Neu AG")
    people.run(skip=["deliver"])
    there = people.connections["address_book"]
    nowhere = Connection("address_book", "http", "http://127.0.0.1:9/book/", None, "a", "b")
    people.connections["address_book"] = nowhere
    before = people.ctx.open("sync/address_book/plan").version
    run = people.run()
    assert set(run.failed) == {"extract.address_book"}
    assert people.ctx.open("sync/address_book/plan").version == before
    ctx = replace(people.ctx, run=RunId("by hand", "plan.address_book"))
    waiting = plan(ctx, platform="address_book")
    assert waiting.facts["chunks"] == 0
    assert waiting.notes == (
        "address_book: its last reading failed; nothing is planned before it was read again",
    )
    failed = people.frame("ops/runs").filter(outcome="failed")
    assert failed.select("step", "platform").rows() == [("extract", "address_book")]
    people.connections["address_book"] = there
    assert not people.run().failed
    assert "ORG:Neu AG" in people.book.text("a")
    people.settle_down()


def test_a_reading_that_takes_too_long_publishes_nothing(people: World) -> None:
    people.newsletter.write("N1;anna@new.example;Anna;Gruber;de;subscribed;2024-02-01;;;spring")
    hours = iter(range(100))
    slow = replace(people.ctx, now=lambda: GRANTED_AT + timedelta(hours=2 * next(hours)))
    before = people.versions()
    with pytest.raises(PlatformDown, match=r"took more than max_reading_s \(3600\)"):
        extract(slow, platform="newsletter")
    assert people.versions() == before


def test_a_value_that_must_be_unique_is_refused_until_its_holder_lets_go(people: World) -> None:
    people.edit_file(
        "contracts/clean.odcs.yaml",
        "id: job_title\n      logicalType: string\n",
        "id: job_title\n      logicalType: string\n      unique: true\n",
    )
    people.deploy()
    assert not people.run().failed
    people.crm.edit("bea@x.example", job_title="Chef")
    run = people.run()
    assert set(run.failed) == {"clean.crm"}
    assert [row["rules"] for row in people.rows("quarantine/crm")] == [["job_title.unique"]]
    people.crm.edit("anna@x.example", job_title="Boss")
    assert not people.run().failed
    assert people.rows("quarantine/crm") == []
    titles = people.frame("clean/crm")["job_title"].sort().to_list()
    assert titles == ["Boss", "Chef"]


@pytest.mark.parametrize("known, missing", [(20, 11), (300, 16)])
def test_a_listing_that_lacks_too_many_is_not_believed(
    world: World, known: int, missing: int
) -> None:
    lines = [f"N{n};p{n}@x.example;Pia{n};Huber;de;;;;;" for n in range(known)]
    world.newsletter.write(*lines)
    extract(world.ctx, platform="newsletter")
    before = world.versions()
    world.newsletter.write(*lines[missing:])
    run = world.run()
    error = run.failed["extract.newsletter"]
    assert isinstance(error, LostRecords)
    assert (error.missing, error.known) == (missing, known)
    assert "--accept-deletes" in str(error)
    assert world.versions()["raw/newsletter"] == before["raw/newsletter"]
    extract(world.ctx, platform="newsletter", accept_deletes=True)
    assert live(world, "raw/newsletter") == known - missing


@pytest.mark.parametrize("known, missing", [(20, 10), (300, 15)])
def test_a_listing_that_lacks_few_is_believed(world: World, known: int, missing: int) -> None:
    lines = [f"N{n};p{n}@x.example;Pia{n};Huber;de;;;;;" for n in range(known)]
    world.newsletter.write(*lines)
    extract(world.ctx, platform="newsletter")
    world.newsletter.write(*lines[missing:])
    extract(world.ctx, platform="newsletter")
    assert live(world, "raw/newsletter") == known - missing


def test_nothing_is_sent_before_somebody_approves(people: World) -> None:
    people.edit_file("concord.yaml", "delivery: auto", "delivery: approve")
    people.deploy()
    people.crm.add(**CARL)
    people.crm.edit("anna@x.example", company="Neu AG")
    assert people.run().writes == 0
    assert people.book.names() == ["a", "b"]
    assert "ORG:Acme" in people.book.text("a")
    waiting = planned(people.ctx, "address_book")
    assert [(one["kind"], one["state"]) for one in waiting] == [
        ("update", "pending"),
        ("create", "pending"),
    ]
    assert people.run().writes == 0
    assert planned(people.ctx, "address_book") == waiting
    assert approve(people.ctx, "address_book", only=[waiting[0]["op_id"]]) == 1
    assert people.run().writes == 1
    assert "ORG:Neu AG" in people.book.text("a")
    assert people.book.names() == ["a", "b"]
    assert approve(people.ctx, "address_book") == 1
    assert people.run().writes == 1
    assert len(people.book.names()) == 3
    assert people.newsletter.emails() == ["anna@x.example"]
    people.settle_down()


def test_an_unsubscription_waits_for_nobodys_approval(people: World) -> None:
    people.edit_file("concord.yaml", "delivery: auto", "delivery: approve")
    people.deploy()
    people.newsletter.write(
        "N1;anna@x.example;Anna;Gruber;de;unsubscribed;2026-01-01T00:00:00+00:00;;;spring"
    )
    assert people.run().writes == 1
    assert people.crm.value("opt_in", id=1) is False


class Killed(BaseException):
    """The process dies here: nothing catches it."""


def kill_before_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next delivery die when the platform has taken a batch."""
    receipts = delivering.append_receipts

    def killed(ctx: Any, platform: str, rows: Any) -> Any:
        if rows and rows[0].status != "agree":
            raise Killed
        return receipts(ctx, platform, rows)

    monkeypatch.setattr(delivering, "append_receipts", killed)


def test_what_was_sent_without_a_receipt_is_settled_and_not_sent_again(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.crm.add(**CARL)
    people.crm.edit("anna@x.example", company="Neu AG")
    kill_before_receipts(monkeypatch)
    with pytest.raises(Killed):
        people.run(skip=["deliver.crm", "deliver.newsletter"])
    monkeypatch.undo()
    cards = people.book.names()
    assert len(cards) == 3
    assert "ORG:Neu AG" in people.book.text("a")
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    run = people.run()
    assert not run.failed
    assert people.book.names() == cards
    assert people.newsletter.emails() == ["anna@x.example", "carl@x.example"]
    receipt = people.frame("sync/address_book/receipts").filter(status="settled")
    assert sorted(receipt["kind"].to_list()) == ["create", "update"]
    assert people.crm.value("job_title", id=1) == "Boss"
    assert people.crm.value("company", id=1) == "Neu AG"
    people.settle_down()
    assert people.golden("Carl")["deleted_at"] is None


def test_what_was_planned_and_never_sent_is_sent_once(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(ctx: Any, platform: str, *rest: Any) -> Any:
        raise PlatformDown(platform, "the line is dead")

    people.crm.add(**CARL)
    people.book.edit("b", "ORG:Solo KG", "ORG:Neu AG")
    monkeypatch.setattr(delivering, "_sent", killed)
    assert set(people.run().failed) == {f"deliver.{one}" for one in people.connections}
    monkeypatch.undo()
    run = people.run()
    assert (run.failed, run.writes) == ({}, 3)
    assert len(people.book.names()) == 3
    assert people.crm.live() == ["Anna", "Bea", "Carl"]
    assert people.newsletter.emails() == ["anna@x.example", "carl@x.example"]
    assert people.crm.value("company", id=2) == "Neu AG"
    people.settle_down()


def test_a_second_try_of_a_delivery_sends_nothing_twice(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.crm.add(**CARL)
    people.run(skip=["deliver"])
    kill_before_receipts(monkeypatch)
    plan = people.ctx.open("sync/newsletter/plan").newest_record()
    assert plan is not None
    task = RunId(plan.run.replace("/plan/", "/deliver/"), "deliver.newsletter")
    first = replace(people.ctx, run=task)
    with pytest.raises(Killed):
        deliver(first, platform="newsletter")
    monkeypatch.undo()
    lines = people.newsletter.lines()
    again = replace(first, run=replace(first.run, try_number=2))
    assert deliver(again, platform="newsletter").writes == 0
    assert people.newsletter.lines() == lines
    assert people.newsletter.emails() == ["anna@x.example", "carl@x.example"]
    people.run()
    people.settle_down()


def test_deploying_again_changes_nothing(world: World) -> None:
    before = world.versions()
    assert world.deploy() == []
    assert world.versions() == before


def test_two_processes_may_deploy_at_once(world: World) -> None:
    shutil.rmtree(world.root / "lake")
    ctx = replace(world.ctx, lake=Lake(str(world.root / "lake")))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: deploy(ctx, resolved=False), range(2)))
    assert deploy(ctx, resolved=False) == []
    assert len(world.rows("ops/project")) == 1


def test_a_change_that_adding_columns_cannot_reach_is_refused(people: World) -> None:
    deployed, before = people.ctx, people.versions()
    people.edit_file("contracts/golden.odcs.yaml", "- name: created_at", "- name: made_at")
    with pytest.raises(BreakingChange, match="golden/contacts: column created_at is"):
        people.deploy()
    people.ctx = deployed
    assert people.versions() == before


def test_another_record_key_is_refused(people: World) -> None:
    people.record_key = b"another key"
    with pytest.raises(RecordKeyChanged, match="put the old one back"):
        people.deploy()


def test_a_dry_run_tells_the_plan_and_leaves_no_trace(people: World) -> None:
    people.crm.add(**CARL)
    before, cards, lines = people.versions(), people.book.names(), people.newsletter.lines()
    intended = dry_run(people.ctx)
    assert not intended.failed
    assert {(r["platform"], r["kind"], r["operations"]) for r in intended.rows} == {
        ("address_book", "create", 1),
        ("newsletter", "create", 1),
    }
    assert people.versions() == before
    assert (people.book.names(), people.newsletter.lines()) == (cards, lines)


def test_no_error_quotes_a_persons_values(people: World) -> None:
    people.crm.execute(
        "update crm.contact set country = 'Narnia', phone = 'ring Xaver' where id = 1"
    )
    people.book.edit("b", "EMAIL;TYPE=WORK:bea@x.example", "EMAIL;TYPE=WORK:bea at Xaver")
    people.newsletter.folder.joinpath("subscribers-2.csv").write_text("Xaver;Gruber\r\n")
    failed = people.run().failed
    assert set(failed) == {"clean.crm", "clean.address_book", "extract.newsletter"}
    for error in failed.values():
        texts = [str(error), repr(error), repr(pickle.loads(pickle.dumps(error)))]
        chain: BaseException | None = error.__cause__ or (
            None if error.__suppress_context__ else error.__context__
        )
        texts.append(repr(chain))
        for planted in ("Xaver", "Narnia", "Gruber", "Anna", "x.example", "+43"):
            assert not [text for text in texts if planted in text]
