from __future__ import annotations

import pytest

from concord.normalise.languages import language


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_AT.UTF-8", "de"),
        ("zh-Hant-TW", "zh"),
        ("deu", "de"),
        ("ger", "de"),
        ("German", "de"),
        ("deutsch", "de"),
        ("Espa\u00f1ol", "es"),
        ("Greek", "el"),
        ("iw", "he"),
        ("fil", "fil"),
    ],
)
def test_tags_codes_and_names_become_the_primary_subtag(written: str, code: str) -> None:
    assert language(f" {written} ") == code


@pytest.mark.parametrize("unknown", ["zz", "x-klingon", "de,en;q=0.8", "no idea"])
def test_what_is_no_language_stays_for_the_contract_to_name(unknown: str) -> None:
    assert language(unknown) == unknown
