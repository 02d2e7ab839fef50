"""When two names behind one address or phone are one person."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concord.identity.name_agreement import Agreement, Named, agree, agreement


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
        (named("Juergen", "Loew"), named("Jürgen", "Löw")),
        (named("Tobais", "Huber"), named("Tobias", "Huber")),
        (named("Jun", "Tanaka"), named("Jun", "Tanaka")),
        (
            named("Anna", "Gruber", None, date(1980, 2, 13)),
            named("Anna", "Gruber", None, date(1980, 2, 18)),
        ),
        (
            named("Anna", "Gruber", None, date(1980, 2, 13)),
            named("Anna", "Gruber", None, date(1981, 2, 13)),
        ),
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
        (
            named("Robert", "Huber", None, date(1955, 3, 4)),
            named("Robert", "Huber", None, date(1985, 3, 4)),
        ),
        (
            named("Anna", "Gruber", None, date(1980, 2, 13)),
            named("Anne", "Gruber", None, date(1980, 2, 18)),
        ),
        (named("Robert", "Huber sen."), named("Robert", "Huber jun.")),
        (named("John", "Smith III"), named("John", "Smith Jr.")),
        (named("Johann", "Gruber"), named("Johann", "Gruber jun.")),
        (named("Martin", "Huber"), named("Marvin", "Huber")),
        (
            named("Marina", "Huber", None, date(1990, 2, 3)),
            named("Karina", "Huber", None, date(1990, 2, 3)),
        ),
        (named("Hans-Peter", "Huber"), named("Hans-Georg", "Huber")),
        (named("Jun", "Tanaka"), named("Kenji", "Tanaka")),
        (named("Amartya", "Sen"), named("Amartya", "Gupta")),
    ],
)
def test_relatives_and_namesakes_do_not_agree(one: Named, other: Named) -> None:
    assert not agree(one, other, by_email=True)


def test_a_nameless_side_agrees_behind_a_mailbox_and_never_behind_a_phone() -> None:
    assert agree(named(), named("Anna", "Gruber"), by_email=True)
    assert not agree(named(), named("Anna", "Gruber"), by_email=False)
    assert not agree(named(None, "Gruber"), named("Anna", "Gruber"), by_email=False)


def test_half_a_name_agrees_behind_a_mailbox_and_never_behind_a_phone() -> None:
    assert agree(named("Anna"), named("Anna", "Gruber"), by_email=True)
    assert not agree(named("Anna"), named("Anna", "Gruber"), by_email=False)
    assert not agree(named("Aylan", "Öz"), named("Ayland", "Öz"), by_email=False)


def test_a_generation_word_on_one_side_needs_the_same_birth_date() -> None:
    born = date(1980, 5, 6)
    son, same = named("Johann", "Gruber jun.", None, born), named("Johann", "Gruber", None, born)
    assert agree(son, same, by_email=False)
    assert agreement(named("Johann", "Gruber"), son) is Agreement.UNKNOWN


@pytest.mark.parametrize("other", [date(1970, 1, 1), date(1980, 6, 5), None])
def test_a_filler_or_a_swapped_birth_date_says_nothing(other: date | None) -> None:
    one = named("Anna", "Gruber", None, date(1980, 5, 6))
    assert agreement(one, named("Anna", "Gruber", None, other)) is Agreement.SAME


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
