"""Content lines: where a line ends, what its head says, and what is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from concord.platforms.vcard_lines import DamagedCardError, card_text, parse, text_of


def card(*lines: str, version: str = "3.0", newline: str = "\r\n") -> str:
    return newline.join(("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""))


def value(text: str, name: str) -> str:
    return next(text_of(line) for line in parse(text).lines if line.name == name)


def test_a_folded_line_is_one_line_without_the_fold() -> None:
    assert value(card("NOTE:one\r\n  two\r\n\tthree"), "NOTE") == "one twothree"


def test_the_blank_of_a_fold_belongs_to_the_value_in_version_2_1() -> None:
    assert value(card("NOTE:one\r\n two", version="2.1"), "NOTE") == "one two"


def test_a_fold_may_cut_the_head() -> None:
    line = parse(card("TEL;TYPE=WO\r\n RK:1")).lines[2]
    assert (line.name, line.param("TYPE"), line.value) == ("TEL", ("WORK",), "1")


def test_quoted_printable_goes_on_after_an_equals_sign() -> None:
    text = card(
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=\r\n=BCller;=\r\nJ=C3=B6rg", "TEL:1"
    )
    assert value(text, "N") == "Müller;Jörg"
    assert value(text, "TEL") == "1"


def test_a_value_that_ends_in_an_equals_sign_ends_there_when_it_is_not_quoted_printable() -> None:
    text = card("PHOTO;ENCODING=b:AAA=", "FN:Ada")
    assert value(text, "FN") == "Ada"


def test_a_bare_parameter_is_a_type_or_an_encoding() -> None:
    line = parse(card("TEL;HOME;QUOTED-PRINTABLE:1", version="2.1")).lines[2]
    assert line.param("TYPE") == ("HOME",)
    assert line.param("ENCODING") == ("QUOTED-PRINTABLE",)


def test_quotes_protect_colon_semicolon_and_comma_in_a_parameter() -> None:
    line = parse(card('ADR;LABEL="a:b;c,d";TYPE="voice,home":x', version="4.0")).lines[2]
    assert line.param("LABEL") == ("a:b;c,d",)
    assert line.value == "x"


def test_a_group_is_not_part_of_the_name() -> None:
    line = parse(card("item1.X-ABLabel:x")).lines[2]
    assert (line.group, line.name) == ("item1", "X-ABLABEL")


@pytest.mark.parametrize("letter", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_line(letter: str) -> None:
    assert len(parse(card(f"NOTE:one{letter}TEL:2")).lines) == 4


def test_other_character_sets_are_read_where_they_are_declared() -> None:
    assert (
        value(card("FN;CHARSET=ISO-8859-1;QUOTED-PRINTABLE:=DCmit", version="2.1"), "FN") == "Ümit"
    )
    assert value(card("FN;ENCODING=BASE64;CHARSET=UTF-8:w5xtaXQ=", version="2.1"), "FN") == "Ümit"


@pytest.mark.parametrize("before", ["\ufeff", "\r\n\r\n", "\ufeff\n"])
def test_a_byte_order_mark_and_blank_lines_may_come_first(before: str) -> None:
    assert value(before + card("FN:Ada"), "FN") == "Ada"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "<html></html>",
        card("FN:Ada").replace("END:VCARD\r\n", ""),
        card("FN:Ada").replace("BEGIN:VCARD\r\n", ""),
        card("FN:Ada") + card("FN:Bob"),
        card("AGENT:", "BEGIN:VCARD", "END:VCARD"),
        card("FN:Ada").replace("VERSION:3.0\r\n", ""),
        card("FN:Ada", version="5.0"),
        card("FN:Ada", "VERSION:4.0"),
        card("NOTE:the rest of this line", "stands here"),
        card("FN:Ada\rTEL:1"),
        card("FN;ENCODING=QUOTED-PRINTABLE:Ada="),
        card("FN:Ada", "=FF:1"),
    ],
)  # fmt: skip
def test_what_is_not_one_whole_card_is_refused(text: str) -> None:
    with pytest.raises(DamagedCardError):
        parse(text)


@pytest.mark.parametrize(
    "line",
    [
        "FN;ENCODING=QUOTED-PRINTABLE:A=ZZ",
        "FN;ENCODING=QUOTED-PRINTABLE:A=C3",
        "FN;ENCODING=BASE64:***",
        "FN;CHARSET=klingon;ENCODING=QUOTED-PRINTABLE:A",
        "FN;CHARSET=zlib;ENCODING=BASE64:AAAA",
        "FN:A\x00B",
        "FN:A\x85B",
        "FN:A\ufffdB",
    ],
)
def test_a_damaged_value_is_refused_when_it_is_read_and_only_then(line: str) -> None:
    text = card(line, "TEL:1")
    assert value(text, "TEL") == "1"
    with pytest.raises(DamagedCardError):
        value(text, "FN")


def test_an_error_never_quotes_the_card() -> None:
    with pytest.raises(DamagedCardError) as caught:
        parse(card("secret@example.net"))
    assert "secret" not in repr(caught.value)


def test_a_letter_cut_by_a_fold_is_put_together() -> None:
    body = card("FN:Zo\u00eb").encode().replace(b"\xc3\xab", b"\xc3\r\n \xab")
    assert value(card_text(body), "FN") == "Zo\u00eb"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(DamagedCardError, match="UTF-8"):
        card_text("FN:Ümit".encode("latin-1"))


@given(st.text(alphabet=st.sampled_from('BEGIN:VCARD\r\n;="\\, \tENDx=É'), max_size=80))
@example('A;"' + "x" * 50)
def test_any_text_is_read_or_refused(inside: str) -> None:
    text = card(inside)
    try:
        lines = parse(text).lines
    except DamagedCardError:
        return
    assert "".join(line.raw for line in lines) == text


def test_hostile_heads_take_no_time() -> None:
    with pytest.raises(DamagedCardError):
        parse(card("TEL" + ';A="b' * 20_000))


def test_a_large_photo_is_read_quickly() -> None:
    photo = "\r\n".join(" " + "A" * 74 for _ in range(40_000))
    assert value(card(f"PHOTO;ENCODING=b:\r\n{photo}", "FN:Ada"), "FN") == "Ada"


@pytest.mark.parametrize(
    "inside", ["X-A:b\n" * 20_000, "NOTE:" + "x" * 9_000_000 + "\n"], ids=["lines", "letters"]
)
def test_a_card_without_end_is_refused(inside: str) -> None:
    with pytest.raises(DamagedCardError, match="more than"):
        parse(f"BEGIN:VCARD\nVERSION:3.0\n{inside}END:VCARD\n")


def test_soft_line_breaks_without_end_take_no_quadratic_time() -> None:
    text = "BEGIN:VCARD\nVERSION:2.1\nNOTE;QUOTED-PRINTABLE:" + "a=\n" * 150_000 + "\nEND:VCARD\n"
    started = time.process_time()
    assert text_of(parse(text).lines[2]) == "a" * 150_000
    assert time.process_time() - started < 5


def test_a_character_set_cannot_bring_half_letters() -> None:
    line = "FN;CHARSET=unicode_escape;ENCODING=QUOTED-PRINTABLE:=5Cud800"
    with pytest.raises(DamagedCardError, match="letters lost"):
        text_of(parse(f"BEGIN:VCARD\nVERSION:2.1\n{line}\nEND:VCARD\n").lines[2])
