"""vCards as native fields: read right or refused, and edited line by line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

from concord.platforms.base import ListPatch
from concord.platforms.vcard import (
    edited,
    is_native,
    modified_at,
    native_fields,
    new_card,
)
from concord.platforms.vcard_lines import DamagedCardError


def card(*lines: str, version: str = "3.0", newline: str = "\r\n") -> str:
    return newline.join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


def one(text: str, native: str) -> Any:
    return native_fields(text, (native,))[native]


def element(value: str, kind: str | None = None, *, preferred: bool = False) -> dict[str, Any]:
    return {"value": value, "type": kind, "preferred": preferred}


RICH = card(
    "UID:1",
    "N:Müller;Änne;Q.,X.;Dr.;",
    "FN:Änne Müller",
    "item1.TEL;type=pref:+49 170 1",
    "item1.X-ABLabel:_$!<Mobile>!$_",
    "TEL;TYPE=WORK,FAX:123",
    "EMAIL;TYPE=INTERNET,HOME;TYPE=pref:a@example.net",
    "NOTE:private\\, and\r\n  folded",
    "ORG:ACME\\, Inc\\;;Sales",
    "ADR;TYPE=HOME:;;Street 1, Top 5;Wien;;1010;Austria",
    "REV:20250101T101112Z",
    "X-FAVOURITE:9\\:15 and C:\\Users",
    "PHOTO;ENCODING=b:AAAA",
)


def test_every_kind_of_field_is_read() -> None:
    assert native_fields(
        RICH, ("N.family", "N.additional", "ORG", "ORG.unit", "ADR.street", "X-FAVOURITE", "TITLE")
    ) == {
        "N.family": "Müller",
        "N.additional": "Q.,X.",
        "ORG": "ACME, Inc;",
        "ORG.unit": "Sales",
        "ADR.street": "Street 1, Top 5",
        "X-FAVOURITE": "9:15 and C:\\Users",
        "TITLE": None,
    }


def test_elements_carry_type_and_preference() -> None:
    assert one(RICH, "TEL") == [element("+49 170 1", "cell", preferred=True), element("123", "fax")]
    assert one(RICH, "EMAIL") == [element("a@example.net", "home", preferred=True)]


def test_version_4_prefers_by_number_and_may_hold_uris() -> None:
    text = card(
        'TEL;VALUE=uri;PREF=2;TYPE="voice,home":tel:+1-555-0100;ext=5',
        "TEL;PREF=1;TYPE=cell:+43 1",
        "ADR;PREF=50:;;Two;;;;",
        "ADR;PREF=1:;;One;;;;",
        version="4.0",
    )
    assert one(text, "TEL") == [
        element("+1-555-0100;ext=5", "home"),
        element("+43 1", "cell", preferred=True),
    ]
    assert one(text, "ADR.street") == "One"


def test_version_2_1_has_its_own_escapes() -> None:
    text = card("N:M\\;x;C:\\new", "TEL;HOME;VOICE;PREF:1", version="2.1")
    assert one(text, "N.family") == "M;x"
    assert one(text, "N.given") == "C:\\new"
    assert one(text, "TEL") == [element("1", "home", preferred=True)]


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("BDAY:19801231", "1980-12-31"),
        ("BDAY:1980-12-31", "1980-12-31"),
        ("BDAY:--1231", "--1231"),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-12-31", "--1231"),
        ("BDAY;VALUE=text:in spring", "in spring"),
    ],
)
def test_birthdays_are_given_as_dates_without_inventing_a_year(line: str, read: str) -> None:
    assert one(card(line), "BDAY") == read


def test_the_last_change_is_an_instant() -> None:
    assert one(RICH, "REV") == "2025-01-01T10:11:12+00:00"
    assert modified_at(one(RICH, "REV")) == datetime(2025, 1, 1, 10, 11, 12, tzinfo=UTC)
    assert modified_at("2025-01-01") is None
    assert modified_at(None) is None


def test_a_card_without_a_shown_name_is_read() -> None:
    assert native_fields(card("N:A;B;;;"), ("FN", "N.family")) == {"FN": None, "N.family": "A"}


def test_a_damaged_field_refuses_the_card_only_where_it_is_mapped() -> None:
    text = card("FN:Ada", "NOTE;ENCODING=QUOTED-PRINTABLE:=ZZ")
    assert one(text, "FN") == "Ada"
    with pytest.raises(DamagedCardError):
        native_fields(text, ("FN", "NOTE"))


def test_a_changed_phone_keeps_group_label_and_every_other_line() -> None:
    patch = ListPatch(add=[element("+43 1 2", "mobile", preferred=True)], remove=["+49 170 1"])
    assert edited(RICH, {"TEL": patch}) == RICH.replace("+49 170 1", "+43 1 2")


def test_a_patch_leaves_what_it_does_not_name() -> None:
    text = edited(RICH, {"TEL": ListPatch(add=[element("+43 9", "home")])})
    assert one(text, "TEL") == [*one(RICH, "TEL"), element("+43 9", "home")]
    assert one(edited(text, {"TEL": ListPatch(remove=["123"])}), "TEL") == [
        element("+49 170 1", "cell", preferred=True),
        element("+43 9", "home"),
    ]


def test_only_one_element_is_preferred_after_one_is_added() -> None:
    text = edited(RICH, {"TEL": ListPatch(add=[element("+43 9", "home", preferred=True)])})
    assert [one["value"] for one in one(text, "TEL") if one["preferred"]] == ["+43 9"]


def test_an_element_that_is_there_is_not_added_again() -> None:
    assert edited(RICH, {"TEL": ListPatch(add=[element("123")])}) == RICH


def test_a_whole_list_replaces_and_null_clears() -> None:
    wanted = [element("b@example.net", "work"), element("a@example.net", "home")]
    assert sorted(e["value"] for e in one(edited(RICH, {"EMAIL": wanted}), "EMAIL")) == [
        "a@example.net",
        "b@example.net",
    ]
    assert "EMAIL" not in edited(RICH, {"EMAIL": None})


def test_one_part_changes_and_the_others_stay_as_they_were_written() -> None:
    text = edited(RICH, {"N.given": "Anna; B", "ADR.street": None, "ORG": None})
    assert "N:Müller;Anna\\; B;Q.,X.;Dr.;\r\n" in text
    assert "ADR;TYPE=HOME:;;;Wien;;1010;Austria\r\n" in text
    assert "ORG:;Sales\r\n" in text


def test_a_property_without_a_value_goes_but_a_required_one_stays_empty() -> None:
    text = edited(
        card("FN:A", "N:A;;;;", "TITLE:x", "ADR:;;s;;;;"),
        dict.fromkeys(("FN", "N.family", "TITLE", "ADR.street")),
    )
    assert text == card("FN:", "N:;;;;")


def test_a_second_address_survives_and_does_not_take_the_place_of_a_cleared_one() -> None:
    text = edited(card("ADR;TYPE=home:;;s;;;;", "ADR;TYPE=work:;;t;;;;"), {"ADR.street": None})
    assert text == card("ADR;TYPE=home:;;;;;;", "ADR;TYPE=work:;;t;;;;")
    assert one(text, "ADR.street") is None


def test_quoted_printable_is_written_in_version_2_1_and_plain_text_in_3_0() -> None:
    old = "TITLE;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:=DC"
    assert "TITLE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=B6rg\r\n" in edited(
        card(old, version="2.1"), {"TITLE": "Jörg"}
    )
    assert "TITLE:Jörg\r\n" in edited(card(old), {"TITLE": "Jörg"})


def test_a_date_is_written_as_its_version_wants_it() -> None:
    assert "BDAY:1980-12-31\r\n" in edited(
        card("BDAY;X-APPLE-OMIT-YEAR=1604:1604-01-01"), {"BDAY": "1980-12-31"}
    )
    assert "BDAY:19801231\r\n" in edited(card(version="4.0"), {"BDAY": "1980-12-31"})


def test_a_uri_stays_one_as_long_as_its_value_can_be_one() -> None:
    text = card("TEL;VALUE=uri;TYPE=home:tel:+1-555", version="4.0")
    assert "TEL;VALUE=uri;TYPE=home:tel:+43-1\r\n" in edited(
        text, {"TEL": [element("+43-1", "home")]}
    )
    assert "TEL;TYPE=home:ask Eve\r\n" in edited(text, {"TEL": [element("ask Eve", "home")]})


@pytest.mark.parametrize("value", ["a\x00b", "a\x1bb", "\ud800", "\x85"])
def test_a_value_that_no_card_can_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        edited(RICH, {"TITLE": value})


@pytest.mark.parametrize("native", ["FN", "x-any", "N.given", "ORG", "ORG.unit", "ADR.street"])
def test_a_property_or_a_part_is_a_native_field(native: str) -> None:
    assert is_native(native)


@pytest.mark.parametrize("native", ["", "N", "ADR", "N.first", "VERSION", "END", "A B", "TEL.x"])
def test_a_misspelt_field_is_known_before_a_card_is_read(native: str) -> None:
    assert not is_native(native)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"FN": "Shown"}, "Shown"),
        ({"N.given": "Ada", "N.family": "King"}, "Ada King"),
        ({"ORG": "ACME"}, "ACME"),
        ({"EMAIL": [element("a@example.net")]}, "a@example.net"),
        ({"TEL": [element("1")]}, "1"),
        ({}, None),
    ],
)
def test_a_new_card_is_shown_by_what_it_has(values: dict[str, Any], shown: str | None) -> None:
    assert one(new_card("u", values), "FN") == shown


WORDS = st.text(
    st.one_of(
        st.sampled_from('\\;,:\n ="äß€😀nN\u2028'),
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffd"),
    ),
    max_size=60,
)
VERSIONS = st.sampled_from(("2.1", "3.0", "4.0"))
LINES = st.lists(
    st.sampled_from(
        (
            "FN:Ada",
            "item1.FN;X-A=b:Ada",
            "TITLE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:J=C3=\r\n=B6rg",
            "TITLE:long\r\n  folded",
            "N:A;B;C",
            "N;LANGUAGE=de:A\\;x;B;;;",
            "EMAIL;TYPE=home:a@example.net",
            "EMAIL;PREF=1:a@example.net",
            "NOTE:kept\\, as\r\n  it is",
            "item1.X-ABLabel:kept",
            "",
            "PHOTO;ENCODING=b:AA\r\n AA",
            'X-ODD;A="b;c":kept;too',
            "nOtE;QUOTED-PRINTABLE:kept=\r\n  here=",
        )
    ),
    max_size=8,
)
CARDS = st.builds(
    lambda lines, version, end: card("UID:1", *lines, "KIND:individual", version=version).replace(
        "\r\n", end
    ),
    LINES,
    VERSIONS,
    st.sampled_from(("\r\n", "\n")),
).filter(lambda text: "here=\r\nKIND" not in text and "here=\nKIND" not in text)


@given(CARDS)
def test_an_edit_without_values_is_the_card_itself(text: str) -> None:
    assert edited(text, {}) == text


@given(CARDS, WORDS, st.sampled_from(("FN", "TITLE", "N.given", "ADR.locality", "ORG", "X-ODD")))
def test_what_is_written_is_read_back(text: str, value: str, native: str) -> None:
    assert one(edited(text, {native: value}), native) == (value or None)


@given(CARDS, st.dictionaries(st.sampled_from(("FN", "TITLE", "N.family", "X-NEW")), WORDS))
def test_an_edit_done_twice_changes_nothing_more(text: str, values: dict[str, Any]) -> None:
    once = edited(text, values)
    assert edited(once, values) == once


@given(CARDS, WORDS.filter(str.strip), st.booleans())
def test_lines_that_are_not_mapped_survive_byte_for_byte(text: str, value: str, many: bool) -> None:
    new = edited(text, {"TITLE": value, "EMAIL": [element(value, "work", preferred=many)]})
    for kept in (
        "NOTE:kept\\, as\r\n  it is\r\n",
        "item1.X-ABLabel:kept\r\n",
        'X-ODD;A="b;c":kept;too\r\n',
    ):
        for line in (kept, kept.replace("\r\n", "\n")):
            assert new.count(line) == text.count(line)
    assert one(new, "EMAIL") == [element(value, "work", preferred=many)]


@given(
    st.dictionaries(st.sampled_from(("FN", "TITLE", "X-TIER")), WORDS.filter(str.strip), min_size=3)
)
def test_vobject_reads_what_is_written(values: dict[str, Any]) -> None:
    read = vobject.readOne(new_card("u", values))
    assert {"FN": read.fn.value, "TITLE": read.title.value, "X-TIER": read.x_tier.value} == values


@pytest.mark.parametrize("prop", ["FN", "EMAIL", "N.given"])
def test_a_value_that_is_too_long_damages_its_card(prop: str) -> None:
    name = prop.partition(".")[0]
    value = f";{'x' * 70_000}" if name == "N" else "x" * 70_000
    text = f"BEGIN:VCARD\r\nVERSION:3.0\r\n{name}:{value}\r\nEND:VCARD\r\n"
    with pytest.raises(DamagedCardError, match="more than 65536 letters"):
        native_fields(text, [prop])
