"""A name that no vCard has is told with the one meant."""

from __future__ import annotations

import pytest

from concord.platforms.vcard_names import native_fault


@pytest.mark.parametrize(
    "native", ["FN", "bday", "EMAIL", "X-SKYPE", "N.given", "adr.street", "ORG", "ORG.unit", "NOTE"]
)
def test_names_of_the_standard_and_names_of_ones_own_may_be(native: str) -> None:
    assert native_fault(native) is None


@pytest.mark.parametrize(
    ("native", "hint"),
    [
        ("BDAYS", "did you mean `BDAY`?"),
        ("ADR.stret", "did you mean `ADR.street`?"),
        ("EMIAL", "did you mean `EMAIL`?"),
        ("N", "name a part: N.family, N.given, N.additional, N.prefix, N.suffix"),
        ("LOYALTY_POINTS", "a property of your own begins with X-"),
    ],
)
def test_any_other_name_is_told_with_what_was_meant(native: str, hint: str) -> None:
    assert native_fault(native) == (f"no property of a vCard is called `{native}`", hint)
