"""Consent is taken from raw, and no claim stops another."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from house import House, crm, subscriber

from concord.steps.consent import consent
from concord.steps.context import Context

SAID = {"name": "Anna", "phone": None, "company": "Acme", "country": "AT",
        "opt_in_at": "2024-02-01T00:00:00+00:00"}  # fmt: skip
ENDLESS = "x" * 300 + "@x.example"


def test_an_address_that_no_contract_allows_stops_nobody(template: Context, tmp_path: Path) -> None:
    house = House(template, tmp_path, "demo")
    house.read(
        "crm",
        {
            "1": crm({**SAID, "email": ENDLESS, "opt_in": "true"}),
            "2": crm({**SAID, "email": "b@x.example", "opt_in": "true"}),
        },
    )
    house.read("newsletter", {"7": subscriber({**SAID, "email": ENDLESS, "opt_in": "false"})})
    assert consent(house.ctx).quarantined == 2
    known = house.ctx.open("people/consents").frame().collect()
    assert known["address"].to_list() == ["b@x.example"]
    refused = house.ctx.open("quarantine/consents").frame().collect()
    assert set(refused["record_id"]) == {
        house.ctx.record_id("crm", "1"),
        house.ctx.record_id("newsletter", "7"),
    }
    assert refused["rules"].to_list() == [["address.max_length"]] * 2


def test_a_mended_address_leaves_quarantine(template: Context, tmp_path: Path) -> None:
    house = House(template, tmp_path, "demo")
    house.read("crm", {"1": crm({**SAID, "email": ENDLESS, "opt_in": "true"})})
    consent(house.ctx)
    house.read("crm", {"1": crm({**SAID, "email": "a@x.example", "opt_in": "true"})})
    assert consent(house.ctx).quarantined == 0


def test_what_is_known_of_others_is_not_read(template: Context, tmp_path: Path) -> None:
    house = House(template, tmp_path, "demo")
    house.read("crm", {"1": crm({**SAID, "email": "a@x.example", "opt_in": "true"})})
    consent(house.ctx)
    out = subscriber({**SAID, "email": "a@x.example", "opt_in": "false",
                      "opt_in_at": "2025-02-01T00:00:00+00:00"})  # fmt: skip
    house.read("newsletter", {"7": out})
    consent(house.ctx)
    known = house.ctx.open("people/consents").frame().collect()
    assert known.select("address", "status").rows() == [("a@x.example", "withdrawn")]
    assert len(known["claims"][0]) == 2
    assert known.filter(pl.col("granted_at").is_null()).height == 0
