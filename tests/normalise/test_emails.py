from __future__ import annotations

import pytest

from concord.normalise.emails import email


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (" Ann.B@Example.COM ", "ann.b@example.com"),
        ("MAILTO:ann@example.com?subject=Hello", "ann@example.com"),
        ("<ann@example.com>", "ann@example.com"),
        ("Ann B <Ann@example.com>;", "ann@example.com"),
        ("ann@example.com.", "ann@example.com"),
        ("(ann@example.com)", "ann@example.com"),
        ("ann@M\u00dcLLER.at", "ann@xn--mller-kva.at"),
        ("ann@mu\u0308ller.at", "ann@xn--mller-kva.at"),
        ("ann@xn--mller-kva.at", "ann@xn--mller-kva.at"),
        ("ann@stra\u00dfe.de", "ann@xn--strae-oqa.de"),
        ("ann@\u4f8b\u3048\u3002jp", "ann@xn--r8jz45g.jp"),
        ("ann\u200b@example.com", "ann@example.com"),
        ("j\u00f6rg@example.com", "j\u00f6rg@example.com"),
    ],
)
def test_an_address_is_freed_of_what_surrounds_it(written: str, meant: str) -> None:
    assert email(written) == meant


@pytest.mark.parametrize(
    "bad",
    ["ann", "ann@", "@example.com", "ann b@example.com", "Ann@b@example.com", "ann@exa mple.com"],
)
def test_what_is_no_address_stays_for_the_contract_to_name(bad: str) -> None:
    assert email(f" {bad} ") == bad


def test_tags_and_dots_belong_to_the_address() -> None:
    assert email("Ann.B+news@Gmail.com") == "ann.b+news@gmail.com"


def test_different_mailboxes_are_not_joined() -> None:
    assert email("\u017fam@example.com") != email("sam@example.com")
    assert email("stra\u00dfe@example.com") != email("strasse@example.com")
