"""What must hold, told by what people do on the three platforms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from concord.errors import ContractBroken

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
DORA = ("EMAIL:dora@x.example", "ORG:Dora AG", "ADR:;;Ring 1;Wien;;1010;AT")
UNSUBSCRIBED = "N1;anna@x.example;Anna;{family};de;unsubscribed;2026-01-01T00:00:00+00:00;;;spring"


def snapshots(*families: str, of: tuple[str, ...]) -> set[str]:
    """Names of datasets: each family, for each platform."""
    return {family.format(p=platform) for family in families for platform in of}


def told(row: dict[str, Any]) -> set[str]:
    return {name for name, value in row.items() if value not in (None, []) and name != "_row_hash"}


def test_a_second_run_does_nothing_and_a_third_commits_nothing(world: World) -> None:
    world.crm.add(**CARL)
    world.book.add("d", "Dora", "Wolf", *DORA)
    first = world.run()
    assert (first.failed, first.writes) == ({}, 3)
    second = world.run()
    assert (second.failed, second.writes, world.published(second)) == ({}, 0, [])
    before = world.versions()
    third = world.run()
    assert [(one.step, one.reads) for one in third.results] == [("extract", 1)] * 3
    assert world.versions() == before


def test_an_edit_on_each_side_reaches_the_others_and_nothing_else_does(people: World) -> None:
    persons = people.frame("people/crosswalk").select("record_id", "person_id").sort("record_id")
    bea = people.golden("Bea"), people.book.text("b"), people.crm.value("updated_at", id=2)
    lines = people.newsletter.lines()
    people.crm.edit("anna@x.example", email="anna2@x.example")
    people.book.edit("a", "+436601239876", "+436601230000")
    run = people.run()
    assert (run.failed, run.writes) == ({}, 2)
    assert "anna2@x.example" in people.book.text("a")
    assert "anna@x.example" not in people.book.text("a")
    assert people.crm.value("phone", email="anna2@x.example") == "+436601230000"
    assert people.newsletter.lines() == lines
    sync = ("raw/{p}", "clean/{p}", "sync/{p}/plan", "sync/{p}/receipts", "sync/{p}/base")
    both = snapshots(*sync, of=("crm", "address_book"))
    assert set(people.published(run)) == both | {"golden/contacts"}
    golden = [p for one in run.results for p in one.published if p.dataset == "golden/contacts"]
    assert [(one.upserted, one.deleted) for one in golden if one.outcome == "written"] == [(1, 0)]
    after = people.frame("people/crosswalk").select("record_id", "person_id").sort("record_id")
    assert after.equals(persons)
    assert (
        people.golden("Bea"),
        people.book.text("b"),
        people.crm.value("updated_at", id=2),
    ) == bea
    people.settle_down()


def test_two_fields_edited_on_two_platforms_both_survive(people: World) -> None:
    people.crm.edit("anna@x.example", company="Neu AG")
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    people.newsletter.write(
        "N1;anna@x.example;Anna;Gruber;en;subscribed;2024-02-01T00:00:00+00:00;;;spring"
    )
    assert not people.run().failed
    assert "ORG:Neu AG" in people.book.text("a")
    assert "TITLE:Boss" in people.book.text("a")
    assert people.crm.value("job_title", email="anna@x.example") == "Boss"
    assert people.crm.value("company", email="anna@x.example") == "Neu AG"
    assert people.crm.value("language", email="anna@x.example") == "en"
    people.settle_down()


def test_one_field_edited_on_two_platforms_ends_the_same_everywhere(people: World) -> None:
    people.crm.edit("anna@x.example", job_title="Head")
    people.book.edit("a", "TITLE:Chef", "TITLE:Boss")
    assert people.run().writes == 1
    title = people.golden("Anna")["job_title"]
    assert title in ("Head", "Boss")
    assert f"TITLE:{title}" in people.book.text("a")
    assert people.crm.value("job_title", email="anna@x.example") == title
    people.settle_down()


def test_a_cleared_field_is_cleared_everywhere(people: World) -> None:
    people.crm.edit("anna@x.example", job_title=None)
    assert people.run().writes == 1
    assert "TITLE" not in people.book.text("a")
    assert people.golden("Anna")["job_title"] is None
    people.settle_down()


def test_a_second_address_stays_on_the_platform_that_can_hold_two(people: World) -> None:
    mail = "EMAIL;TYPE=WORK:anna@x.example"
    people.book.edit("a", mail, f"{mail}\r\nEMAIL;TYPE=HOME:home@x.example")
    assert people.run().writes == 0
    assert sorted(one["value"] for one in people.golden("Anna")["emails"]) == [
        "anna@x.example",
        "home@x.example",
    ]
    assert people.crm.value("email", id=1) == "anna@x.example"
    people.settle_down()


def test_what_we_do_not_map_survives_our_write(people: World) -> None:
    kept = [line for line in people.book.text("a").splitlines() if line[:4] in ("NOTE", "PHOT")]
    assert len(kept) == 2
    people.crm.edit("anna@x.example", phone="+436601231111")
    people.run()
    text = people.book.text("a")
    assert "+436601231111" in text
    assert "+436601239876" not in text
    assert {*kept, "X-HAT:red", "UID:a"} <= set(text.splitlines())
    people.crm.edit("anna@x.example", language="fr")
    people.run()
    assert people.newsletter.lines()[0].endswith("spring")


def test_a_new_name_is_shown_on_the_card(people: World) -> None:
    people.crm.edit("anna@x.example", last_name="Moser")
    people.run()
    assert "FN:Anna Moser" in people.book.text("a")
    assert "N:Moser;Anna" in people.book.text("a")
    assert ";Anna;Moser;" in people.newsletter.lines()[0]
    people.settle_down()


def test_the_only_original_takes_its_copies_with_it(people: World) -> None:
    people.book.add("d", "Dora", "Wolf", *DORA)
    people.crm.add(**CARL)
    people.run()
    assert people.crm.live() == ["Anna", "Bea", "Carl", "Dora"]
    assert people.newsletter.emails() == ["anna@x.example", "carl@x.example"]
    assert len(people.book.names()) == 4
    dead = {people.golden(name)["person_id"] for name in ("Carl", "Dora")}
    people.book.remove("d")
    people.crm.edit("carl@x.example", deleted_at=GRANTED_AT)
    assert people.run().writes == 3
    assert people.crm.live() == ["Anna", "Bea"]
    assert people.newsletter.emails() == ["anna@x.example"]
    assert people.book.names() == ["a", "b"]
    rows = [row for row in people.rows("golden/contacts") if row["deleted_at"] is not None]
    assert {row["person_id"] for row in rows} == dead
    assert [told(row) for row in rows] == [{"person_id", "deleted_at"}] * 2
    people.settle_down()


def test_an_original_that_returns_is_the_same_person_and_gets_its_copies_back(
    people: World,
) -> None:
    def copies() -> tuple[list[str], int, list[str]]:
        return people.crm.live(), len(people.book.names()), people.newsletter.emails()

    people.book.add("d", "Dora", "Wolf", *DORA)
    people.crm.add(**CARL)
    people.run()
    there = copies()
    assert there == (
        ["Anna", "Bea", "Carl", "Dora"],
        4,
        ["anna@x.example", "carl@x.example"],
    )
    persons = {name: people.golden(name)["person_id"] for name in ("Carl", "Dora")}
    people.book.remove("d")
    people.crm.edit("carl@x.example", deleted_at=GRANTED_AT)
    assert people.run().writes == 3
    assert copies() == (["Anna", "Bea"], 2, ["anna@x.example"])
    people.book.add("d", "Dora", "Wolf", *DORA)
    people.crm.edit("carl@x.example", deleted_at=None)
    run = people.run()
    assert (run.failed, run.writes) == ({}, 3)
    assert copies() == there
    assert {name: people.golden(name)["person_id"] for name in persons} == persons
    people.settle_down()


def test_a_deleted_card_of_somebody_the_crm_has_is_never_made_again(people: World) -> None:
    row, lines = people.crm.value("updated_at", id=1), people.newsletter.lines()
    people.book.remove("a")
    assert people.run().writes == 0
    people.settle_down()
    people.crm.edit("anna@x.example", company="Neu AG")
    assert people.run().writes == 0
    assert people.book.names() == ["b"]
    assert people.crm.live() == ["Anna", "Bea"]
    assert people.crm.value("updated_at", id=1) > row
    assert people.newsletter.lines() == lines
    assert people.golden("Anna")["deleted_at"] is None
    people.settle_down()


def test_an_edit_of_a_copy_travels_back_but_a_deleted_copy_is_never_made_again(
    people: World,
) -> None:
    people.crm.add(**CARL)
    assert people.run().writes == 2
    (copy,) = set(people.book.names()) - {"a", "b"}
    people.book.edit(copy, "ORG:Auer OG", "ORG:Neu AG")
    assert people.run().writes == 1
    assert people.crm.value("company", email="carl@x.example") == "Neu AG"
    people.book.remove(copy)
    assert people.run().writes == 0
    people.crm.edit("carl@x.example", company="Auer OG")
    assert people.run().writes == 0
    assert people.book.names() == ["a", "b"]
    assert people.crm.live() == ["Anna", "Bea", "Carl"]
    people.settle_down()


def test_nobody_without_a_grant_reaches_the_newsletter(world: World) -> None:
    plain = {**CARL, "opt_in": None, "opt_in_at": None}
    world.crm.add(**CARL)
    world.crm.add(**{**plain, "first_name": "Ben", "email": "ben@x.example"})
    world.crm.add(**{**CARL, "first_name": "Eva", "email": "eva@x.example", "opt_in": False})
    world.crm.add(**{**CARL, "first_name": "Udo", "email": "udo@x.example", "opt_in_at": None})
    world.book.add("d", "Dora", "Wolf", *DORA)
    assert not world.run().failed
    assert world.newsletter.emails() == ["carl@x.example"]
    world.crm.edit("ben@x.example", opt_in=True, opt_in_at=GRANTED_AT)
    world.run()
    assert world.newsletter.emails() == ["ben@x.example", "carl@x.example"]


def test_unsubscribing_reaches_everybody_and_subscribing_again_too(people: World) -> None:
    people.newsletter.write(UNSUBSCRIBED.format(family="Gruber"))
    assert people.run().writes == 1
    assert people.crm.value("opt_in", email="anna@x.example") is False
    assert people.golden("Anna")["email_marketing"] is False
    assert people.newsletter.status("anna@x.example") == "unsubscribed"
    people.settle_down()
    people.newsletter.write(
        "N1;anna@x.example;Anna;Gruber;de;subscribed;2026-06-01T00:00:00+00:00;;;spring"
    )
    assert people.run().writes == 1
    assert people.crm.value("opt_in", email="anna@x.example") is True
    people.settle_down()


def test_an_opt_out_in_the_crm_unsubscribes_from_the_newsletter(people: World) -> None:
    people.crm.edit("anna@x.example", opt_in=False, opt_in_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert people.run().writes == 1
    assert people.newsletter.status("anna@x.example") == "unsubscribed"
    people.settle_down()


def test_unsubscribing_reaches_everybody_from_a_quarantined_row(people: World) -> None:
    others = [f"M{n};mia{n}@x.example;Mia{n};Huber;de;;;;;" for n in range(20)]
    people.newsletter.write(*people.newsletter.lines(), *others)
    people.run()
    people.newsletter.write(UNSUBSCRIBED.format(family="G" * 200), *others)
    run = people.run()
    assert not run.failed
    assert len(people.rows("quarantine/newsletter")) == 1
    assert people.crm.value("opt_in", email="anna@x.example") is False
    assert people.golden("Anna")["email_marketing"] is False
    assert people.golden("Anna")["family_name"] == "Gruber"
    people.settle_down()


def test_unsubscribing_reaches_everybody_from_behind_the_circuit_breaker(people: World) -> None:
    people.newsletter.write(UNSUBSCRIBED.format(family="G" * 200))
    run = people.run()
    assert isinstance(run.failed["clean.newsletter"], ContractBroken)
    assert people.crm.value("opt_in", email="anna@x.example") is False
    assert people.golden("Anna")["email_marketing"] is False


def test_a_custom_field_travels_by_editing_yaml_only(people: World) -> None:
    people.crm.edit("anna@x.example", loyalty_tier="gold")
    column = (
        "    - name: loyalty_tier\n      id: loyalty_tier\n      logicalType: string\n"
        "      classification: internal\n      description: How loyal.\n"
    )
    for name in ("clean", "golden"):
        place = "    - name: job_title\n"
        people.edit_file(f"contracts/{name}.odcs.yaml", place, column + place)
    people.edit_file(
        "assets/platforms/crm.yaml", "fields:", "fields:\n  loyalty_tier: loyalty_tier"
    )
    people.edit_file(
        "assets/platforms/address_book.yaml", "fields:", "fields:\n  loyalty_tier: X-LOYALTY-TIER"
    )
    added = {(one.dataset, one.what) for one in people.deploy()}
    assert added == {
        (name, "add column loyalty_tier")
        for name in ("clean/crm", "clean/address_book", "clean/newsletter", "golden/contacts")
    }
    run = people.run()
    assert (run.failed, run.writes) == ({}, 1)
    assert "X-LOYALTY-TIER:gold" in people.book.text("a")
    assert "X-LOYALTY-TIER" not in people.book.text("b")
    people.settle_down()
    people.book.edit("a", "X-LOYALTY-TIER:gold", "X-LOYALTY-TIER:silver")
    assert people.run().writes == 1
    assert people.crm.value("loyalty_tier", email="anna@x.example") == "silver"


def test_the_same_value_again_is_a_new_decision(people: World) -> None:
    for title in ("Boss", "Chef", "Boss"):
        people.crm.edit("anna@x.example", job_title=title)
        assert people.run().writes == 1
        assert f"TITLE:{title}" in people.book.text("a")
    people.settle_down()


def test_an_original_that_returns_into_quarantine_keeps_its_person_alive(people: World) -> None:
    for number in range(4):
        people.book.add(f"m{number}", f"Mia{number}", "Huber", f"EMAIL:mia{number}@x.example")
    people.book.remove("a")
    people.newsletter.write()
    people.run()
    people.book.add("a", "Anna", "Gruber", "EMAIL:anna@x.example", "BDAY:sometime")
    assert not people.run().failed
    assert len(people.rows("quarantine/address_book")) == 1
    people.crm.edit("anna@x.example", deleted_at=GRANTED_AT)
    run = people.run()
    assert people.golden("Anna")["deleted_at"] is None
    assert run.writes == 0
