"""When two names behind one address or phone are one person."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.identity.name_agreement import Named, agree


def named(
    given_name: str | None = None,
    family: str | None = None,
    full: str | None = None,
    born: date | None = None,
) -> Named:
    return Named(given_name, family, full, born)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (named("Anna", "Gruber"), named("Anna", "Gruber")),
        (named("ANNA", "Gruber"), named("anna", "GRUBER")),
        (named("Johann", "Huber"), named("Hans", "Huber")),
        (named("William", "Moser"), named("Bill", "Moser")),
        (named("Zoë", "Müller"), named("Zoe", "Muller")),
        (named("J.", "Huber"), named("Johann", "Huber")),
        (named("Katharina", "Gruber"), named("Katarina", "Gruber")),
        (named("Anna Maria", "Gruber"), named("Anna", "Gruber")),
        (named("Gruber", "Anna"), named("Anna", "Gruber")),
        (named(full="Anna Gruber"), named("Anna", "Gruber")),
        (named(full="Gruber, Anna"), named("Anna", "Gruber")),
        (named("Dr. Anna", "Gruber"), named("Anna", "Gruber")),
        (named("Anna", "Gruber-Moser"), named("Anna", "Gruber")),
    ],
)
def test_one_person_written_in_two_ways_agrees(one: Named, other: Named) -> None:
    assert agree(one, other, by_email=True)
    assert agree(one, other, by_email=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (named("Anna", "Gruber"), named("Eva", "Gruber")),
        (named("Martin", "Gruber"), named("Martina", "Gruber")),
        (named("Julian", "Moser"), named("Juliane", "Moser")),
        (named("Anna", "Gruber"), named("Anna", "Steiner")),
        (
            named("Robert", "Huber", None, date(1950, 1, 1)),
            named("Robert", "Huber", None, date(1980, 1, 1)),
        ),
        (named("Robert", "Huber sen."), named("Robert", "Huber jun.")),
        (named("John", "Smith III"), named("John", "Smith Jr.")),
    ],
)
def test_relatives_and_namesakes_do_not_agree(one: Named, other: Named) -> None:
    assert not agree(one, other, by_email=True)


def test_a_nameless_side_agrees_behind_a_mailbox_and_never_behind_a_phone() -> None:
    assert agree(named(), named("Anna", "Gruber"), by_email=True)
    assert not agree(named(), named("Anna", "Gruber"), by_email=False)
    assert not agree(named(None, "Gruber"), named("Anna", "Gruber"), by_email=False)


words = st.one_of(
    st.none(), st.text(max_size=8), st.sampled_from(["Anna", "Hans", "III", " ", "-", "李"])
)
people = st.builds(
    Named,
    words,
    words,
    words,
    st.one_of(st.none(), st.sampled_from([date(1980, 1, 1), date(1990, 2, 2)])),
)


@given(one=people, other=people, by_email=st.booleans())
def test_agreement_never_fails_and_has_no_direction(
    one: Named, other: Named, by_email: bool
) -> None:
    assert agree(one, other, by_email=by_email) == agree(other, one, by_email=by_email)


@given(one=people)
def test_everybody_agrees_with_herself_behind_one_mailbox(one: Named) -> None:
    assert agree(one, one, by_email=True)
