from __future__ import annotations

import pycountry
import pytest

from concord.normalise.countries import country


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("at", "AT"),
        ("AUT", "AT"),
        ("Austria", "AT"),
        ("\u00d6sterreich", "AT"),
        ("OESTERREICH", "AT"),
        ("osterreich", "AT"),
        ("Autriche", "AT"),
        ("Federal Republic of Germany", "DE"),
        ("Bundesrepublik Deutschland", "DE"),
        ("Allemagne", "DE"),
        ("UK", "GB"),
        ("U.K.", "GB"),
        ("Scotland", "GB"),
        ("U.S.A.", "US"),
        ("the Netherlands", "NL"),
        ("Turkey", "TR"),
        ("T\u00fcrkiye", "TR"),
        ("C\u00f4te d\u2019Ivoire", "CI"),
        ("\u0395\u03bb\u03bb\u03ac\u03b4\u03b1", "GR"),
        ("\u65e5\u672c", "JP"),
    ],
)
def test_codes_and_names_become_codes(written: str, code: str) -> None:
    assert country(f" {written} ") == code


@pytest.mark.parametrize("unknown", ["Atlantis", "D", "Korea", "XX", "43", "Wien"])
def test_what_names_no_one_country_stays_for_the_contract_to_name(unknown: str) -> None:
    assert country(unknown) == unknown


def test_every_iso_code_and_english_name_means_its_country() -> None:
    for land in pycountry.countries:
        for spelt in (land.alpha_2.lower(), land.alpha_3, land.name.upper()):
            assert country(spelt) == land.alpha_2
