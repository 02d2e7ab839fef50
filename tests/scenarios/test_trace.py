"""One person's way through every dataset and platform."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from concord.errors import UsageError
from concord.steps.trace import Trace, trace

if TYPE_CHECKING:
    from conftest import World

SECRETS = ("anna@x.example", "Gruber", "436601239876", "Solo", "bea@x.example", "a.vcf", "N1")


def reasons(found: Trace) -> dict[str, str]:
    return {one.platform: one.reason for one in found.unsent}


def test_a_person_is_followed_from_its_records_to_what_was_sent_and_no_value_is_told(
    people: World,
) -> None:
    person = people.golden("Anna")["person_id"]
    people.crm.edit("anna@x.example", job_title="Boss")
    assert not people.run().failed
    found = trace(people.ctx, person[:12])
    told = json.dumps(dataclasses.asdict(found), default=str, ensure_ascii=False)
    assert [one for one in SECRETS if one in told] == []
    assert (found.subject.kind, found.subject.id, found.missing) == ("person", person, ())
    assert set(found.subject.records) == {"crm", "address_book", "newsletter"}
    families = {one.dataset for one in found.entries}
    assert {"raw/crm", "clean/crm", "people/crosswalk", "golden/contacts"} <= families
    changed = [one for one in found.entries if one.dataset == "golden/contacts"][-1]
    assert (changed.what, changed.values["job_title"]) == ("changed", "B***")
    last = [one.what for one in found.entries if one.dataset == "sync/address_book/receipts"][-1]
    assert last == "update: ok"
    assert set(reasons(found).values()) == {"nothing that is written there differs from golden"}


def test_why_something_was_not_sent_is_the_plans_own_reason(people: World) -> None:
    bea = people.golden("Bea")["person_id"]
    assert reasons(trace(people.ctx, bea))["newsletter"] == (
        "no consent for the purpose marketing, which rests on it and outside its audience"
    )
    people.edit_file(
        "assets/platforms/address_book.yaml", "kind: carddav", "kind: carddav\ndelivery: approve"
    )
    people.deploy()
    people.crm.edit("bea@x.example", job_title="Boss")
    assert not people.run().failed
    found = [one for one in trace(people.ctx, bea).unsent if one.platform == "address_book"]
    assert [one.reason for one in found] == ["update of job_title waits for approval"]
    assert found[0].fix == "`concord sync approve address_book`"


def test_a_record_that_is_refused_says_by_which_rule(people: World) -> None:
    people.crm.add(first_name="Cem", last_name="Öz", email="no address", country="AT")
    assert set(people.run().failed) == {"clean.crm"}
    refused = people.frame("quarantine/crm")["record_id"][0]
    found = trace(people.ctx, refused)
    assert (found.subject.kind, found.subject.person) == ("record", None)
    assert [one.what for one in found.entries] == [
        "first seen",
        "in quarantine: emails.value.pattern",
    ]
    assert "has no accepted row (emails.value.pattern)" in reasons(found)["crm"]


def test_what_no_id_begins_with_is_a_mistake_of_the_command(people: World) -> None:
    with pytest.raises(UsageError, match="no person or record"):
        trace(people.ctx, "zzzz")
    with pytest.raises(UsageError, match="at least 4 signs"):
        trace(people.ctx, "a")
