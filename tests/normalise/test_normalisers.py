"""Laws that every normaliser keeps, whatever text it is given."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concord.normalise.normalisers import NORMALISERS, normaliser, normaliser_of, plain, reader

pieces = st.sampled_from(
    [
        "@",
        ".",
        "+43",
        "0043",
        "(0)",
        "<",
        ">",
        "mailto:",
        " ext 5",
        "tel:",
        "\u00e4",
        "a\u0308",
        "\u212a",
        "\u200d",
        "\u202e",
        "\ufeff",
        "\x00",
        "\ud800",
        "\u05d0",
        "\U0001f9d1\u200d\U0001f680",
        "\u3002",
        "\u00df",
        "\u0130",
        "xn--",
        "-",
        "/",
        "1980",
        "0664",
        "1234567",
        "T00:00:00Z",
        " ",
        "\n",
        "\r\n",
        "\x85",
        "\u2028",
        "AT",
        "de",
        "_",
        "Wien",
        "\u0660\u0661",
        "\uff0b",
        "DW",
        "x",
    ]
)
anything = st.one_of(
    st.text(st.characters(), max_size=60),
    st.lists(st.one_of(pieces, st.text(st.characters(), max_size=3)), max_size=9).map("".join),
    st.from_regex(r"\+?[0-9 ()/.-]{3,20}", fullmatch=True),
    st.from_regex(
        r"[A-Za-z.\"' <(]{1,6}@[A-Za-z\xe4.-]{1,8}\.[a-z]{1,3}[>.,) ]{0,2}", fullmatch=True
    ),
)
named = st.sampled_from(NORMALISERS)
regions = st.sampled_from([None, "AT", "DE", "US", "GB", "IT", "MX", "BR", "LT", "ZZ"])


@given(named, regions, anything)
@example("phone", None, "+0664123456")
@example("email", None, "<<a@b.c>.>")
@example("email", None, "a@\u00df.de.")
@example("name", None, "a\u200b\u0308")
def test_canonical_text_stays_as_it_is(name: str, region: str | None, value: str) -> None:
    tidy = normaliser(name, region)
    once = tidy(value)
    assert once is None or tidy(once) == once


@given(named, regions, anything)
def test_a_normaliser_answers_with_text_that_a_table_can_hold(
    name: str, region: str | None, value: str
) -> None:
    once = normaliser(name, region)(value)
    assert once is None or (once != "" and once == once.strip() and once.encode("utf-8"))


@pytest.mark.parametrize("name", NORMALISERS)
@pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0", "\u200b", "\ud800", "\x00"])
def test_a_blank_is_nothing(name: str, blank: str) -> None:
    assert normaliser(name, "AT")(blank) is None


@pytest.mark.parametrize("name", NORMALISERS)
@pytest.mark.parametrize("piece", ["a", "1", "@", "\u00e4", "+4", "<", "\u202e", "a@", "\u3002b"])
def test_very_long_text_is_neither_refused_nor_slow(name: str, piece: str) -> None:
    assert normaliser(name, "AT")(piece * 10_000) != ""


@given(st.sampled_from(["date", "timestamp", "integer", "number", "boolean"]), anything)
def test_reading_never_fails(logical: str, value: str) -> None:
    reader(logical)(value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_are_read_as_they_are_shown(number: int) -> None:
    assert reader("integer")(str(plain(number))) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_are_shown(number: float) -> None:
    assert reader("number")(str(plain(number))) == number


@given(st.booleans())
def test_truth_values_are_read_as_they_are_shown(truth: bool) -> None:
    assert reader("boolean")(str(plain(truth))) is truth


@pytest.mark.parametrize("value", ["1,5", "1.000.000", "inf", "nan", "1e999", "0x10", "\u0661"])
def test_what_could_be_two_numbers_is_none(value: str) -> None:
    assert reader("number")(value) is None
    assert reader("integer")(value) is None


def test_a_role_brings_its_normaliser_and_a_type_the_rest() -> None:
    assert normaliser_of("email", "array") == "email"
    assert normaliser_of("birth_date", "date") == "date"
    assert normaliser_of("created_at", "timestamp") == "instant"
    assert normaliser_of(None, "string") == "text"
    assert normaliser_of(None, "boolean") == "line"
