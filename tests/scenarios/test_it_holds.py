"""What must hold, told by what people do on the three platforms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from concord.errors import (
    BreakingChange,
    ContractBroken,
    LostRecords,
    PlatformDown,
    RecordKeyChanged,
)
from concord.platforms.connection import Connection
from concord.steps import deliver as delivering
from concord.steps.approve import approve
from concord.steps.dry_run import dry_run
from concord.steps.extract import extract

if TYPE_CHECKING:
    from conftest import World

GRANTED_AT = datetime(2024, 2, 1, tzinfo=UTC)
ANNA = {
    "first_name": "Anna",
    "last_name": "Gruber",
    "email": "anna@x.example",
    "phone": "+436601239876",
    "company": "Acme",
    "job_title": "Chef",
    "country": "AT",
    "opt_in": True,
    "opt_in_at": GRANTED_AT,
}
MAIL, TEL = "EMAIL;TYPE=WORK:anna@x.example", "TEL;TYPE=CELL:+436601239876"
SUBSCRIBED = "N1;anna@x.example;Anna;Gruber;de;subscribed;2024-02-01T00:00:00+00:00;;;spring"


def everywhere(world: World) -> None:
    """Anna, on all three platforms, brought to rest."""
    world.crm.add(**ANNA)
    world.book.add(
        "a", "Anna", "Gruber", MAIL, TEL, "ORG:Acme", "TITLE:Chef", "NOTE:likes tea", "X-HAT:red"
    )
    world.newsletter.write(SUBSCRIBED)
    assert not world.run().failed
    assert world.run().writes == 0


def test_a_second_run_does_nothing_and_a_third_commits_nothing(world: World) -> None:
    world.crm.add(**ANNA)
    world.book.add(
        "b", "Bea", "Solo", "EMAIL:bea@x.example", "ORG:Acme", "ADR:;;Ring 1;Wien;;1010;AT"
    )
    first = world.run()
    assert not first.failed
    assert first.writes == 3
    second = world.run()
    assert (second.writes, [n for n in second.snapshots if not n.startswith("ops/")]) == (0, [])
    before = world.versions()
    third = world.run()
    assert [result.reads for result in third.results] == [1, 1, 1]
    assert world.versions() == before


def test_an_edit_on_each_side_reaches_the_others_and_nothing_else_does(world: World) -> None:
    everywhere(world)
    person = world.golden("Anna")["person_id"]
    lines = world.newsletter.lines()
    world.crm.edit("anna@x.example", email="anna2@x.example")
    world.book.edit("a", "+436601239876", "+436601230000")
    run = world.run()
    assert run.writes == 2
    assert "anna2@x.example" in world.book.text("a")
    assert "anna@x.example" not in world.book.text("a")
    assert world.crm.value("phone", email="anna2@x.example") == "+436601230000"
    assert world.newsletter.lines() == lines
    assert run.snapshots.count("golden/contacts") == 1
    assert world.golden("Anna")["person_id"] == person
    assert world.run().writes == 0


def test_two_fields_edited_on_two_platforms_both_survive(world: World) -> None:
    everywhere(world)
    world.crm.edit("anna@x.example", company="Neu AG")
    world.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    world.run()
    assert "ORG:Neu AG" in world.book.text("a")
    assert world.crm.value("job_title", email="anna@x.example") == "Boss"
    assert world.run().writes == 0


def test_what_we_do_not_map_survives_our_write(world: World) -> None:
    everywhere(world)
    world.crm.edit("anna@x.example", phone="+436601231111")
    world.run()
    text = world.book.text("a")
    assert "+436601231111" in text
    assert "NOTE:likes tea" in text
    assert "X-HAT:red" in text


def test_a_new_name_is_shown_on_the_card(world: World) -> None:
    everywhere(world)
    world.crm.edit("anna@x.example", last_name="Moser")
    world.run()
    assert "FN:Anna Moser" in world.book.text("a")
    assert "N:Moser;Anna" in world.book.text("a")


def test_the_only_original_takes_its_copies_with_it(world: World) -> None:
    world.book.add(
        "b", "Bea", "Solo", "EMAIL:bea@x.example", "ORG:Acme", "ADR:;;Ring 1;Wien;;1010;AT"
    )
    world.run()
    assert world.crm.count() == 1
    world.book.remove("b")
    world.run()
    assert world.crm.count() == 0
    (row,) = world.rows("golden/contacts")
    told = {name for name, value in row.items() if value not in (None, []) and name != "_row_hash"}
    assert told == {"person_id", "deleted_at"}
    assert world.run().writes == 0


def test_a_deleted_card_of_somebody_the_crm_has_is_never_made_again(world: World) -> None:
    everywhere(world)
    world.book.remove("a")
    assert world.run().writes == 0
    assert world.run().writes == 0
    assert world.book.names() == []
    assert world.crm.count() == 1
    assert world.golden("Anna")["deleted_at"] is None


def test_nobody_without_a_grant_reaches_the_newsletter(world: World) -> None:
    world.crm.add(**ANNA)
    world.crm.add(
        **{**ANNA, "first_name": "Ben", "email": "ben@x.example", "phone": None, "opt_in": None}
    )
    world.run()
    assert [line.split(";")[1] for line in world.newsletter.lines()] == ["anna@x.example"]


def test_unsubscribing_reaches_everybody_also_from_a_quarantined_row(world: World) -> None:
    everywhere(world)
    world.newsletter.write(
        f"N1;anna@x.example;Anna;{'G' * 200};de;unsubscribed;2026-01-01T00:00:00+00:00;;;"
    )
    run = world.run()
    assert isinstance(run.failed["clean.newsletter"], ContractBroken)
    assert world.crm.value("opt_in", email="anna@x.example") is False
    assert world.golden("Anna")["email_marketing"] is False


def test_a_custom_field_travels_by_editing_yaml_only(world: World) -> None:
    world.crm.add(**ANNA, loyalty_tier="gold")
    world.book.add("a", "Anna", "Gruber", MAIL, "ORG:Acme")
    world.run()
    column = (
        "    - name: loyalty_tier\n      id: loyalty_tier\n      logicalType: string\n"
        "      classification: internal\n      description: How loyal.\n"
    )
    for name in ("clean", "golden"):
        place = "    - name: job_title\n"
        world.edit_file(f"contracts/{name}.odcs.yaml", place, column + place)
    world.edit_file("assets/platforms/crm.yaml", "fields:", "fields:\n  loyalty_tier: loyalty_tier")
    world.edit_file(
        "assets/platforms/address_book.yaml", "fields:", "fields:\n  loyalty_tier: X-LOYALTY-TIER"
    )
    world.deploy()
    assert not world.run().failed
    assert "X-LOYALTY-TIER:gold" in world.book.text("a")
    assert world.run().writes == 0


def test_a_bad_extract_publishes_nothing_and_names_rules_and_counts(world: World) -> None:
    for number in range(5):
        world.crm.add(**{**ANNA, "email": f"p{number}@x.example", "phone": None})
    world.run()
    snapshot = world.ctx.open("clean/crm").newest_snapshot()
    world.crm.execute("update crm.contact set country = 'Narnia' where id <= 3")
    error = world.run().failed["clean.crm"]
    assert "clean/crm: 3 of 5 rows break the contract: country_iso3166 (3)" in str(error)
    assert world.ctx.open("clean/crm").newest_snapshot() == snapshot
    assert len(world.rows("quarantine/crm")) == 3
    world.crm.execute("update crm.contact set country = 'AT'")
    assert not world.run().failed
    assert world.rows("quarantine/crm") == []


def test_a_platform_that_is_down_fails_alone(world: World) -> None:
    everywhere(world)
    there = world.connections["address_book"]
    nowhere = Connection("address_book", "http", "http://127.0.0.1:9/book/", None, "a", "b")
    world.connections["address_book"] = nowhere
    world.crm.edit("anna@x.example", company="Neu AG")
    run = world.run()
    assert isinstance(run.failed["extract.address_book"], PlatformDown)
    assert {name for name in run.failed if "address_book" not in name} == set()
    assert world.golden("Anna")["organisation"] == "Neu AG"
    world.connections["address_book"] = there
    assert not world.run().failed
    assert "ORG:Neu AG" in world.book.text("a")
    assert world.run().writes == 0


def test_a_listing_that_lacks_too_many_is_not_believed(world: World) -> None:
    line = "N{0};p{0}@x.example;Pia{0};Huber;de;;;;;"
    world.newsletter.write(*(line.format(number) for number in range(20)))
    world.run()
    world.newsletter.write(*(line.format(number) for number in range(8)))
    error = world.run().failed["extract.newsletter"]
    assert isinstance(error, LostRecords)
    assert (error.missing, error.known) == (12, 20)
    assert sum(row["deleted_at"] is None for row in world.rows("raw/newsletter")) == 20
    extract(world.ctx, platform="newsletter", accept_deletes=True)
    assert sum(row["deleted_at"] is None for row in world.rows("raw/newsletter")) == 8


def test_nothing_is_sent_before_somebody_approves(world: World) -> None:
    world.edit_file("concord.yaml", "delivery: auto", "delivery: approve")
    world.deploy()
    world.crm.add(**ANNA)
    assert world.run().writes == 0
    assert world.book.names() == []
    assert approve(world.ctx, "address_book") == 1
    assert world.run().writes == 1
    assert len(world.book.names()) == 1
    assert world.run().writes == 0


def test_what_was_sent_without_a_receipt_is_settled_and_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.crm.add(**ANNA)
    receipts = delivering.append_receipts

    def killed(ctx: Any, platform: str, rows: Any) -> Any:
        if rows and rows[0].status != "agree":
            raise PlatformDown(platform, "the task was killed")
        return receipts(ctx, platform, rows)

    monkeypatch.setattr(delivering, "append_receipts", killed)
    assert "deliver.address_book" in world.run().failed
    monkeypatch.undo()
    (card,) = world.book.names()
    run = world.run()
    assert not run.failed
    assert world.book.names() == [card]
    assert {row["status"] for row in world.rows("sync/address_book/receipts")} == {
        "settled",
        "agree",
    }
    assert world.run().writes == 0
    assert world.golden("Anna")["deleted_at"] is None


def test_a_change_that_adding_columns_cannot_reach_is_refused(world: World) -> None:
    world.edit_file("contracts/golden.odcs.yaml", "- name: job_title", "- name: job_name")
    with pytest.raises(BreakingChange, match="golden/contacts: column job_title is"):
        world.deploy()


def test_another_record_key_is_refused(world: World) -> None:
    world.record_key = b"another key"
    with pytest.raises(RecordKeyChanged, match="put the old one back"):
        world.deploy()


def test_no_value_of_a_person_stands_in_a_log_of_the_lake(world: World) -> None:
    everywhere(world)
    logs = list((world.root / "lake").rglob("_delta_log/*.json"))
    assert logs
    for planted in (b"anna@x.example", b"Gruber", b"+436601239876", b"N1;"):
        assert [log for log in logs if planted in log.read_bytes()] == []


def test_a_dry_run_tells_the_plan_and_leaves_no_trace(world: World) -> None:
    world.crm.add(**ANNA)
    before = world.versions()
    intended = dry_run(world.ctx)
    assert not intended.failed
    assert {(r["platform"], r["kind"], r["operations"]) for r in intended.rows} == {
        ("address_book", "create", 1),
        ("newsletter", "create", 1),
    }
    assert world.versions() == before
    assert (world.book.names(), world.newsletter.lines()) == ([], [])


def test_the_same_value_again_is_a_new_decision(world: World) -> None:
    everywhere(world)
    for title in ("Boss", "Chef", "Boss"):
        world.crm.edit("anna@x.example", job_title=title)
        assert world.run().writes == 1
        assert f"TITLE:{title}" in world.book.text("a")
        assert world.run().writes == 0


def test_an_original_that_returns_into_quarantine_keeps_its_person_alive(world: World) -> None:
    everywhere(world)
    world.book.remove("a")
    world.newsletter.write()
    world.run()
    world.book.add("a", "Anna", "Gruber", MAIL, "BDAY:sometime")
    world.run()
    world.crm.edit("anna@x.example", deleted_at=GRANTED_AT)
    run = world.run()
    assert world.golden("Anna")["deleted_at"] is None
    assert run.writes == 0
