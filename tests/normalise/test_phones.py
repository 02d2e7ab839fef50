from __future__ import annotations

import pytest

from concord.normalise.phones import phone


@pytest.mark.parametrize(
    ("written", "region", "meant"),
    [
        ("0664 1234567", "AT", "+436641234567"),
        ("0664/123-45-67", "AT", "+436641234567"),
        ("+43 664 1234567", None, "+436641234567"),
        ("+43 664 1234567", "US", "+436641234567"),
        ("+43 (0) 664 1234567", "US", "+436641234567"),
        ("+4306641234567", None, "+436641234567"),
        ("0043 664 1234567", "AT", "+436641234567"),
        ("0043 664 1234567", "US", "+436641234567"),
        ("0043 664 1234567", None, "+436641234567"),
        ("+39 06 12345678", "AT", "+390612345678"),
        ("06 12345678", "IT", "+390612345678"),
        ("tel:+1-201-555-0123", None, "+12015550123"),
        ("Tel. 01 2345678", "AT", "+4312345678"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("\uff0b43 664 1234567", None, "+436641234567"),
    ],
)
def test_a_number_becomes_e164(written: str, region: str | None, meant: str) -> None:
    assert phone(written, region) == meant


@pytest.mark.parametrize(
    "written",
    ["+43 1 2345678 ext. 12", "01 2345678 x12", "01 2345678 DW 12", "tel:+43-1-2345678;ext=12"],
)
def test_an_extension_is_dropped(written: str) -> None:
    assert phone(written, "AT") == "+4312345678"


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("n/a", "AT"),
        ("112", "AT"),
        ("0664 1234567", None),
        ("0664 1234567", "ZZ"),
        ("000-000-0000", "US"),
        ("0664 1234567 / 0664 7654321", "AT"),
        ("01 2345678 or 2345679", "AT"),
        ("T: +43 1 2345678, M: +43 664 1234567", "AT"),
    ],
)
def test_what_is_not_one_number_stays_for_the_contract_to_name(
    written: str, region: str | None
) -> None:
    assert phone(f" {written}\n", region) == written


def test_a_stated_country_needs_a_possible_number_and_an_assumed_one_a_valid_number() -> None:
    assert phone("+44 7700 900123", None) == "+447700900123"
    assert phone("07700 900123", "GB") == "07700 900123"
