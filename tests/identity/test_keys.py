"""Which values make two records candidates, and which are no evidence."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from concord.contracts.document import Contract, read_contract
from concord.contracts.schema import frame_schema
from concord.identity.declaration import Matching
from concord.identity.keys import match_keys
from concord.yaml_text import load_text

CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.fixture(scope="module")
def clean() -> Contract:
    path = CONTRACTS / "clean.odcs.yaml"
    data, _ = load_text(path.read_text(encoding="utf-8"), path=path.name)
    return read_contract(data, source=path.name)


def rows(clean: Contract, *records: tuple[str, list[str], list[str]]) -> pl.DataFrame:
    def elements(values: list[str]) -> list[dict[str, object]]:
        return [{"value": v, "type": None, "preferred": False} for v in values]

    data = [
        {"record_id": r, "emails": elements(emails) or None, "phones": elements(phones) or None}
        for r, emails, phones in records
    ]
    schema = {n: frame_schema(clean)[n] for n in ("record_id", "emails", "phones")}
    return pl.DataFrame(data, schema=schema)


def keys_of(frame: pl.DataFrame, clean: Contract, match: Matching | None = None) -> set[str]:
    return set(match_keys(frame, clean, match or Matching())["key"].to_list())


def test_addresses_and_numbers_are_keys(clean: Contract) -> None:
    frame = rows(clean, ("a", ["anna@example.org"], ["+436601239876"]))
    assert keys_of(frame, clean) == {"anna@example.org", "+436601239876"}


@pytest.mark.parametrize(
    "email", ["office@acme.example", "info@x.example", "noreply@x.example", "test@test", "no mail"]
)
def test_role_mailboxes_and_placeholders_are_no_evidence(clean: Contract, email: str) -> None:
    assert keys_of(rows(clean, ("a", [email], [])), clean) == set()


@pytest.mark.parametrize("phone", ["+43000000000", "+4311111111", "12", "+431234567"])
def test_placeholder_numbers_are_no_evidence(clean: Contract, phone: str) -> None:
    assert keys_of(rows(clean, ("a", [], [phone])), clean) == set()


def test_a_value_that_a_steward_blocked_is_no_evidence(clean: Contract) -> None:
    frame = rows(clean, ("a", ["till@shop.example"], []))
    assert keys_of(frame, clean, Matching(blocked=("till@shop.example",))) == set()


def test_a_key_that_too_many_records_share_is_no_evidence(clean: Contract) -> None:
    frame = rows(clean, *((f"r{n}", ["all@shared.example"], []) for n in range(4)))
    assert keys_of(frame, clean, Matching(max_records=3)) == set()
    assert keys_of(frame, clean, Matching(max_records=4)) == {"all@shared.example"}


def test_records_without_values_have_no_keys(clean: Contract) -> None:
    assert match_keys(rows(clean, ("a", [], [])), clean, Matching()).height == 0
